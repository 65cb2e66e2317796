"""The checker on the command line."""
