"""Advisory locks of the database, by name: each number is taken by one purpose only."""

MIGRATION = 0x48454154_00000001
"""Held while migrations run."""
PROJECTION = 0x48454154_00000002
"""Held by the one projector among all replicas, for as long as it projects."""
