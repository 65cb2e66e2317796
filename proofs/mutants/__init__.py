"""Mutants of the implementation and of the checker: whether their checks would notice if they were wrong."""
