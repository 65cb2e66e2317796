"""Why a design holds: the same steps on Z3 terms, for any number of slots, configurations and processes."""
