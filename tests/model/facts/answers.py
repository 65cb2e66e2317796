"""Which answers of a retrieve are exact, and which it had to make up in part."""

from dataclasses import replace

from facts.plain import (
    CD,
    DISK,
    EMPTY,
    LARGE,
    MADE_UP,
    NIC,
    NOTHING,
    WEB,
    A,
    B,
    Exact,
    Returned,
    Template,
    Told,
    running,
)

FULL = running({DISK: A, CD: B})
IS = {DISK: A, CD: B}
KNOBS_FIRST = "knobs are read before devices"
"""The recommended design, with a retrieve that reads the devices last."""

EXACT = (
    Exact("what was attached", FULL, Told(IS), True),
    Exact("another configuration than was attached", FULL, Told({DISK: B, CD: B}), False),
    Exact("another medium", FULL, Told({DISK: A, CD: A}), False),
    Exact("a device less", FULL, Told({CD: B}), False),
    Exact("a device more [X4]", FULL, Told({**IS, NIC: B}), False),
    Exact("a made-up entry [J3]", FULL, Told({DISK: MADE_UP, CD: B}), False),
    Exact("a medium in a drive that is empty [R2]", replace(FULL, devices={DISK: A, CD: EMPTY}), Told(IS), False),
    Exact("a drive that is said to be empty, and is not", FULL, Told({DISK: A, CD: EMPTY}), False),
    Exact("knobs in the copy that are read anew", FULL, Told(IS, WEB, LARGE), True),
    Exact("a template that says otherwise", replace(FULL, template=Template({})), Told(IS), True),
    Exact("knobs that are still so", FULL, Told(IS), True, KNOBS_FIRST),
    Exact("a name that is no longer so [A4]", FULL, Told(IS, name=WEB), False, KNOBS_FIRST),
    Exact("a memory target that is no longer so [A4]", FULL, Told(IS, memory=LARGE), False, KNOBS_FIRST),
    Exact("a new name", replace(FULL, name=WEB), Told(IS, name=WEB), True, KNOBS_FIRST),
    Exact("the template's old name", replace(FULL, name=WEB), Told(IS), False, KNOBS_FIRST),
    Exact(
        "a new memory target, granted or not", replace(FULL, memory=LARGE), Told(IS, memory=LARGE), True, KNOBS_FIRST
    ),
    Exact("a domain that is gone", NOTHING, Told({}), False, KNOBS_FIRST),
)

RETURNED = (
    Returned("configurations that users gave", Told(IS), False),
    Returned("nothing", Told({}), False),
    Returned("an empty drive is not made up", Told({CD: EMPTY}), False),
    Returned("J3: a device that the template lacked", Told({DISK: A, NIC: MADE_UP}), True),
    Returned("J3: a drive that the template lacked", Told({CD: MADE_UP}), True),
)
