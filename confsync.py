"""The front door: one command line, assembled from each package's own."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = {
    "audit": "impl.audit.cli:audit",
    "check": "model.cli:check",
    "claims": "model.cli:claims",
    "conform": "proofs.conformance.cli:conform",
    "designs": "model.cli:list_designs",
    "domain": "impl.command.cli:domain",
    "matrix": "proofs.cli:matrix",
    "mutants": "proofs.mutants.cli:mutants",
    "properties": "model.cli:list_properties",
    "prove": "proofs.cli:prove",
    "refine": "proofs.cli:refine",
    "replay": "model.cli:replay_token",
    "retrieve": "impl.audit.retrieve_cli:retrieve",
}
"""Where each command is. Only the one that is run is imported: who tries `domain` by hand waits for no solver."""


class Lazy(click.Group):
    """A group of COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="confsync")
def main() -> None:
    """Check and prove how a domain's configuration is kept in step in two places, its template and xenstore.

    The designs are those of the 2014 discussion on xen-devel, their variants, your own (--design-file) and what a
    real toolstack was seen to do (check --observed). `domain` is a toolstack that follows one of them, to try by hand.

    Exit codes: 0 all hold, or all as the manifest expects; 1 something is refuted, or unlike the manifest; 2 bad
    input; 3 something was not decided: within its bounds, or by a proof.
    """


if __name__ == "__main__":
    main()
