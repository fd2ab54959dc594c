"""Peers, and what measures them."""
