"""What `insert`, `eject` and `swap` do alone: xenstore's medium is the template's, or xenstore says empty."""

from dataclasses import replace

from facts.plain import CD, DEAD, DISK, EMPTY, ERROR, LEFT_BEHIND, OK, A, B, Call, Run, Template, running

VACANT, LOADED = running({CD: EMPTY}), running({CD: A})
EJECTED = replace(VACANT, vouched={CD: EMPTY})
"""The same after an eject, which wrote the drive's entry."""
NO_DRIVE = running({DISK: A})

MEDIA = (
    Run("a medium goes into an empty drive", VACANT, (Call("insert", CD, A),), (OK,), LOADED),
    Run("a drive that is loaded takes no other medium", LOADED, (Call("insert", CD, B),), (ERROR,)),
    Run("where there is no drive nothing is inserted", NO_DRIVE, (Call("insert", CD, A),), (ERROR,)),
    Run("a medium that is ejected is in neither place", LOADED, (Call("eject", CD),), (OK,), EJECTED),
    Run("an empty drive can be ejected", VACANT, (Call("eject", CD),), (OK,), EJECTED),
    Run("where there is no drive nothing is ejected", NO_DRIVE, (Call("eject", CD),), (ERROR,)),
    Run(
        "C1: an eject that cannot write the template leaves the image there, and xenstore says empty",
        LOADED,
        (Call("eject", CD, fails="template"),),
        (ERROR,),
        replace(VACANT, template=Template({CD: A})),
    ),
    Run("an eject that cannot commit changes nothing", LOADED, (Call("eject", CD, fails="xenstore"),), (ERROR,)),
    Run(
        "C1: an insert that cannot commit leaves the image in the template, and nobody vouches for it",
        VACANT,
        (Call("insert", CD, A, fails="xenstore"),),
        (ERROR,),
        replace(VACANT, template=Template({CD: A})),
    ),
    Run(
        "an insert that cannot write the template changes nothing",
        VACANT,
        (Call("insert", CD, A, fails="template"),),
        (ERROR,),
    ),
    Run("C2: a swap replaces the medium in both places", LOADED, (Call("swap", CD, B),), (OK,), running({CD: B})),
    Run("C2: a swap of an empty drive inserts", VACANT, (Call("swap", CD, B),), (OK,), running({CD: B})),
    Run("where there is no drive nothing is swapped", NO_DRIVE, (Call("swap", CD, B),), (ERROR,)),
    Run(
        "C2: a swap whose insert cannot write the template has ejected",
        LOADED,
        (Call("swap", CD, B, fails="template", again=1),),
        (ERROR,),
        VACANT,
    ),
    Run(
        "C1, C2: a swap without an eject, the template first, can die with two media",
        LOADED,
        (Call("swap", CD, B, dies="template"),),
        (DEAD,),
        replace(LOADED, template=Template({CD: B}), vouched={CD: B}, lock=LEFT_BEHIND, deaths=1),
        "xenstore_first_locked_direct_swap_template_first",
    ),
    Run(
        "C1, C2: a swap without an eject, xenstore first, can die with two media",
        LOADED,
        (Call("swap", CD, B, dies="xenstore"),),
        (DEAD,),
        replace(LOADED, devices={CD: B}, lock=LEFT_BEHIND, deaths=1),
        "xenstore_first_locked_direct_swap_xenstore_first",
    ),
)
