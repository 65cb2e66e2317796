"""Bounded model checking and k-induction: a second engine, for fixed bounds."""
