"""Media of calls: by which way it passes, and what the relay is asked."""
