"""The command line: one file a command, and nothing in it that the Python API cannot do."""

import sys

import typer

from fergi.cli import (
    annotate,
    au,
    demo,
    evaluate,
    export,
    extract,
    fetch,
    imports,
    inventory,
    plot,
    reproduce,
    score,
    studio,
    train,
)
from fergi.cli.group import FergiGroup
from fergi.provenance import fergi_version

app = typer.Typer(
    cls=FergiGroup,
    help="Turn the faces people make at generated images into preference labels.",
    epilog="Start with: fergi demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("annotate")(annotate.annotate)
app.command("extract")(extract.extract)
app.command("import")(imports.import_command)
app.command("plot")(plot.plot)
app.command("export")(export.export_annotations)
app.command("evaluate")(evaluate.evaluate)
app.command("reproduce")(reproduce.reproduce)
app.command("score")(score.score_command)
app.add_typer(train.app, name="train")
app.add_typer(au.app, name="au")
app.add_typer(studio.app, name="studio")
app.command("fetch")(fetch.fetch)
app.command("list")(inventory.inventory)


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
