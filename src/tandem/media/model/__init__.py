"""Pure parts: who needs a relay, what it is told, what waits for its answer."""
