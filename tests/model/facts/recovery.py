"""What full agreement is, and how ordinary operations lead back to it: `closing` is gone, and nothing is left over."""

from dataclasses import replace

from facts.plain import (
    CD,
    DEAD,
    DISK,
    EMPTY,
    ERROR,
    HELD,
    LARGE,
    LEFT_BEHIND,
    NONE,
    NOTHING,
    OK,
    PAUSED,
    A,
    Agreement,
    B,
    Call,
    Host,
    Recoverable,
    Run,
    Template,
    running,
)

MEMORY, WHOLE = "memory target", "whole"
ALL = frozenset({DISK, CD, MEMORY, WHOLE})
BARE, ONE, FULL = running({}), running({DISK: A}), running({DISK: A, CD: B})
NO_DISK = Host(template=Template({CD: B}), devices={CD: B}, resources=frozenset({CD}), vouched={CD: B})


def after_a_death(host: Host) -> Host:
    """The same host after one death, whose lock file is removed."""
    return replace(host, deaths=1)


def all_but(*parts: str) -> frozenset[str]:
    """Everything agrees but these."""
    return ALL - set(parts)


RECOVERY = (
    Run(
        "an attach that died before xenstore is called again",
        BARE,
        (Call("attach", DISK, A, dies="template"), Call("attach", DISK, A)),
        (DEAD, OK),
        after_a_death(ONE),
    ),
    Run(
        "an attach that died before hotplug cannot be called again: the device is detached, and attached",
        BARE,
        (
            Call("attach", DISK, A, dies="xenstore"),
            Call("attach", DISK, A),
            Call("detach", DISK),
            Call("attach", DISK, A),
        ),
        (DEAD, ERROR, OK, OK),
        after_a_death(ONE),
    ),
    Run(
        "a detach that died at its first step is called again, and nothing is going away any more",
        ONE,
        (Call("detach", DISK, dies="closing"), Call("detach", DISK)),
        (DEAD, OK),
        after_a_death(BARE),
    ),
    Run(
        "a detach that died with the device released is called again",
        ONE,
        (Call("detach", DISK, dies="resources"), Call("detach", DISK)),
        (DEAD, OK),
        after_a_death(BARE),
    ),
    Run(
        "X4: a detach that died before the template cannot be called again; an attach replaces the entry",
        ONE,
        (Call("detach", DISK, dies="xenstore"), Call("detach", DISK), Call("attach", DISK, B)),
        (DEAD, ERROR, OK),
        after_a_death(running({DISK: B})),
    ),
    Run(
        "a stale entry is forgotten by an attach and a detach",
        replace(BARE, template=Template({DISK: A})),
        (Call("attach", DISK, B), Call("detach", DISK)),
        (OK, OK),
        BARE,
    ),
    Run(
        "C1: an insert that died before xenstore is followed by another",
        running({CD: EMPTY}),
        (Call("insert", CD, A, dies="template"), Call("insert", CD, B)),
        (DEAD, OK),
        after_a_death(running({CD: B})),
    ),
    Run(
        "C1: an eject that died before the template is called again",
        running({CD: A}),
        (Call("eject", CD, dies="xenstore"), Call("eject", CD)),
        (DEAD, OK),
        after_a_death(replace(running({CD: EMPTY}), vouched={CD: EMPTY})),
    ),
    Run(
        "a torn memory target is set again",
        BARE,
        (Call("set_memory_target", memory=LARGE, dies="granted"), Call("set_memory_target", memory=LARGE)),
        (DEAD, OK),
        after_a_death(replace(BARE, memory=LARGE, granted=LARGE)),
    ),
    Run(
        "half a domain is destroyed, and created again",
        NOTHING,
        (
            Call("create", devices={DISK: A, CD: B}, dies="template"),
            Call("create", devices={DISK: A, CD: B}),
            Call("destroy"),
            Call("create", devices={DISK: A, CD: B}),
        ),
        (DEAD, ERROR, OK, OK),
        after_a_death(FULL),
    ),
    Run(
        "a destruction that died is called again",
        FULL,
        (Call("destroy", dies="template"), Call("destroy")),
        (DEAD, OK),
        after_a_death(NOTHING),
    ),
    Run(
        "P1: as posted, a device that the template lacks is detached",
        BARE,
        (Call("attach", DISK, A, dies="xenstore"), Call("detach", DISK)),
        (DEAD, OK),
        after_a_death(BARE),
        "as_posted",
    ),
)

