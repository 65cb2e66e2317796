"""Hotplug for real: the states that toolstack and backend tell each other in xenstore, and the hotplug scripts."""
