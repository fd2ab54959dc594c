"""What the standalone edge decides about its configuration and its view. Pure."""
