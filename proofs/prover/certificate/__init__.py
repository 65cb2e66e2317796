"""Certificates: obligations as SMT-LIB files, their reader, a second solver's opinion, stability."""
