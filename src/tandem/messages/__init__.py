"""The messages room: SIP MESSAGE outside calls, delivered at once or kept for who is away."""
