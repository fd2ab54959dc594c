"""Watching: metrics for Prometheus. It measures nothing itself; the node and its edges count."""
