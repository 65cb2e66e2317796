"""Why a design holds: the same steps on Z3 terms, for any number of slots, configurations and processes."""

if __name__ != "confsync.proofs":
    raise ImportError(f"import confsync.proofs, and not {__name__}: that would be a second copy of every class")
