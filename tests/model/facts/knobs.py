"""What `rename` and `set_memory_target` do alone. A memory target is granted first, and then told to xenstore."""

from dataclasses import replace

from facts.plain import (
    DEAD,
    DISK,
    ERROR,
    LARGE,
    LEFT_BEHIND,
    NOTHING,
    OK,
    SMALL,
    WEB,
    A,
    Call,
    Run,
    running,
)

NOW = running({DISK: A})
GROWN = replace(NOW, memory=LARGE, granted=LARGE)
TORN = replace(NOW, granted=LARGE, torn=True)

KNOBS = (
    Run(
        "A4: the new name is xenstore's; the template keeps the old one",
        NOW,
        (Call("rename", name=WEB),),
        (OK,),
        replace(NOW, name=WEB),
    ),
    Run("without a domain nothing is renamed", NOTHING, (Call("rename", name=WEB),), (ERROR,)),
    Run("a name that cannot be committed is not set", NOW, (Call("rename", name=WEB, fails="name"),), (ERROR,)),
    Run("a memory target is granted, and in xenstore", NOW, (Call("set_memory_target", memory=LARGE),), (OK,), GROWN),
    Run("without a domain there is no memory target", NOTHING, (Call("set_memory_target", memory=LARGE),), (ERROR,)),
    Run(
        "a hypercall that is refused changes nothing",
        NOW,
        (Call("set_memory_target", memory=LARGE, fails="granted"),),
        (ERROR,),
    ),
    Run(
        "a memory target that cannot be committed is taken back from the hypervisor",
        NOW,
        (Call("set_memory_target", memory=LARGE, fails="memory"),),
        (ERROR,),
    ),
    Run(
        "a death between the two leaves a torn memory target",
        NOW,
        (Call("set_memory_target", memory=LARGE, dies="granted"),),
        (DEAD,),
        replace(TORN, lock=LEFT_BEHIND, deaths=1),
    ),
    Run(
        "a death after both leaves nothing torn",
        NOW,
        (Call("set_memory_target", memory=LARGE, dies="memory"),),
        (DEAD,),
        replace(GROWN, lock=LEFT_BEHIND, deaths=1),
    ),
    Run(
        "a death between the two tears nothing where the target is the one that was",
        NOW,
        (Call("set_memory_target", memory=SMALL, dies="granted"),),
        (DEAD,),
        replace(NOW, lock=LEFT_BEHIND, deaths=1),
    ),
    Run(
        "a torn memory target is mended by setting it again",
        TORN,
        (Call("set_memory_target", memory=LARGE),),
        (OK,),
        GROWN,
    ),
    Run(
        "a torn memory target is mended by setting the old one",
        TORN,
        (Call("set_memory_target", memory=SMALL),),
        (OK,),
        NOW,
    ),
    Run(
        "what is torn is mended by a clean-up too",
        TORN,
        (Call("set_memory_target", memory=LARGE, fails="memory"),),
        (ERROR,),
        NOW,
    ),
    Run(
        "what is torn stays torn where nothing was granted",
        TORN,
        (Call("set_memory_target", memory=SMALL, fails="granted"),),
        (ERROR,),
    ),
    Run(
        "a rename does not mend what is torn",
        TORN,
        (Call("rename", name=WEB),),
        (OK,),
        replace(TORN, name=WEB),
    ),
)
