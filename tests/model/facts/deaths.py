"""What a death leaves: the stores as they are, the lock free and its file behind, and nothing vouched that is not in
xenstore."""

from dataclasses import replace

from facts.plain import CD, DEAD, DISK, EMPTY, LEFT_BEHIND, NIC, OK, WEB, A, B, Call, Run, Template, died, running

ONE, BOTH = running({NIC: B}), running({NIC: B, DISK: A})
VACANT, LOADED = running({CD: EMPTY}), running({CD: A})
OF_THE_NIC = frozenset({NIC})


def attach(dies: str, again: int = 0) -> tuple[Call, ...]:
    """An attach that dies."""
    return (Call("attach", DISK, A, dies=dies, again=again),)


DEATHS = (
    Run("an attach that dies with the lock has changed nothing else", ONE, attach("lock"), (DEAD,), died(ONE)),
    Run(
        "X4: an attach that dies with the template written vouches for nothing",
        ONE,
        attach("template"),
        (DEAD,),
        died(replace(ONE, template=Template({NIC: B, DISK: A}))),
    ),
    Run(
        "an attach that dies with xenstore committed vouches for what it wrote",
        ONE,
        attach("xenstore"),
        (DEAD,),
        died(replace(BOTH, resources=OF_THE_NIC)),
    ),
    Run(
        "an attach that dies after it has dropped the lock leaves no lock file",
        ONE,
        attach("lock", 1),
        (DEAD,),
        replace(BOTH, resources=OF_THE_NIC, deaths=1),
    ),
    Run(
        "a detach that dies at its first step holds no lock",
        BOTH,
        (Call("detach", DISK, dies="closing"),),
        (DEAD,),
        replace(BOTH, closing=frozenset({DISK}), deaths=1),
    ),
    Run(
        "a detach that dies with the device released leaves it going away",
        BOTH,
        (Call("detach", DISK, dies="resources"),),
        (DEAD,),
        replace(BOTH, closing=frozenset({DISK}), resources=OF_THE_NIC, deaths=1),
    ),
    Run(
        "a detach that dies with xenstore committed vouches for nothing any more",
        BOTH,
        (Call("detach", DISK, dies="xenstore"),),
        (DEAD,),
        died(replace(ONE, template=Template({NIC: B, DISK: A}))),
    ),
    Run(
        "C1: an insert that dies with the template written vouches for nothing",
        VACANT,
        (Call("insert", CD, A, dies="template"),),
        (DEAD,),
        died(replace(VACANT, template=Template({CD: A}))),
    ),
    Run(
        "C1: an eject that dies with xenstore committed vouches for nothing",
        LOADED,
        (Call("eject", CD, dies="xenstore"),),
        (DEAD,),
        died(replace(VACANT, template=Template({CD: A}))),
    ),
    Run(
        "C2: a swap that dies with the second template written has an empty drive",
        LOADED,
        (Call("swap", CD, B, dies="template", again=1),),
        (DEAD,),
        died(replace(VACANT, template=Template({CD: B}))),
    ),
    Run(
        "a rename that dies with the name committed has renamed",
        ONE,
        (Call("rename", name=WEB, dies="name"),),
        (DEAD,),
        died(replace(ONE, name=WEB)),
    ),
    Run(
        "a second process removes the lock file of the first",
        ONE,
        (Call("attach", DISK, A, dies="lock"), Call("rename", name=WEB)),
        (DEAD, OK),
        replace(ONE, name=WEB, deaths=1),
    ),
    Run(
        "each death is counted",
        ONE,
        (Call("attach", DISK, A, dies="lock"), Call("rename", name=WEB, dies="lock")),
        (DEAD, DEAD),
        replace(ONE, lock=LEFT_BEHIND, deaths=2),
    ),
    Run(
        "P1: as posted, an attach that dies with xenstore committed leaves a device that the template lacks",
        ONE,
        attach("xenstore"),
        (DEAD,),
        died(replace(BOTH, template=Template({NIC: B}), vouched={NIC: B}, resources=OF_THE_NIC)),
        "as_posted",
    ),
    Run(
        "P1: as posted, an attach that dies after hotplug leaves resources that the template lacks",
        ONE,
        attach("resources"),
        (DEAD,),
        died(replace(BOTH, template=Template({NIC: B}), vouched={NIC: B})),
        "as_posted",
    ),
    Run(
        "J2: JSON first, an attach that dies with the template written holds no resources",
        ONE,
        attach("template"),
        (DEAD,),
        died(replace(BOTH, resources=OF_THE_NIC)),
        "json_first",
    ),
    Run(
        "X6: where the lock covers the update of the template alone, the device is not in xenstore when it is dropped",
        ONE,
        attach("lock", 1),
        (DEAD,),
        replace(ONE, template=Template({NIC: B, DISK: A}), deaths=1),
        "xenstore_first",
    ),
)
