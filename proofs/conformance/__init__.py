"""Conformance: the evidence that an implementation follows a design after every interleaving."""
