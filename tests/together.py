"""Which tests run on one worker: those of a file that shares something costly, such as a proof.

The marks of `xdist_group` are lost with pytest 9.2: pytest-xdist 3.8 writes a test's group into its id, by an attribute
that is no longer read. Here the file in the id decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

TOGETHER = tuple(
    f"test_{name}.py"
    for name in ("agreement", "certificate", "proofs", "refinement", "second", "story", "triage", "why_it_holds")
)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Hand out these files as a whole, the largest first, and all other tests one by one."""
    from xdist.scheduler import LoadScopeScheduling as ByScope  # noqa: PLC0415 (a worker has no use for it)

    class ByFile(ByScope):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file.endswith(TOGETHER) else nodeid

    return ByFile(config, log)
