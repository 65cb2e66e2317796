"""What all commands share about text for people: made safe for a terminal, cut, and names that were misspelt."""
