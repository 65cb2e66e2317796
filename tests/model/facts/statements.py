"""What the properties say of a host: where each holds, fails, or holds because its case does not arise."""

from dataclasses import replace

from facts.plain import (
    CD,
    DISK,
    EMPTY,
    FAILS,
    HELD,
    HOLDS,
    LARGE,
    LEFT_BEHIND,
    NIC,
    NOTHING,
    PAUSED,
    VACUOUS,
    WEB,
    A,
    B,
    Host,
    Quiescent,
    Statement,
    Template,
    running,
)

ONE, FULL = running({DISK: A}), running({DISK: A, NIC: B, CD: A})
STALE = replace(ONE, template=Template({DISK: A, NIC: B}))
UNKNOWN = replace(FULL, template=Template({NIC: B, CD: A}))
WRONG_DISK = replace(FULL, template=Template({DISK: B, NIC: B, CD: A}))
WRONG_MEDIUM = replace(FULL, template=Template({DISK: A, NIC: B, CD: B}))
EJECTED = Host(template=Template({CD: A}), devices={CD: EMPTY}, resources=frozenset({CD}))
LEAKED = replace(ONE, resources=frozenset({DISK, NIC}))

X1, J1, X2, X3 = "xenstore_has_template", "template_has_xenstore", "resources_have_xenstore", "resources_have_template"
FAITHFUL, MEDIUM, LOST, DIES = "template_is_faithful", "medium_agrees", "no_lost_update", "userdata_dies_with_domain"

STATEMENTS = (
    Statement("X1: a device in xenstore has a template entry", FULL, X1, HOLDS),
    Statement("X1: a device that the template lacks", UNKNOWN, X1, FAILS),
    Statement("X1: a drive that the template lacks", replace(FULL, template=Template({DISK: A, NIC: B})), X1, FAILS),
    Statement("X1, X4: a template entry that xenstore lacks is tolerated", STALE, X1, HOLDS),
    Statement("X1: an entry with another configuration is an entry", WRONG_DISK, X1, HOLDS),
    Statement(
        "X1: without a device in xenstore nothing is said", replace(NOTHING, template=Template({DISK: A})), X1, VACUOUS
    ),
    Statement("J1: a device in the template is in xenstore", FULL, J1, HOLDS),
    Statement("J1: a template entry that xenstore lacks", STALE, J1, FAILS),
    Statement("J1: without a template nothing is said", NOTHING, J1, VACUOUS),
    Statement("X2: a device with resources is in xenstore", FULL, X2, HOLDS),
    Statement("X2: resources without a device", LEAKED, X2, FAILS),
    Statement("X2: without resources nothing is said", replace(ONE, resources=frozenset()), X2, VACUOUS),
    Statement("X3: a device with resources is in the template", FULL, X3, HOLDS),
    Statement("X3: resources that the template lacks", UNKNOWN, X3, FAILS),
    Statement(
        "X3: a device that the template lacks and that holds nothing",
        replace(UNKNOWN, resources=frozenset({CD})),
        X3,
        HOLDS,
    ),
    Statement("R1: the template holds what was attached", FULL, FAITHFUL, HOLDS),
    Statement("R1: the template holds another configuration", WRONG_DISK, FAITHFUL, FAILS),
    Statement("R1: the template holds another medium", WRONG_MEDIUM, FAITHFUL, FAILS),
    Statement("R1: the template lacks the device", UNKNOWN, FAITHFUL, FAILS),
    Statement("R1: an empty drive has nothing to be held", EJECTED, FAITHFUL, VACUOUS),
    Statement("C1: the medium is the template's", FULL, MEDIUM, HOLDS),
    Statement("C1: two media", WRONG_MEDIUM, MEDIUM, FAILS),
    Statement("C1: xenstore says empty, and the template names an image", EJECTED, MEDIUM, VACUOUS),
    Statement("C1: nothing is said of a device", replace(WRONG_DISK, devices={DISK: A, NIC: B}), MEDIUM, VACUOUS),
    Statement("C1: nor does a device's wrong entry matter", WRONG_DISK, MEDIUM, HOLDS),
    Statement("L1: the template holds what is vouched for", FULL, LOST, HOLDS),
    Statement("L1: the template holds something else than is vouched for", WRONG_DISK, LOST, FAILS),
    Statement("L1: the template lacks what is vouched for", UNKNOWN, LOST, FAILS),
    Statement("L1: where nobody vouches nothing is lost", replace(WRONG_DISK, vouched={}), LOST, VACUOUS),
    Statement("A3: nothing is left", NOTHING, DIES, VACUOUS),
    Statement("A3: a template outlives its domain", replace(NOTHING, template=Template()), DIES, FAILS),
    Statement("A3: a lock file outlives its domain, and nobody died", replace(NOTHING, lock=LEFT_BEHIND), DIES, FAILS),
    Statement("A3: a lock file that a dead process left", replace(NOTHING, lock=LEFT_BEHIND, deaths=1), DIES, VACUOUS),
    Statement("A3: a lock that is held without a domain is about to go", replace(NOTHING, lock=HELD), DIES, VACUOUS),
    Statement("A3: half a domain may have a template", replace(FULL, domain=PAUSED), DIES, HOLDS),
)

KNOBS, FIXED = "knobs_are_reflected", "retrieve_is_a_fixed_point"

QUIESCENT = (
    Quiescent("A4: the name that the domain has is returned", replace(FULL, name=WEB), KNOBS, HOLDS),
    Quiescent(
        "A4: the memory target that is granted is returned", replace(FULL, memory=LARGE, granted=LARGE), KNOBS, HOLDS
    ),
    Quiescent("A4: a memory target that is granted, and not returned", replace(FULL, granted=LARGE), KNOBS, FAILS),
    Quiescent("A4: one that is returned, and not granted", replace(FULL, memory=LARGE), KNOBS, FAILS),
    Quiescent("a torn memory target is excused", replace(FULL, granted=LARGE, torn=True), KNOBS, HOLDS),
    Quiescent("A4: knobs that are as they were say nothing", FULL, KNOBS, VACUOUS),
    Quiescent("what a retrieve returns is the domain again", FULL, FIXED, HOLDS),
    Quiescent("so it is with another name and memory target", replace(FULL, name=WEB, memory=LARGE), FIXED, HOLDS),
    Quiescent("X4: a template entry that xenstore lacks is not created", STALE, FIXED, HOLDS),
    Quiescent("C1: an empty drive is created empty", EJECTED, FIXED, HOLDS),
    Quiescent("J3: a made-up entry is no configuration to create from", UNKNOWN, FIXED, FAILS),
    Quiescent("a wrong template entry would create another domain", WRONG_DISK, FIXED, FAILS),
    Quiescent("a wrong medium would create another domain", WRONG_MEDIUM, FIXED, FAILS),
    Quiescent("where a retrieve is an error nothing is said", replace(FULL, template=None), FIXED, VACUOUS),
    Quiescent("nor of the knobs", replace(FULL, template=None, name=WEB, granted=LARGE), KNOBS, VACUOUS),
)
