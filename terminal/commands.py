"""Groups of commands that say which command was perhaps meant."""

from __future__ import annotations

import click

from confsync.terminal.text import unknown


class Group(click.Group):
    """A group of commands. A command that it does not have is bad input."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(unknown("command", args[0], self.list_commands(ctx), f"`{ctx.command_path} --help`"))
        return super().resolve_command(ctx, args)
