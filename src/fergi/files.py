"""Files and folders that are either whole or absent, and tables by the ending of their name."""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO

import polars as pl

from fergi.errors import OutputError, UsageError


@contextlib.contextmanager
def replacing(path: Path, *, outdated: Path | None = None) -> Iterator[IO[bytes]]:
    """Open a file that takes its name only when everything in it is on disk.

    What is written goes to a temporary file beside `path`; leaving the block
    without an exception flushes it and renames it. Whatever stops the block before
    leaves the earlier file of that name, if any, as it was.

    Args:
        path: The file to write; its folder is made if need be.
        outdated: A file that tells of the earlier one; removed just before the rename, so
            that it never stands beside the new one.

    Yields:
        The open binary file.

    Raises:
        OutputError: If the file cannot be written: no permission, no space.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        ) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).chmod(0o666 & ~_umask())
                if outdated is not None:
                    outdated.unlink(missing_ok=True)
                Path(file.name).replace(path)
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        raise _output_error(path, error) from error


@contextlib.contextmanager
def complete_folder(path: Path) -> Iterator[Path]:
    """Open a folder that takes its name only when everything in it is on disk.

    It is filled under a hidden name beside `path`. Leaving the block without an exception
    renames it; whatever stops the block before leaves no trace.

    Args:
        path: The folder to make: not there yet, or empty. Its parents are made if need be.

    Yields:
        The folder to fill.

    Raises:
        UsageError: If `path` is a file, or holds something.
        OutputError: If the disk refuses.
    """
    path = path.resolve()
    building = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        _require_free(path)
        building.mkdir(parents=True)
        yield building
        if path.exists():
            path.rmdir()
        building.rename(path)
    except OSError as error:
        raise _output_error(path, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _require_free(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, where a folder was to be made; choose another name")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} is not empty, and nothing is ever overwritten; "
            "choose another name or remove the folder"
        )


def require_no_file_at(folder: Path) -> None:
    """Check, before any work is done, that no file has the name of a folder to be made.

    Args:
        folder: To be made; it may be there.

    Raises:
        UsageError: If it is a file, or one above it is.
    """
    if blocker := _file_in_the_way(folder):
        raise UsageError(f"{blocker} is a file, where a folder is needed; choose another place")


def _file_in_the_way(folder: Path) -> Path | None:
    return next((one for one in (folder, *folder.parents) if one.is_file()), None)


def _output_error(path: Path, error: OSError) -> OutputError:
    is_blocked = isinstance(error, FileExistsError | NotADirectoryError)
    blocker = _file_in_the_way(path.parent) if is_blocked else None
    reason = f"{blocker} is a file, no folder" if blocker else error.strerror or error
    return OutputError(
        f"cannot write {path}: {reason}; "
        "choose another place or free this one, then run the same command again"
    )


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


_WRITERS: dict[str, Callable[[pl.DataFrame, IO[bytes]], None]] = {
    ".parquet": lambda table, file: table.write_parquet(file),
    ".csv": lambda table, file: table.write_csv(file),
    ".jsonl": lambda table, file: table.write_ndjson(file),
}


def require_table_ending(path: Path) -> None:
    """Check that a file name ends as a table's does.

    Raises:
        UsageError: If the ending is not .parquet, .csv or .jsonl, or a folder has that name.
    """
    endings = ", ".join(_WRITERS)
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file, whose ending is one of {endings}")
    if path.suffix not in _WRITERS:
        found = f"'{path.suffix}' is none" if path.suffix else "there is none"
        raise UsageError(
            f"{path.name}: the ending says the format, and {found} of {endings}; rename the file"
        )


def write_table(table: pl.DataFrame, path: str | Path, *, outdated: Path | None = None) -> None:
    """Write a table, whole or not at all, in the format that its ending names.

    Args:
        table: Any table.
        path: A file ending in .parquet, .csv or .jsonl.
        outdated: A file that tells of the earlier table of that name; removed with it.

    Raises:
        UsageError: If the ending is another one.
        OutputError: If the file cannot be written.
    """
    path = Path(path)
    require_table_ending(path)
    with replacing(path, outdated=outdated) as file:
        _WRITERS[path.suffix](table, file)


def read_table(path: str | Path, *, text_columns: Collection[str] = ()) -> pl.DataFrame:
    """Read a table in the format that its ending names.

    Args:
        path: A file ending in .parquet, .csv or .jsonl.
        text_columns: Columns of a CSV that stay text although they may look like
            numbers, such as a participant named 007.

    Returns:
        The table; of a .jsonl without rows, one without columns too.

    Raises:
        UsageError: If the ending is another one.
        OSError: If there is no such file.
        polars.exceptions.PolarsError: If its contents are not of that format.
    """
    path = Path(path)
    require_table_ending(path)
    content = path.read_bytes()  # not the path, in which polars would take [ and * for patterns
    if path.suffix == ".parquet":
        return pl.read_parquet(content)
    if path.suffix == ".jsonl":
        is_empty = not content.strip()
        return pl.DataFrame() if is_empty else pl.read_ndjson(content, infer_schema_length=None)
    columns = pl.read_csv(content, n_rows=0).columns
    as_text = {name: pl.String for name in text_columns if name in columns}
    return pl.read_csv(content, infer_schema_length=None, schema_overrides=as_text)
