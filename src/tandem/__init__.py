"""Tandem: a clustered voice platform in a box. Nothing is imported here, so that every process starts fast."""

__version__ = "0.1.0"