AGREEMENT = (
    Agreement("what was attached is in all three places", FULL, ALL),
    Agreement("nothing at all", NOTHING, ALL, runs=False),
    Agreement("a device that is going away does not agree", replace(FULL, closing=frozenset({DISK})), all_but(DISK)),
    Agreement("a drive that is going away does not agree", replace(FULL, closing=frozenset({CD})), all_but(CD)),
    Agreement("nothing that is going away does not agree", replace(BARE, closing=frozenset({DISK})), all_but(DISK)),
    Agreement("a device that the template lacks", replace(FULL, template=Template({CD: B})), all_but(DISK)),
    Agreement(
        "a device that the template has otherwise",
        replace(FULL, template=Template({DISK: B, CD: B})),
        all_but(DISK),
    ),
    Agreement(
        "a template entry that xenstore lacks", replace(NO_DISK, template=Template({DISK: A, CD: B})), all_but(DISK)
    ),
    Agreement("a device without resources", replace(FULL, resources=frozenset({CD})), all_but(DISK)),
    Agreement("resources without a device", replace(NO_DISK, resources=frozenset({DISK, CD})), all_but(DISK)),
    Agreement(
        "C1 tolerates it, and it is no agreement: the template names an image, and xenstore says empty",
        replace(FULL, devices={DISK: A, CD: EMPTY}),
        all_but(CD),
    ),
    Agreement("a medium that the template has otherwise", replace(FULL, devices={DISK: A, CD: A}), all_but(CD)),
    Agreement("a memory target that only the hypervisor has", replace(FULL, granted=LARGE), all_but(MEMORY)),
    Agreement("a memory target that only xenstore has", replace(FULL, memory=LARGE), all_but(MEMORY)),
    Agreement("a lock that is held", replace(FULL, lock=HELD), all_but(WHOLE)),
    Agreement("a lock file that was left behind stands in nobody's way", replace(FULL, lock=LEFT_BEHIND), ALL),
    Agreement(
        "half a domain does not run, and is destroyed",
        replace(FULL, domain=PAUSED),
        all_but(WHOLE),
        runs=False,
        may_be_destroyed=True,
    ),
    Agreement(
        "a domain without a template is not whole, and is destroyed",
        Host(),
        all_but(WHOLE),
        runs=False,
        may_be_destroyed=True,
    ),
    Agreement(
        "a template without a domain does not agree, and there is nothing to destroy",
        Host(domain=NONE, template=Template()),
        all_but(WHOLE),
        runs=False,
    ),
)

RECOVERABLE = (
    Recoverable("full agreement", FULL, True),
    Recoverable("nothing", NOTHING, True),
    Recoverable("a device that is going away", replace(FULL, closing=frozenset({DISK})), True),
    Recoverable(
        "a device that is going away, and released",
        replace(FULL, closing=frozenset({DISK}), resources=frozenset({CD})),
        True,
    ),
    Recoverable(
        "X4: a template entry that xenstore lacks", replace(NO_DISK, template=Template({DISK: A, CD: B})), True
    ),
    Recoverable("P1: a device that the template lacks", replace(FULL, template=Template({CD: B})), True),
    Recoverable("a device that the template has otherwise", replace(FULL, template=Template({DISK: B, CD: B})), True),
    Recoverable("a device without resources", replace(FULL, resources=frozenset({CD})), True),
    Recoverable("resources without a device", replace(NO_DISK, resources=frozenset({DISK, CD})), True),
    Recoverable("C1: an image in the template, and an empty drive", replace(FULL, devices={DISK: A, CD: EMPTY}), True),
    Recoverable("two media", replace(FULL, devices={DISK: A, CD: A}), True),
    Recoverable("a torn memory target", replace(FULL, granted=LARGE, torn=True), True),
    Recoverable("a lock file that was left behind", replace(FULL, lock=LEFT_BEHIND), True),
    Recoverable("half a domain", Host(domain=PAUSED, template=Template({DISK: A, CD: B})), True),
    Recoverable("half a domain, without a template", Host(domain=PAUSED), True),
    Recoverable("a domain that runs without a template is destroyed", replace(FULL, template=None), True),
    Recoverable("a template without a domain", Host(domain=NONE, template=Template({DISK: A})), True),
    Recoverable("a lock that is held by nobody who is there", replace(FULL, lock=HELD), False),
    Recoverable("a drive that is going away of a domain that runs", replace(FULL, closing=frozenset({CD})), False),
    Recoverable("a drive that xenstore lost of a domain that runs", replace(FULL, devices={DISK: A}), False),
    Recoverable("resources of a drive that is not there", replace(ONE, resources=frozenset({DISK, CD})), False),
)
