import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from fergi.errors import OutputError, UsageError
from fergi.files import complete_folder, read_table, replacing, write_table

TABLE = pl.DataFrame({"name": ["007", "Zoë, 参加者"], "value": [0.1, None], "flag": [True, False]})
ENDINGS = pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl"])

WRITE_A_MEGABYTE = """
import resource, sys
from pathlib import Path
from fergi.errors import OutputError
from fergi.files import replacing, complete_folder
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
where = Path(sys.argv[1])
try:
    if sys.argv[2] == "file":
        with replacing(where) as file:
            file.write(bytes(1_000_000))
    else:
        with complete_folder(where) as folder:
            (folder / "large").write_bytes(bytes(1_000_000))
except OutputError as error:
    print(error)
    sys.exit(3)
"""


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_alone(tmp_path: Path) -> None:
    with replacing(tmp_path / "new" / "file") as file:
        file.write(b"all")
        assert not (tmp_path / "new" / "file").exists()
    assert (tmp_path / "new" / "file").read_bytes() == b"all"
    assert _names(tmp_path / "new") == ["file"]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_stops_the_work_leaves_the_earlier_file(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    (tmp_path / "file").write_bytes(b"earlier")

    def work() -> None:
        with replacing(tmp_path / "file") as file:
            file.write(b"half")
            raise stop

    with pytest.raises(stop):
        work()
    assert (tmp_path / "file").read_bytes() == b"earlier"
    assert _names(tmp_path) == ["file"]


def test_a_new_file_gets_the_rights_that_the_user_set(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "file") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_a_full_disk_leaves_the_earlier_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"earlier")
    command = [sys.executable, "-c", WRITE_A_MEGABYTE, str(tmp_path / "file"), "file"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 3, ended.stderr
    assert f"cannot write {tmp_path / 'file'}: File too large" in ended.stdout
    assert (tmp_path / "file").read_bytes() == b"earlier"
    assert _names(tmp_path) == ["file"]


def test_a_full_disk_leaves_no_trace_of_a_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITE_A_MEGABYTE, str(tmp_path / "folder"), "folder"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 3, ended.stderr
    assert f"cannot write {tmp_path / 'folder'}" in ended.stdout
    assert _names(tmp_path) == []


# Tests may run as root, for whom no folder is closed; nothing can be made below a file.
def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"), replacing(tmp_path / "file" / "x"):
        pass
    with pytest.raises(OutputError, match="cannot write"), complete_folder(tmp_path / "file" / "x"):
        pass
    assert _names(tmp_path) == ["file"]


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="cannot write"), replacing(tmp_path / "taken") as file:
        file.write(b"x")
    assert _names(tmp_path) == ["taken"]
    assert _names(tmp_path / "taken") == []


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with complete_folder(tmp_path / "a" / "b") as folder:
        (folder / "file").touch()
        assert not (tmp_path / "a" / "b").exists()
    assert _names(tmp_path / "a") == ["b"]
    assert _names(tmp_path / "a" / "b") == ["file"]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_a_folder_that_was_stopped_leaves_no_trace(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    def work() -> None:
        with complete_folder(tmp_path / "folder") as folder:
            (folder / "file").touch()
            raise stop

    with pytest.raises(stop):
        work()
    assert _names(tmp_path) == []


def test_an_empty_folder_is_replaced_and_a_full_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with complete_folder(tmp_path / "folder") as folder:
        (folder / "file").touch()
    with (
        pytest.raises(UsageError, match="is not empty, and nothing is ever overwritten"),
        complete_folder(tmp_path / "folder"),
    ):
        pass
    assert _names(tmp_path / "folder") == ["file"]


def test_a_file_in_the_place_of_a_folder_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"), complete_folder(tmp_path / "file"):
        pass


@ENDINGS
def test_a_table_without_rows_comes_back(tmp_path: Path, ending: str) -> None:
    write_table(TABLE.clear(), tmp_path / f"table{ending}")
    assert read_table(tmp_path / f"table{ending}").is_empty()


@ENDINGS
def test_a_table_comes_back_as_it_was_written(tmp_path: Path, ending: str) -> None:
    write_table(TABLE, tmp_path / f"table{ending}")
    assert read_table(tmp_path / f"table{ending}", text_columns=["name"]).equals(TABLE)
    assert _names(tmp_path) == [f"table{ending}"]


@ENDINGS
def test_a_table_may_be_named_by_text(tmp_path: Path, ending: str) -> None:
    write_table(TABLE, f"{tmp_path}/table{ending}")
    assert len(read_table(f"{tmp_path}/table{ending}")) == 2


@ENDINGS
def test_brackets_in_a_name_are_no_pattern(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "table [1] *?" / f"[x]{ending}"
    write_table(TABLE, path)
    assert len(read_table(path)) == 2


@ENDINGS
def test_an_absent_table_is_an_error_of_the_system(tmp_path: Path, ending: str) -> None:
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / f"nothing{ending}")


def test_a_folder_in_place_of_a_table_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a folder; name a file, .* \.parquet"):
        write_table(TABLE, tmp_path)


@pytest.mark.parametrize("inside", ["table.csv", "deeper/table.csv"])
def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path, inside: str) -> None:
    (tmp_path / "notes").touch()
    with pytest.raises(OutputError, match=r"notes is a file, no folder; choose another place"):
        write_table(TABLE, tmp_path / "notes" / inside)


@pytest.mark.parametrize("name", ["table.xlsx", "table", "table.CSV.gz", ".csv"])
def test_another_ending_is_wrong_usage(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="the ending says the format"):
        write_table(TABLE, tmp_path / name)
    with pytest.raises(UsageError, match="the ending says the format"):
        read_table(tmp_path / name)
    assert _names(tmp_path) == []
