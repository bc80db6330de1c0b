"""Documents must not lie: commands, options, names, links and targets that they mention exist."""

import ast
import inspect
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import fergi
from fergi.cli import app
from fergi.settings import AnnotationSettings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.md")]
    if "node_modules" not in path.parts
)
EACH_DOCUMENT = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)
SHELL = {"shell", "bash", "sh", "console"}
BLOCK = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def _blocks(document: Path) -> Iterator[tuple[str, str]]:
    """List the fenced blocks: language and contents."""
    for match in BLOCK.finditer(document.read_text(encoding="utf-8")):
        yield match[2], textwrap.dedent(match[3])


def _shell_lines(document: Path) -> Iterator[str]:
    """List the commands of shell blocks, and those in running text."""
    for language, content in _blocks(document):
        if language in SHELL:
            yield from content.replace("\\\n", " ").splitlines()
    prose = BLOCK.sub("", document.read_text(encoding="utf-8"))
    yield from (span.replace("\n", " ") for span in re.findall(r"`((?:fergi|make) [^`]+)`", prose))


def _words(line: str) -> list[str]:
    words = shlex.split(line.strip().removeprefix("$ "), comments=True)
    ends = [place for place, word in enumerate(words) if word in {"|", "&&", ";", ">"}]
    return words[: ends[0]] if ends else words


def _command(words: list[str]) -> tuple[Any, list[str]]:
    """Follow the words to the command that they name."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        name, *rest = words
        if name.startswith("-"):
            break
        assert name in command.commands, f"there is no command '{name}'"
        command, words = command.commands[name], rest
    return command, words


@EACH_DOCUMENT
def test_every_command_and_option_that_a_document_names_exists(document: Path) -> None:
    for line in _shell_lines(document):
        words = _words(line)
        if not words or words[0] != "fergi":
            continue
        command, rest = _command(words[1:])
        known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        options = {word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert options <= known | {"--install-completion", "--show-completion"}, line


@EACH_DOCUMENT
def test_every_make_target_that_a_document_names_exists(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for line in _shell_lines(document):
        words = _words(line)
        if words and words[0] == "make":
            named = {word for word in words[1:] if re.fullmatch("[a-z-]+", word)}
            assert named <= targets, line


@EACH_DOCUMENT
def test_every_name_that_python_blocks_use_exists(document: Path) -> None:
    for language, content in _blocks(document):
        if language not in {"python", "py"}:
            continue
        for node in ast.walk(ast.parse(content)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("fergi"):
                module = __import__(str(node.module), fromlist=["x"])
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module}.{alias.name}"
            if _is_of_fergi(node):
                assert node.attr in (*fergi.__all__, "__version__"), node.attr
            if isinstance(node, ast.Call) and _is_of_fergi(node.func):
                _require_fitting_arguments(getattr(fergi, node.func.attr), node)


def _is_of_fergi(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "fergi"
    )


def _require_fitting_arguments(function: Any, call: ast.Call) -> None:
    keywords = {keyword.arg: None for keyword in call.keywords if keyword.arg}
    if function is fergi.annotate:
        assert set(keywords) <= set(AnnotationSettings.model_fields), ast.unparse(call)
    else:
        inspect.signature(function).bind_partial(*call.args, **keywords)


@EACH_DOCUMENT
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    prose = BLOCK.sub("", document.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)[^)]*\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (document.parent / name) if name else document
        assert linked.exists(), target
        # What a page takes in when it is built, `mkdocs build --strict` checks.
        if anchor and linked.suffix == ".md" and "<!--" not in linked.read_text(encoding="utf-8"):
            assert anchor in _anchors(linked), target


def _anchors(document: Path) -> set[str]:
    text = BLOCK.sub("", document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.+?)(?: *\{ *#([\w-]+) *\})?$", text, re.MULTILINE)
    found = {name for _, name in headings if name}
    for title, _ in headings:
        plain = re.sub(r"[`*\[\]]|\([^)]*\.md[^)]*\)", "", title).lower()
        found.add(re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", plain)))
    return found


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks", "docs", ".ci", "."])
def test_no_file_names_a_place_of_somebody_s_machine(folder: str) -> None:
    private = re.compile(r"(?<![\w.:/-])/(?:home|root|Users|work|mnt)/\w|[A-Z]:\\\\?Users")
    pattern = "*" if folder == "." else "**/*"
    found = []
    for path in (ROOT / folder).glob(pattern):
        is_text = path.suffix in {".py", ".md", ".toml", ".yml", ".html", ".txt", ".cff", ".css"}
        is_ours = "node_modules" not in path.parts
        if is_ours and path.is_file() and (is_text or path.name in {"Makefile", "run"}):
            hits = private.findall(path.read_text(encoding="utf-8"))
            found += [(path.relative_to(ROOT).as_posix(), hit) for hit in hits]
    assert found == []


def test_the_version_is_the_same_everywhere() -> None:
    changes = ROOT / "CHANGELOG.md"
    if changes.exists():
        assert fergi.__version__ in changes.read_text(encoding="utf-8")
    citation = ROOT / "CITATION.cff"
    if citation.exists():
        assert f"version: {fergi.__version__}" in citation.read_text(encoding="utf-8")
