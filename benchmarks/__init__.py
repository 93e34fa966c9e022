"""What is measured, a file a topic: `python -m benchmarks [--only NAME]`."""
