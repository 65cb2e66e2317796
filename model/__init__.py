"""The checker: what a design's steps are written in, the designs and the properties, and the exhaustive search."""

if __name__ != "confsync.model":
    raise ImportError(f"import confsync.model, and not {__name__}: that would be a second copy of every class")
