"""What `attach` and `detach` do alone: where they succeed, are refused, or a step of theirs fails."""

from dataclasses import replace

from facts.plain import (
    DISK,
    ERROR,
    NIC,
    NOTHING,
    OK,
    WEB,
    A,
    B,
    Call,
    Host,
    Run,
    Template,
    running,
)

ONE, BOTH = running({NIC: B}), running({NIC: B, DISK: A})
GOING = replace(BOTH, closing=frozenset({DISK}))
OF_THE_NIC = frozenset({NIC})

DEVICES = (
    Run(
        "an attached device is in the template, in xenstore, and holds resources",
        ONE,
        (Call("attach", DISK, A),),
        (OK,),
        BOTH,
    ),
    Run(
        "X5: a slot that is taken is refused before the template is written", BOTH, (Call("attach", DISK, B),), (ERROR,)
    ),
    Run(
        "X4: an attach replaces a template entry that xenstore lacks",
        replace(ONE, template=Template({NIC: B, DISK: B})),
        (Call("attach", DISK, A),),
        (OK,),
        BOTH,
    ),
    Run("without a template nothing can be attached", Host(), (Call("attach", DISK, A),), (ERROR,)),
    Run("without a domain nothing can be attached", NOTHING, (Call("attach", DISK, A),), (ERROR,)),
    Run(
        "a template that cannot be written stays as it was", ONE, (Call("attach", DISK, A, fails="template"),), (ERROR,)
    ),
    Run(
        "X5: where xenstore cannot be committed the template has the entry, and nobody vouches for it",
        ONE,
        (Call("attach", DISK, A, fails="xenstore"),),
        (ERROR,),
        replace(ONE, template=Template({NIC: B, DISK: A})),
    ),
    Run(
        "P1: where hotplug fails the device is in template and xenstore, without resources",
        ONE,
        (Call("attach", DISK, A, fails="resources"),),
        (ERROR,),
        replace(BOTH, resources=OF_THE_NIC),
    ),
    Run(
        "an attach leaves the template's name as it is, whatever the domain is called",
        replace(ONE, name=WEB),
        (Call("attach", DISK, A),),
        (OK,),
        replace(BOTH, name=WEB),
    ),
    Run("a device that is going away is still in its slot", GOING, (Call("attach", DISK, B),), (ERROR,)),
    Run("U1: a detached device is nowhere", BOTH, (Call("detach", DISK),), (OK,), ONE),
    Run("what is not there cannot be detached", ONE, (Call("detach", DISK),), (ERROR,)),
    Run(
        "X4: a template entry that xenstore lacks cannot be detached",
        replace(ONE, template=Template({NIC: B, DISK: A})),
        (Call("detach", DISK),),
        (ERROR,),
    ),
    Run(
        "a backend that does not close leaves the device going away",
        BOTH,
        (Call("detach", DISK, fails="resources"),),
        (ERROR,),
        GOING,
    ),
    Run(
        "a detach that cannot commit has released the device, which is still listed",
        BOTH,
        (Call("detach", DISK, fails="xenstore"),),
        (ERROR,),
        replace(GOING, resources=OF_THE_NIC),
    ),
    Run(
        "U1, X4: a detach that cannot write the template leaves an entry that nobody vouches for, and is not present",
        BOTH,
        (Call("detach", DISK, fails="template"),),
        (ERROR,),
        replace(ONE, template=Template({NIC: B, DISK: A})),
    ),
    Run("a detach that has begun can be called again", GOING, (Call("detach", DISK),), (OK,), ONE),
    Run(
        "P1: as posted, a template that cannot be written leaves the device in xenstore, with resources",
        ONE,
        (Call("attach", DISK, A, fails="template"),),
        (ERROR,),
        replace(BOTH, template=Template({NIC: B}), vouched={NIC: B}),
        "as_posted",
    ),
    Run(
        "J1, J2: JSON first, a template that cannot be written leaves the device in xenstore, without resources",
        ONE,
        (Call("attach", DISK, A, fails="template"),),
        (ERROR,),
        replace(BOTH, template=Template({NIC: B}), vouched={NIC: B}, resources=OF_THE_NIC),
        "json_first",
    ),
    Run(
        "U1: JSON first, a detach forgets the entry before xenstore does",
        BOTH,
        (Call("detach", DISK, fails="xenstore"),),
        (ERROR,),
        replace(GOING, template=Template({NIC: B}), vouched={NIC: B}, resources=OF_THE_NIC),
        "json_first",
    ),
    Run(
        "X5: without the check that the slot is free, a refused attach has replaced the template's entry",
        BOTH,
        (Call("attach", DISK, B),),
        (ERROR,),
        replace(BOTH, template=Template({NIC: B, DISK: B}), vouched={NIC: B, DISK: B}),
        "xenstore_first_unchecked",
    ),
)
