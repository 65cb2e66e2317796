"""The step language on Z3 terms: the symbolic carrier, the transition relation, the solver."""
