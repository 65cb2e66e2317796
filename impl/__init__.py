"""An implementation of the protocol, on real files, real locks and a real xenstore. It knows no model and no proof."""
