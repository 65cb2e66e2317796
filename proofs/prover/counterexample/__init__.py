"""Where a proof fails: counterexamples to induction, and what a proof lacks."""
