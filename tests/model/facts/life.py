"""What `create` and `destroy` do alone: a domain comes whole or not at all, and nothing of it stays."""

from dataclasses import replace

from facts.plain import (
    CD,
    DEAD,
    DISK,
    EMPTY,
    ERROR,
    LARGE,
    NIC,
    NONE,
    NOTHING,
    OK,
    PAUSED,
    WEB,
    A,
    B,
    Call,
    Host,
    Run,
    Template,
    died,
    running,
)

WANTED = {DISK: A, CD: EMPTY}
WHOLE = running(WANTED)
ALL = frozenset(WANTED)
ENDING = replace(WHOLE, domain=PAUSED, closing=ALL)


def create(*, dies: str = "", fails: str = "", again: int = 0) -> Call:
    """A creation with the devices that are wanted."""
    return Call("create", devices=WANTED, dies=dies, fails=fails, again=again)


LIFE = (
    Run("A3: a domain is created with its devices in all three places, and runs", NOTHING, (create(),), (OK,), WHOLE),
    Run(
        "a domain is created with the name and the memory target that are asked for",
        NOTHING,
        (Call("create", devices=WANTED, name=WEB, memory=LARGE),),
        (OK,),
        replace(WHOLE, template=Template(WANTED, WEB, LARGE), name=WEB, memory=LARGE, granted=LARGE),
    ),
    Run("where there is a domain none is created", running({DISK: B}), (create(),), (ERROR,)),
    Run("a hypervisor that makes no domain leaves nothing", NOTHING, (create(fails="domain"),), (ERROR,)),
    Run("a creation whose template cannot be written leaves nothing", NOTHING, (create(fails="template"),), (ERROR,)),
    Run(
        "a creation whose devices cannot be entered leaves nothing",
        NOTHING,
        (create(fails="xenstore", again=1),),
        (ERROR,),
    ),
    Run("a creation whose hotplug fails leaves nothing", NOTHING, (create(fails="resources"),), (ERROR,)),
    Run(
        "a creation that dies with the domain made leaves it paused, without a template",
        NOTHING,
        (create(dies="domain"),),
        (DEAD,),
        died(Host(domain=PAUSED)),
    ),
    Run(
        "A3: a creation that dies with the template saved vouches for none of it",
        NOTHING,
        (create(dies="template"),),
        (DEAD,),
        died(Host(domain=PAUSED, template=Template(WANTED))),
    ),
    Run(
        "a creation that dies with the devices entered vouches for those, and not for an empty drive",
        NOTHING,
        (create(dies="xenstore", again=1),),
        (DEAD,),
        died(replace(WHOLE, domain=PAUSED, resources=frozenset())),
    ),
    Run(
        "a creation replaces a template that an earlier domain left",
        replace(NOTHING, template=Template({DISK: B, NIC: B}, WEB, LARGE)),
        (create(),),
        (OK,),
        WHOLE,
    ),
    Run(
        "a creation does not release what an earlier domain left allocated",
        replace(NOTHING, resources=frozenset({NIC})),
        (create(),),
        (OK,),
        replace(WHOLE, resources=frozenset({DISK, CD, NIC})),
    ),
    Run("A3: a destroyed domain has left nothing", WHOLE, (Call("destroy"),), (OK,), NOTHING),
    Run("without a domain there is nothing to destroy", NOTHING, (Call("destroy"),), (ERROR,)),
    Run(
        "a destruction that dies first of all has paused the domain, and every device is going away",
        WHOLE,
        (Call("destroy", dies="closing"),),
        (DEAD,),
        died(ENDING),
    ),
    Run(
        "a destruction that cannot commit has released every device",
        WHOLE,
        (Call("destroy", fails="xenstore"),),
        (ERROR,),
        replace(ENDING, resources=frozenset()),
    ),
    Run(
        "a destruction that cannot unlink the template has left xenstore",
        WHOLE,
        (Call("destroy", fails="template"),),
        (ERROR,),
        Host(domain=PAUSED, template=Template(WANTED)),
    ),
    Run(
        "a destruction that dies with the domain gone leaves its lock file alone",
        WHOLE,
        (Call("destroy", dies="domain"),),
        (DEAD,),
        died(Host(domain=NONE)),
    ),
    Run(
        "a torn memory target goes with its domain",
        replace(WHOLE, granted=LARGE, torn=True),
        (Call("destroy"),),
        (OK,),
        NOTHING,
    ),
)
