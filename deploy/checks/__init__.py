"""What keeps deployment, documents and code of one mind: made and checked from the code, never by hand."""
