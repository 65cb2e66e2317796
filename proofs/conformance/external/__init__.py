"""Somebody else's implementation, in any language, driven over its standard input and output (docs/external.md)."""
