"""What all commands share about text for people: made safe for a terminal, cut, and names that were misspelt."""

if __name__ != "confsync.terminal":
    raise ImportError(f"import confsync.terminal, and not {__name__}: that would be a second copy of every class")
