"""The templates: one file per domain, replaced whole and durably, and a lock beside each."""
