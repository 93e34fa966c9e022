"""The heaters command: a supervisor of embedded servers and a thin client of the API."""
