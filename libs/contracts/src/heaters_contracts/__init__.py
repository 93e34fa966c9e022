"""What Heaters' services say to each other: facts, spans, object keys and the pipeline table. pydantic only."""
