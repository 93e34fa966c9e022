"""What operators do to the whole: look whether all agrees, keep a copy, give back what was lost, erase a video."""
