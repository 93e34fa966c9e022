"""Makes an approved clip a file, frame-exact and proven."""
