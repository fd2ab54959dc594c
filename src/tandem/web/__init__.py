"""The HTTP API: tables, live calls and records over JSON. It decides nothing of a call; the call node does."""
