"""A protocol that the engines would take for another one is refused, by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from other_protocols import CACHE, ITEM, QUEUE, QueueLocal

from confsync.model.language import LanguageError, value


class Confused(QueueLocal):
    stored = value("the item it has stored: a name that a shared field has", ITEM)


def test_a_field_of_both_records_is_refused() -> None:
    """A slice keeps fields by their names: of two with one name, what one is made from would be forgotten."""
    with pytest.raises(LanguageError, match="protocol queue: `stored` is a field of both records: rename one of them"):
        replace(QUEUE, local=Confused)


@pytest.mark.parametrize("name", ["peek_is_exact", "peek_is_a_fixed_point"])
def test_a_property_of_answers_needs_an_observer(name: str) -> None:
    properties = {name: QUEUE.properties[name]}
    with pytest.raises(LanguageError, match=f"`{name}` is about what an observer answers, and there is no observer"):
        replace(QUEUE, properties=properties, observer=None)


def test_a_protocol_without_an_observer_is_good_where_nothing_is_about_its_answers() -> None:
    assert CACHE.observer is None
    assert replace(CACHE).properties == CACHE.properties
