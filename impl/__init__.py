"""An implementation of the protocol, on real files, real locks and a real xenstore. It knows no model and no proof."""

if __name__ != "confsync.impl":
    raise ImportError(f"import confsync.impl, and not {__name__}: that would be a second copy of every class")
