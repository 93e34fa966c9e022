"""The review desk's rules: what the facts of a video mean, and what a person may decide. Pure: no I/O, no clock, no randomness."""
