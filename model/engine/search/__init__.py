"""Exhaustive search: interned words, pair tables, sorted frontiers. NumPy; no Z3."""
