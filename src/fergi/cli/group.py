"""How any command ends: with one clear line, never a traceback."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from fergi.cli.commands import Commands
from fergi.errors import FergiError

INTERRUPTED = 130


class FergiGroup(TyperGroup):
    """All commands; it turns what they raise into a line and an exit status."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Commands cannot be added, and none are.
        self.commands = Commands()  # type: ignore[assignment]

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except FergiError as error:
            raise _ended(str(error), error.exit_status) from error
        except KeyboardInterrupt as error:
            raise _ended("interrupted; nothing half-done was left behind", INTERRUPTED) from error
        except BrokenPipeError:
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            reason = f"{where}{error.strerror or error}"
            raise _ended(
                f"{reason}; check the place, then run the same command again", 1
            ) from error


def _ended(message: str, status: int) -> typer.Exit:
    print(f"fergi: {message}", file=sys.stderr)  # noqa: T201 (this is where errors are printed)
    return typer.Exit(status)
