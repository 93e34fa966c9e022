"""Plans a video's segments and makes each segment's proxy and tiny array."""
