"""What xenstored limits, with the numbers that C xenstored has unless told otherwise."""

from __future__ import annotations

from dataclasses import dataclass

PAYLOAD_MAX = 4096
"""Bytes in one message after its header [XENSTORE_PAYLOAD_MAX]."""
RECORD_HEAD, RECORD_PERMISSION = 24, 8
"""Bytes that C xenstored counts for a node, and for each of its permissions [struct xs_tdb_record_hdr]."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an unprivileged domain may have; `path` binds everybody [quota_* in xenstored_core.c].

    Each comparison is xenstored's own, so that a quota of 10 transactions lets eleven through.
    """

    nodes: int = 1000
    watches: int = 128
    transactions: int = 10
    transaction_nodes: int = 1024
    entry_size: int = 2048
    permissions: int = 5
    path: int = 2048
    """Characters of a path, after `/local/domain/<domid>/` if it begins so."""
