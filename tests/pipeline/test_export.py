import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fergi.exports import FORMATS

Run = Callable[..., Result]
TABLES = ["parquet", "csv", "jsonl"]


@pytest.fixture
def annotations(fergi: Run, pristine_study: Path, tmp_path: Path) -> Path:
    path = tmp_path / "annotations.parquet"
    fergi("annotate", pristine_study, "-o", path)
    return path


@pytest.mark.parametrize("format_name", list(FORMATS))
def test_every_format_is_written_and_found_sound(
    fergi: Run, annotations: Path, tmp_path: Path, format_name: str
) -> None:
    out = tmp_path / "export"
    result = fergi("export", annotations, "--format", format_name, "--out", out)
    assert result.exit_code == 0, result.output
    check = fergi("export", out, "--format", format_name, "--check", "--json")
    assert check.exit_code == 0, check.output
    assert json.loads(check.stdout)["sound"] is True


@pytest.mark.parametrize("ending", TABLES)
def test_annotations_in_every_format_can_be_exported(
    fergi: Run, pristine_study: Path, tmp_path: Path, ending: str
) -> None:
    table = tmp_path / f"a.{ending}"
    fergi("annotate", pristine_study, "-o", table)
    out = tmp_path / "export"
    assert fergi("export", table, "--format", "kto", "--out", out).exit_code == 0


def test_a_spoiled_export_is_found(fergi: Run, annotations: Path, tmp_path: Path) -> None:
    out = tmp_path / "export"
    fergi("export", annotations, "--format", "hf-binarized", "--out", out)
    largest = max(
        (path for path in out.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )
    largest.write_bytes(largest.read_bytes()[:100])
    result = fergi("export", out, "--format", "hf-binarized", "--check")
    assert result.exit_code == 1
    assert result.stderr.startswith("fergi: ")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["{table}", "--format", "kto"], 2, "--out"),
        (["{table}", "--format", "joy", "--out", "{tmp}/e"], 2, "there is no format 'joy'"),
        (["{tmp}/nothing.csv", "--format", "kto", "--out", "{tmp}/e"], 1, "nothing.csv"),
        (["{tmp}/nothing.csv", "--format", "kto", "--out", "{tmp}/e", "--images", "{tmp}"], 1, "n"),
        (["{table}", "--format", "kto", "--out", "{tmp}/e", "--images", "{tmp}/x"], 2, "no folder"),
        (["{tmp}/x", "--format", "kto", "--check"], 2, "is no folder"),
    ],
)
def test_what_cannot_be_done_ends_with_one_line(
    fergi: Run,
    annotations: Path,
    tmp_path: Path,
    arguments: list[str],
    status: int,
    reason: str,
) -> None:
    result = fergi("export", *(one.format(table=annotations, tmp=tmp_path) for one in arguments))
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "e").exists()
    if "nothing.csv" not in arguments[0]:
        assert result.exit_code == status
    else:
        assert result.exit_code in {1, 2}


@pytest.mark.parametrize("content", [None, "[]", '{"summary": null}'])
def test_the_study_must_be_named_where_no_record_names_it(
    fergi: Run, annotations: Path, pristine_study: Path, tmp_path: Path, content: str | None
) -> None:
    record = tmp_path / "annotations.parquet.json"
    record.unlink()
    if content is not None:
        record.write_text(content)
    command = ["export", annotations, "--format", "kto", "--out", tmp_path / "e"]
    result = fergi(*command)
    assert result.exit_code == 2
    assert "name the study with --images" in result.stderr
    assert fergi(*command, "--images", pristine_study).exit_code == 0
