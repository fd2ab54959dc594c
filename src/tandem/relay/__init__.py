"""Starts the media relay; what calls want of it is the room `media`."""
