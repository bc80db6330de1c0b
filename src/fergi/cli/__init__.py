"""The command line: one file a command, and nothing in it that the Python API cannot do.

`commands.py` names them all.
"""

import sys

import typer

from fergi.cli.group import FergiGroup
from fergi.provenance import fergi_version

app = typer.Typer(
    cls=FergiGroup,
    help="Turn the faces people make at generated images into preference labels.",
    epilog="Start with: fergi demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> bool:
    if asked:
        typer.echo(f"fergi {fergi_version()}")
        raise typer.Exit
    return asked


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line and leave with its exit status: 0 done, 1 failed, 2 wrong usage."""
    # A pipe that is closed early, as by `head`, is no failure worth a traceback.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    app(prog_name="fergi")
