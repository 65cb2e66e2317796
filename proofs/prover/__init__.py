"""The prover: an inductive invariant for any number of everything, and what is said of it."""
