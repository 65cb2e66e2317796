"""What the stores amount to for those who use the domain: xenstore says which devices, the template says what they
are."""

from dataclasses import replace

from facts.plain import CD, DISK, EMPTY, LARGE, NIC, NOTHING, PAUSED, WEB, A, B, Seen, Template, Told, running

FULL = running({DISK: A, CD: B})

SEEN = (
    Seen("A2: what agrees", FULL, Told({DISK: A, CD: B})),
    Seen(
        "X4: a template entry that xenstore lacks is not present",
        replace(FULL, template=Template({DISK: A, NIC: B, CD: B})),
        Told({DISK: A, CD: B}),
    ),
    Seen(
        "A2: the template says what a device is",
        replace(FULL, template=Template({DISK: B, CD: B})),
        Told({DISK: B, CD: B}),
    ),
    Seen("a device that the template lacks is nothing", replace(FULL, template=Template({CD: B})), Told({CD: B})),
    Seen(
        "R2: xenstore says which drive is empty",
        replace(FULL, devices={DISK: A, CD: EMPTY}),
        Told({DISK: A, CD: EMPTY}),
    ),
    Seen("A4: xenstore says the knobs", replace(FULL, name=WEB, memory=LARGE), Told({DISK: A, CD: B}, WEB, LARGE)),
    Seen("what is granted alone does not show", replace(FULL, granted=LARGE), Told({DISK: A, CD: B})),
    Seen("a device that is going away is there", replace(FULL, closing=frozenset({DISK})), Told({DISK: A, CD: B})),
    Seen("half a domain is none", replace(FULL, domain=PAUSED), None),
    Seen(
        "where there is no domain a template is none", replace(NOTHING, template=Template({DISK: A}, WEB, LARGE)), None
    ),
)
