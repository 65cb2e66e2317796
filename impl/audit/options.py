"""The options that say where a host's two sides are, for the commands that read them."""

from __future__ import annotations

from pathlib import Path

import click

TEMPLATES = click.option(
    "--json",
    "templates",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A domain's template; again for more. Needs --xenstore.",
)
DUMP = click.option(
    "--xenstore",
    "dump",
    metavar="DUMP",
    type=click.Path(path_type=Path),
    help="What `xenstore-ls -f -p` printed, all of it.",
)
