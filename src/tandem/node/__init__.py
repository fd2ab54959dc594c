"""The call node: the process that decides. Nothing is imported here, so that it starts fast."""
