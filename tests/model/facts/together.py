"""What two processes do together: where the lock keeps one waiting, and what comes of it where no lock is held."""

from dataclasses import replace

from facts.plain import (
    CD,
    DEAD,
    DISK,
    EMPTY,
    LARGE,
    MADE_UP,
    NIC,
    OK,
    SMALL,
    STOPPED,
    WAITS,
    WEB,
    A,
    B,
    Call,
    Die,
    Resume,
    Run,
    Template,
    Told,
    running,
)

ONE, TWO = "one", "two"
BARE, DISK_ONLY, BOTH = running({}), running({DISK: A}), running({DISK: A, NIC: B})
SECOND = Call("attach", NIC, B, process=TWO)


def attach(stops: str, again: int = 0) -> Call:
    """An attach that is stopped on its way."""
    return Call("attach", DISK, A, stops=stops, again=again)


TOGETHER = (
    Run(
        "L1: a retrieve waits until the attach has dropped the lock",
        BARE,
        (attach("xenstore"), Call("retrieve", process=TWO), Resume(ONE), Resume(TWO)),
        (STOPPED, WAITS, OK, Told({DISK: A})),
        DISK_ONLY,
    ),
    Run(
        "L1: a second attach reads the template only when the first has written it",
        BARE,
        (attach("copy"), SECOND, Resume(ONE), Resume(TWO)),
        (STOPPED, WAITS, OK, OK),
        BOTH,
    ),
    Run(
        "L1: without the lock the first overwrites what the second wrote, which is vouched for",
        BARE,
        (attach("copy"), SECOND, Resume(ONE)),
        (STOPPED, OK, OK),
        replace(BOTH, template=Template({DISK: A})),
        "xenstore_first_unlocked",
    ),
    Run(
        "a detach begins without the lock, and waits for it before it leaves xenstore",
        running({NIC: B}),
        (attach("template"), Call("detach", NIC, process=TWO), Resume(ONE), Resume(TWO)),
        (STOPPED, WAITS, OK, OK),
        DISK_ONLY,
    ),
    Run(
        "X6: a retrieve that holds the lock only while it reads the template meets a device that its copy lacks",
        BARE,
        (Call("retrieve", stops="lock", again=1, process=TWO), Call("attach", DISK, A), Resume(TWO)),
        (STOPPED, OK, Told({DISK: MADE_UP})),
        DISK_ONLY,
        "xenstore_first",
    ),
    Run(
        "X5: before xenstore is committed a retrieve does not see the device",
        BARE,
        (attach("lock", 1), Call("retrieve", process=TWO), Resume(ONE)),
        (STOPPED, Told({}), OK),
        DISK_ONLY,
        "xenstore_first",
    ),
    Run(
        "C2: between the eject and the insert of a swap a retrieve sees an empty drive",
        running({CD: A}),
        (Call("swap", CD, B, stops="lock", again=1), Call("retrieve", process=TWO), Resume(ONE)),
        (STOPPED, Told({CD: EMPTY}), OK),
        running({CD: B}),
    ),
    Run(
        "a rename waits for the lock",
        BARE,
        (attach("copy"), Call("rename", name=WEB, process=TWO), Resume(ONE), Resume(TWO)),
        (STOPPED, WAITS, OK, OK),
        replace(DISK_ONLY, name=WEB),
    ),
    Run(
        "a rename that takes no lock does not wait",
        BARE,
        (attach("copy"), Call("rename", name=WEB, process=TWO), Resume(ONE)),
        (STOPPED, OK, OK),
        replace(DISK_ONLY, name=WEB),
        "xenstore_first",
    ),
    Run(
        "who waits for the lock of a process that dies gets it",
        BARE,
        (
            attach("template"),
            Call("retrieve", process=TWO),
            Die(ONE),
            Resume(TWO),
        ),
        (STOPPED, WAITS, DEAD, Told({})),
        replace(BARE, template=Template({DISK: A}), deaths=1),
    ),
    Run(
        "L1: without the lock a death tears a memory target that another process has settled meanwhile",
        BARE,
        (
            Call("set_memory_target", memory=SMALL, stops="granted", process=TWO),
            Call("set_memory_target", memory=LARGE, stops="granted"),
            Resume(TWO),
            Die(ONE),
        ),
        (STOPPED, STOPPED, OK, DEAD),
        replace(BARE, granted=LARGE, torn=True, deaths=1),
        "xenstore_first",
    ),
    Run(
        "X4: between the template and xenstore an attach vouches for its entry already",
        BARE,
        (attach("lock", 1),),
        (STOPPED,),
        replace(BARE, template=Template({DISK: A}), vouched={DISK: A}),
        "xenstore_first",
    ),
)
