"""The HTTP API's routes, one noun a file. Each has a name in the permission table."""
