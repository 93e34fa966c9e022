"""The API and the pages: a feature is a module; handlers answer frozen views."""
