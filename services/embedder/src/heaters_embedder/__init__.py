"""Takes keyframes of exported clips and embeds them."""
