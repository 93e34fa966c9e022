"""Brings a video into the object store."""
