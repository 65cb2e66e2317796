"""Death: the act runs in a child process that is killed at every system call in turn, before it and after it.

It is killed at the first stop, the next child at the second, and so on until one comes to its end; then the same for
each thread and process that it started. Calls for memory and between threads are no points: how many there are is
chance, and nothing outside changes.
"""

from __future__ import annotations

from crash.calls import LOOKING, PRIVATE
from crash.tracing import NotPermitted, Stop, Traced
from crash.trial import Act, Check, Notes, Outcome, Prepare, Wreck, ground


def kill_everywhere(
    prepare: Prepare,
    act: Act,
    check: Check,
    *,
    marked: bool = False,
    all_in_folder: bool = True,
    every_call: bool = True,
    both_sides: bool = True,
) -> Outcome:
    """Run the act, and kill it at each system call that it makes, before it is done and after it is done; check what
    each leaves. NotPermitted; ActFailed if the act fails by itself.

    `marked`: the act says by `trial.begin()` where its set-up ends. `all_in_folder`: what it leaves is in the folder
    and the notes only, so what is equal is checked once; False if there is a server too that keeps something.
    `every_call=False`: calls that only look at things are passed over, which is several times faster, and misses
    nothing unless somebody else acts meanwhile. `both_sides=False`: it is killed before each call only; after one is
    before the next, but for what was said in between.
    """
    outcome, notes = Outcome(), Notes()
    passed = PRIVATE if every_call else PRIVATE | LOOKING
    task = stop = 0
    with ground(prepare) as at:
        while True:
            stop += 1
            folder = at.fresh()
            notes.clear()
            child = Traced(act, folder, notes, marked)
            last = _Last(child, task, stop, passed, both_sides)
            if child.run(last):
                outcome.points += 1
                outcome.places[last.place] += 1
                where = f"killed at stop {stop}, {last.place}" + f", in task {task}" * bool(task)
            else:
                task, stop = task + 1, 0
                where = "not killed at all"
            wreck = Wreck(folder, notes.said(), where)
            if not all_in_folder or not stop or outcome.is_new(wreck):
                outcome.look(check, wreck)
            at.clear(folder)
            if task == len(child.tasks):
                return outcome


class _Last:
    """Says where a child is to be killed: one of its tasks, at one of its stops."""

    def __init__(self, child: Traced, task: int, stop: int, passed: set[str], both_sides: bool) -> None:
        self._child, self._task, self._left, self._passed = child, task, stop, passed
        self._both_sides = both_sides
        self.place = ""

    def __call__(self, stop: Stop) -> bool:
        tasks = self._child.tasks
        counts = stop.name not in self._passed and (self._both_sides or stop.result is None)
        if counts and self._task < len(tasks) and tasks[self._task] == stop.task:
            self._left -= 1
            self.place = str(stop)
        return self._left == 0


def refused() -> str:
    """Why children cannot be traced here; empty if they can."""
    try:
        kill_everywhere(lambda _: None, lambda _: None, lambda _: ())
    except NotPermitted as refusal:
        return str(refusal)
    return ""
