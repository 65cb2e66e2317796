"""What `retrieve` answers when nothing else is under way: the template's entries of what xenstore lists."""

from dataclasses import replace

from facts.plain import (
    CD,
    DISK,
    EMPTY,
    ERROR,
    HELD,
    LARGE,
    LEFT_BEHIND,
    MADE_UP,
    NIC,
    NOTHING,
    PAUSED,
    SMALL,
    WAITS,
    WEB,
    A,
    B,
    Call,
    Host,
    Run,
    Template,
    Told,
    running,
)

LOOK = (Call("retrieve"),)
WRITE_BACK = "xenstore_first_locked_write_back"
STALE = replace(running({NIC: B}), template=Template({DISK: A, NIC: B}))
UNKNOWN = Host(devices={DISK: A}, template=Template(), resources=frozenset({DISK}))

RETRIEVE = (
    Run(
        "R1: each device that exists takes its template entry",
        running({DISK: A, CD: B}),
        LOOK,
        (Told({DISK: A, CD: B}),),
    ),
    Run("X4: a template entry that xenstore lacks is not present", STALE, LOOK, (Told({NIC: B}),)),
    Run("R1, J3: an entry that the template lacks is made up", UNKNOWN, LOOK, (Told({DISK: MADE_UP}),)),
    Run(
        "R2: of an empty drive the medium is dropped",
        Host(devices={CD: EMPTY}, template=Template({CD: B}), resources=frozenset({CD})),
        LOOK,
        (Told({CD: EMPTY}),),
    ),
    Run(
        "J3: a configuration cannot be rebuilt from xenstore, so a wrong template entry is what is returned",
        replace(running({DISK: A}), template=Template({DISK: B})),
        LOOK,
        (Told({DISK: B}),),
    ),
    Run(
        "A2, A4: the name and the memory target are xenstore's and not the template's",
        replace(running({DISK: A}), name=WEB, memory=LARGE, granted=LARGE),
        LOOK,
        (Told({DISK: A}, WEB, LARGE),),
    ),
    Run(
        "a memory target that is granted and not in xenstore is not returned",
        replace(running({}), granted=LARGE, torn=True),
        LOOK,
        (Told({}, memory=SMALL),),
    ),
    Run(
        "without a template a retrieve is an error (ERROR_JSON_CONFIG_EMPTY)",
        Host(devices={DISK: A}, resources=frozenset({DISK})),
        LOOK,
        (ERROR,),
    ),
    Run("without a domain a retrieve is an error", NOTHING, LOOK, (ERROR,)),
    Run(
        "a template without a domain is no answer",
        replace(NOTHING, template=Template({DISK: A})),
        LOOK,
        (ERROR,),
    ),
    Run(
        "a device that is going away is still listed",
        replace(running({DISK: A, NIC: B}), closing=frozenset({NIC}), resources=frozenset({DISK})),
        LOOK,
        (Told({DISK: A, NIC: B}),),
    ),
    Run(
        "a domain that is half created has no device until xenstore lists it",
        Host(domain=PAUSED, template=Template({DISK: A})),
        LOOK,
        (Told({}),),
    ),
    Run(
        "L1: a retrieve waits for the lock",
        replace(running({DISK: A}), lock=HELD),
        LOOK,
        (WAITS,),
    ),
    Run(
        "a lock file that a dead process left does not stop a retrieve, which removes it",
        replace(running({DISK: A}), lock=LEFT_BEHIND, deaths=1),
        LOOK,
        (Told({DISK: A}),),
        replace(running({DISK: A}), deaths=1),
    ),
    Run(
        "R3: a retrieve that writes back drops from the file what xenstore lacks",
        STALE,
        LOOK,
        (Told({NIC: B}),),
        running({NIC: B}),
        WRITE_BACK,
    ),
    Run(
        "R3: a retrieve that writes back puts an entry that it made up into the file",
        UNKNOWN,
        LOOK,
        (Told({DISK: MADE_UP}),),
        replace(UNKNOWN, template=Template({DISK: MADE_UP})),
        WRITE_BACK,
    ),
    Run(
        "R3: a retrieve that writes back cannot write: an error, and the file is as it was",
        STALE,
        (Call("retrieve", fails="template"),),
        (ERROR,),
        design=WRITE_BACK,
    ),
    Run(
        "a retrieve that dies leaves its lock file and nothing else",
        running({DISK: A}),
        (Call("retrieve", dies="lock"),),
        ("dead",),
        replace(running({DISK: A}), lock=LEFT_BEHIND, deaths=1),
    ),
)
