"""What makes an audit impossible."""

from __future__ import annotations

from pathlib import Path

from confsync.impl.errors import ToolstackError


class BadInput(ToolstackError):
    """What was given is no dump, or no host."""

    code = "ERROR_INVAL"

    def __init__(self, source: Path | str, line: int, reason: str) -> None:
        """`line`: from 1, or 0 if it is about no line."""
        super().__init__(f"{source}: line {line}: {reason}" if line else f"{source}: {reason}")
        self.source, self.line, self.reason = source, line, reason
