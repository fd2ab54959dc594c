"""Implementations of the ports; only `wiring` imports them."""
