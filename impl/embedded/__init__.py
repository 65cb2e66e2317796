"""A host to try everything on: a hypervisor that only keeps books, and hotplug that only says what it would hold."""
