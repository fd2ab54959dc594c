"""A call as a value: its state, the events that change it, and one pure function."""
