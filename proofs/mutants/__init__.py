"""Mutants of the implementation: whether what judges it would notice if it were wrong."""
