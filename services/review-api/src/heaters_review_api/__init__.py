"""Admission, decisions, the projection, search and the reviewers' pages."""
