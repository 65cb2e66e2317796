"""xenstore, several ways: embedded in memory, in a file that processes share, and a real one over its socket."""
