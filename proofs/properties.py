"""What has to be shown for each property: which lemmas, and what else follows from them."""

from __future__ import annotations

from model.properties import PROPERTIES
from proofs.lemma import Clause
from proofs.vocabulary import stated


def over_stores() -> dict[str, Clause]:
    """The properties over the stores, each as the lemma that it is."""
    return {
        name: Clause(None, ((stated(name, lambda s, _me, k, holds=p.holds: holds(s, k)), True),))  # type: ignore[misc]
        for name, p in PROPERTIES.items()
        if p.holds
    }
