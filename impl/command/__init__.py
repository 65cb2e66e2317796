"""`confsync domain`: the operations by hand, on a state folder."""
