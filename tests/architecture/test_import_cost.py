import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "sklearn", "scipy", "statsmodels", "matplotlib")


def _loaded_by(code: str, watched: tuple[str, ...]) -> set[str]:
    """Run code in a fresh interpreter, and tell which of the watched packages it loaded."""
    report = f"import sys; print(*(name for name in {watched!r} if name in sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.split("\n")[-2].split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    watched = (*HEAVY, "polars", "numpy", "pydantic", "typer", "PIL", "jinja2")
    assert _loaded_by("import fergi", watched) == set()


def test_the_command_line_loads_nothing_heavy() -> None:
    every_command = "import typer, fergi.cli; dict(typer.main.get_command(fergi.cli.app).commands)"
    assert _loaded_by(every_command, HEAVY) == set()


def test_a_command_loads_no_other() -> None:
    code = "import fergi.cli; fergi.cli.app(['extract', '--help'], standalone_mode=False)"
    watched = ("fergi.cli.extract", "fergi.cli.annotate", "fergi.pipeline", "jinja2")
    assert _loaded_by(code, watched) == {"fergi.cli.extract"}


@pytest.mark.parametrize("scores", ["auto", "none"])
def test_annotating_loads_nothing_heavy(pristine_study: Path, scores: str) -> None:
    code = f"import fergi; fergi.annotate({str(pristine_study)!r}, scores={scores!r})"
    assert _loaded_by(code, HEAVY) == set()


def test_annotating_by_command_and_exporting_load_nothing_heavy(
    pristine_study: Path, tmp_path: Path
) -> None:
    table = str(tmp_path / "a.parquet")
    code = f"""
from fergi.cli import app
app(["annotate", {str(pristine_study)!r}, "-o", {table!r}, "-q"], standalone_mode=False)
app(
    ["export", {table!r}, "--format", "kto", "--out", {str(tmp_path / "e")!r}, "-q"],
    standalone_mode=False,
)
"""
    assert _loaded_by(code, HEAVY) == set()


def test_every_module_can_be_imported_alone_without_a_warning() -> None:
    code = """
import importlib, pkgutil, fergi
for module in pkgutil.walk_packages(fergi.__path__, "fergi."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
    _loaded_by(code, ())
