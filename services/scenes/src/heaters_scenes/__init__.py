"""Finds the cuts of a segment in its tiny array."""
