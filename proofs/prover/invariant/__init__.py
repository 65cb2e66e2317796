"""The search for an inductive invariant: vocabulary, candidates, induction, Houdini."""
