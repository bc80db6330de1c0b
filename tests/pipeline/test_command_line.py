import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

import fergi as package
from fergi.cli import app
from fergi.weights.fetched import fetched_registry
from fergi.weights.store import registry

Run = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]


def _commands(command: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield names
        return
    for name, child in children.items():
        yield from _commands(child, (*names, name))


COMMANDS = list(_commands(typer.main.get_command(app)))


def test_all_commands_of_the_contract_are_here() -> None:
    assert set(COMMANDS) >= {
        ("demo",),
        ("annotate",),
        ("export",),
        ("evaluate",),
        ("train", "valence"),
        ("train", "fusion"),
        ("list",),
    }


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_a_command_shows_an_example_and_explains_every_option(
    fergi: Run, command: tuple[str, ...]
) -> None:
    result = fergi(*command, "--help")
    assert result.exit_code == 0
    assert f"Example: fergi {' '.join(command)}" in result.stdout
    found: Any = typer.main.get_command(app)
    for name in command:
        found = found.commands[name]
    for parameter in found.params:
        assert getattr(parameter, "help", None), f"{parameter.name} has no help"


def test_the_help_of_all_says_where_to_start(fergi: Run) -> None:
    result = fergi("--help")
    assert "fergi demo" in result.stdout
    for command in COMMANDS:
        assert command[0] in result.stdout


def test_without_a_command_the_help_is_shown(fergi: Run) -> None:
    assert "Usage" in fergi().output


def test_an_unknown_command_is_wrong_usage(fergi: Run) -> None:
    result = fergi("annotat")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


def test_the_version_is_told(fergi_process: Process) -> None:
    ended = fergi_process("--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        0,
        f"fergi {package.__version__}\n",
        "",
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_set_up(fergi_process: Process, shell: str) -> None:
    # Typer would otherwise look for the shell that started these tests, if any did.
    asked = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    ended = fergi_process("--show-completion", shell, env=os.environ | asked)
    assert ended.returncode == 0, ended.stderr
    assert "_FERGI_COMPLETE" in ended.stdout


def test_completion_proposes_commands_and_options(fergi_process: Process) -> None:
    asked = {"_FERGI_COMPLETE": "complete_bash", "COMP_WORDS": "fergi ", "COMP_CWORD": "1"}
    ended = fergi_process(env=os.environ | asked)
    assert {"annotate", "demo", "export", "train"} <= set(ended.stdout.split())
    asked |= {"COMP_WORDS": "fergi annotate --sc", "COMP_CWORD": "2"}
    ended = fergi_process(env=os.environ | asked)
    assert set(ended.stdout.split()) == {"--scores", "--scores-table"}


def test_the_list_names_every_model_and_verifies_it(
    fergi: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERGI_MODELS_DIR", str(tmp_path))
    result = fergi("list")
    assert result.exit_code == 0
    assert result.stdout.count("here, verified") == len(registry())
    for entry in [*registry().values(), *fetched_registry().values()]:
        assert entry.sha256 in result.stdout
        assert entry.licence in result.stdout
    for name in fetched_registry():
        assert f"{name}: not here; bring it with: fergi fetch {name}" in result.stdout
    records = json.loads(fergi("list", "--json").stdout)["models"]
    assert {record["name"] for record in records} == {*registry(), *fetched_registry()}


def test_the_list_tells_of_an_altered_model(
    fergi: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fergi.weights import store

    for entry in registry().values():
        (tmp_path / entry.file).write_bytes((store._SHIPPED / entry.file).read_bytes() + b"\0")
    for fetched in fetched_registry().values():
        (tmp_path / fetched.file).write_bytes(b"cut off")
    monkeypatch.setattr(store, "_SHIPPED", tmp_path)
    monkeypatch.setenv("FERGI_MODELS_DIR", str(tmp_path))
    result = fergi("list")
    assert result.exit_code == 1
    assert "here, verified" not in result.stdout
    assert result.stdout.count("bring it again with: fergi fetch") == len(fetched_registry())


def test_a_missing_extra_is_named_in_one_line(
    fergi_process: Process, pristine_study: Path, tmp_path: Path
) -> None:
    # A package that cannot be found stands in for one that is not installed.
    for name in ("torch", "sklearn", "matplotlib"):
        (tmp_path / f"{name}.py").write_text(
            f"raise ModuleNotFoundError('none', name='{name}')", encoding="utf-8"
        )
    import os

    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path.rstrip(os.pathsep)}
    out = tmp_path / "out.safetensors"
    for command in (["train", "valence"], ["train", "fusion"], ["evaluate"]):
        ended = fergi_process(*command, pristine_study, "--out", out, env=environment)
        assert ended.returncode == 1
        assert "pip install 'fergi[" in ended.stderr
        assert ended.stderr.count("\n") == 1
    annotated = fergi_process("annotate", pristine_study, "-o", tmp_path / "a.csv", env=environment)
    assert annotated.returncode == 0, annotated.stderr


def test_a_reader_that_leaves_early_sees_no_traceback(
    fergi_process: Process, pristine_study: Path, tmp_path: Path
) -> None:
    import os
    import sys

    command = [sys.executable, "-m", "fergi", "list"]
    reader = subprocess.Popen(["/bin/sh", "-c", "exit 0"], stdin=subprocess.PIPE, env=os.environ)
    reader.wait(60)
    ended = subprocess.run(
        command, stdout=reader.stdin, stderr=subprocess.PIPE, text=True, check=False, timeout=60
    )
    assert reader.stdin is not None
    reader.stdin.close()
    assert "Traceback" not in ended.stderr
