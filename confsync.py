"""The front door: one command line, assembled from each package's own."""

from __future__ import annotations

import click

from model import cli as model_cli
from proofs import cli as proofs_cli


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="confsync")
def main() -> None:
    """Check and prove how a domain's configuration is kept in step in two places, its template and xenstore.

    The designs are those of the 2014 discussion on xen-devel, their variants, your own (--design-file) and what a
    real toolstack was seen to do (check --observed).

    Exit codes: 0 all hold, or all as the manifest expects; 1 something is refuted, or unlike the manifest; 2 bad
    input; 3 something was not decided: within its bounds, or by a proof.
    """


for command in (*proofs_cli.COMMANDS, *model_cli.COMMANDS):
    main.add_command(command)

if __name__ == "__main__":
    main()
