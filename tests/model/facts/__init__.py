"""Facts of the protocol, written by hand from the text: a third witness beside the search and the prover.

The search and the prover run the same step functions and share the predicates of recovery and exactness, so an error in
these would mislead both in the same way. A fact says in plain data what has to come of a plain situation. Its sources
are the claims of the 2014 discussion (A1 to C2, as `DESIGN.md` numbers them), libxl's documented behaviour, and the
definitions of the properties; nothing here was copied from what a program printed.

Nothing in this package imports anything of the project (`tests/model/test_witnesses.py` checks that), and nothing in it
runs an operation. One adaptor for each engine (`facts_searched.py`, `facts_proved.py`) translates.
"""

from facts.abstract import SEEN
from facts.answers import EXACT, RETURNED
from facts.arguments import ASKED
from facts.deaths import DEATHS
from facts.devices import DEVICES
from facts.knobs import KNOBS
from facts.life import LIFE
from facts.media import MEDIA
from facts.recovery import AGREEMENT, RECOVERABLE, RECOVERY
from facts.retrieve import RETRIEVE
from facts.statements import QUIESCENT, STATEMENTS
from facts.together import TOGETHER

RUNS = (*RETRIEVE, *DEVICES, *MEDIA, *KNOBS, *LIFE, *DEATHS, *RECOVERY, *TOGETHER)
"""What operations do."""

__all__ = ["AGREEMENT", "ASKED", "EXACT", "QUIESCENT", "RECOVERABLE", "RETURNED", "RUNS", "SEEN", "STATEMENTS"]
