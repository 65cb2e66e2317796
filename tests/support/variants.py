"""Random variants of the registered designs, written as design files, so that they can be kept and read again.

A variant is a registered design after one to four edits of its orders: a step dropped, moved, exchanged with another,
or put in. An edit that leaves no design is not made.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from confsync.model.language import Design, LanguageError, Operation, Step, Undo, neg, order, step
from confsync.model.libxl import steps
from confsync.model.libxl.designs import DESIGNS

OWN_STEPS = '''\
@step
def refuse_if_renamed(s, me):
    """A guard that reads a knob: knobs then matter to devices."""
    me.fails_if(s.name != s.template_name)

@step
def refuse_unless_as_saved(s, me):
    """A guard that compares configurations: one of them is then not enough."""
    me.fails_if(s.template[me.slot] != me.config)

@step
def save_the_name(s, me):
    """A write of the file that is no write of its devices, and cannot be refused."""
    s.template_name = s.name

@step
def wait_for_a_domain(s, me):
    """A wait for something that is no lock."""
    me.waits_until(neg(s.paused))
'''
"""Steps that no registered design has, with what none of its steps does."""


def own_steps() -> list[Step]:
    """The steps of OWN_STEPS."""
    names: dict[str, object] = {"step": step, "neg": neg}
    exec(compile(OWN_STEPS, "own steps", "exec"), names)
    return [s for s in names.values() if isinstance(s, Step)]


MOST_TRIES = 50
"""Edits that are tried for one variant: most leave no design."""
VOCABULARY = sorted((s for s in vars(steps).values() if isinstance(s, Step)), key=lambda s: s.name) + own_steps()


def edited(random: Random, given: Operation) -> Operation:
    """An operation with one edit; some parts of its clean-up may be gone as well."""
    found, n = list(given.steps), len(given.steps)
    i, j = random.randrange(n), random.randrange(n)
    match random.choice(("drop", "exchange", "move", "put in")):
        case "drop":
            del found[i]
        case "exchange":
            found[i], found[j] = found[j], found[i]
        case "move":
            found.insert(j, found.pop(i))
        case _:
            found.insert(i, random.choice(VOCABULARY))
    undone = tuple(u for u in given.clean_up if random.randrange(8))
    return order(*found, on_failure=undone)


def variant(random: Random, check: Callable[[Design], object]) -> tuple[str, Design]:
    """The name of a registered design, and that design with those of a few edits that leave a design. `check` raises
    LanguageError for what is none."""
    base = random.choice(sorted(DESIGNS))
    found = DESIGNS[base]
    left = random.randint(1, 4)
    for _ in range(MOST_TRIES):
        name = random.choice([n for n, _ in found.operations()])
        changed = found.but("variant", "", **{name: edited(random, found[name])})
        try:
            check(changed)
        except LanguageError:
            continue
        found, left = changed, left - 1
        if not left:
            break
    return base, found


def _once(undo: Undo) -> str:
    return f"once({', '.join(map(str, (undo.of, *undo.steps)))})"


def as_file(base: str, design: Design) -> str:
    """A design file of the design: in what it differs from the registered design `base`."""
    parent = dict(DESIGNS[base].operations())
    changed = [(name, operation) for name, operation in design.operations() if operation != parent[name]]
    lines = [f'base = "{base}"']
    lines += [f"{name} = [{', '.join(map(str, operation.steps))}]" for name, operation in changed]
    undone = [f'    "{name}": [{", ".join(map(_once, operation.clean_up))}],' for name, operation in changed]
    if undone:
        lines += ["on_failure = {", *undone, "}"]
    used = {str(s) for _, operation in changed for s in operation.steps}
    own = OWN_STEPS if used & {s.name for s in own_steps()} else ""
    return '"""A random variant."""\n' + own + "\n".join(lines) + "\n"
