"""TURN for browsers that reach nothing else: coturn as a child of the supervisor, and credentials for it. It relays nothing itself."""
