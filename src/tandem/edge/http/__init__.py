"""The HTTP face of a standalone edge. Only its admin process imports it."""
