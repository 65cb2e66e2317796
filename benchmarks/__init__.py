"""Side-by-side measurements: each prints a table that anyone can reproduce."""
