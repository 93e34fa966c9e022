"""Search: by what clips look like, and by words."""
