"""Routing as pure tables: who may call what, and where a call goes."""
