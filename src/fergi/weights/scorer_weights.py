"""The weights of text-to-image scorers: what they are, and where they may lie on this machine."""

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from fergi.errors import WeightsError
from fergi.weights.fetched import models_folder

FOLDER_VARIABLE = "FERGI_WEIGHTS_DIR"
"""Names a folder that holds a folder for each entry."""

PINS_FILE = "fetched.json"
"""Beside fetched files: the SHA-256 that each had when it was fetched."""

_HUB_ADDRESS = re.compile(
    r"https://huggingface\.co/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[0-9a-f]{40})/(?P<path>.+)"
)
_HASHED_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One file of an entry.

    Attributes:
        name: As it is called here.
        url: Where its authors published it, at a fixed revision where the place has those.
        size: In bytes, None if not known before the download.
        about: The size in words, where it is known but roughly.
        sha256: None if it is pinned at the first download.
    """

    name: str
    url: str
    size: int | None = None
    about: str | None = None
    sha256: str | None = None

    @property
    def revision(self) -> str | None:
        """The commit that the address names."""
        match = _HUB_ADDRESS.fullmatch(self.url)
        return match["revision"] if match else None

    @property
    def in_hub_cache(self) -> Path | None:
        """Where the Hugging Face libraries keep it, if they have fetched it."""
        match = _HUB_ADDRESS.fullmatch(self.url)
        if match is None:
            return None
        repository = "models--" + match["repository"].replace("/", "--")
        return _hub_cache() / repository / "snapshots" / match["revision"] / match["path"]


@dataclass(frozen=True, slots=True)
class ScorerWeights:
    """An entry of the register: the files that one scorer reads.

    Attributes:
        name: What commands call it.
        files: The largest first.
        licence: SPDX identifier.
        citation: What to cite.
    """

    name: str
    files: tuple[PublishedFile, ...]
    licence: str
    citation: str

    @property
    def size_shown(self) -> str:
        """About how much there is to download."""
        return self.size_of([file.name for file in self.files])

    def size_of(self, names: Collection[str]) -> str:
        """Say about how large some of the files are."""
        files = [file for file in self.files if file.name in names]
        largest = files[0]
        if largest.size is None:
            return f"about {largest.about}" if largest.about else "a size that the server tells"
        known = sum(file.size or 0 for file in files)
        return f"{known / 1e9:.2f} GB" if known >= 1e8 else f"{known / 1e6:.1f} MB"


@cache
def scorer_weights() -> Mapping[str, ScorerWeights]:
    """Read the register, by name."""
    source = resources.files("fergi.weights") / "scorer_weights.toml"
    entries: dict[str, dict[str, Any]] = tomllib.loads(source.read_text(encoding="utf-8"))
    return {
        name: ScorerWeights(
            name,
            tuple(PublishedFile(**file) for file in entry["files"]),
            entry["licence"],
            entry["citation"],
        )
        for name, entry in entries.items()
    }


def found_files(
    name: str, named: Path | None = None, folder: Path | None = None
) -> dict[str, Path]:
    """Look for the files of an entry on this machine.

    Each file is taken from the first place that has it: the file or folder that the user
    names; the folder of this name in `folder`, in `$FERGI_WEIGHTS_DIR` and where
    `fergi fetch` puts it; the cache of the Hugging Face libraries, at the pinned revision.

    Args:
        name: Of the entry.
        named: The entry's largest file, or a folder that holds its files.
        folder: A folder with a folder for each entry.

    Returns:
        Name of each file in the register → where it lies; those that are nowhere are left out.

    Raises:
        WeightsError: If there is nothing where the user says, or not the entry's largest file.
    """
    entry = scorer_weights()[name]
    if named is not None and not named.exists():
        raise WeightsError(f"{named}: there is nothing here; check the path of {name}")
    if named is not None and named.is_dir() and not (named / entry.files[0].name).is_file():
        raise WeightsError(
            f"{named}: has no {entry.files[0].name}; name the folder of {name} that has it, or "
            "the file itself"
        )
    places = {file.name: _place(entry, file, named, folder) for file in entry.files}
    return {file: place for file, place in places.items() if place is not None}


def require_all(found: Mapping[str, Mapping[str, Path]]) -> None:
    """Check that every file of some entries was found.

    Args:
        found: Name of each entry → what `found_files` gives for it.

    Raises:
        WeightsError: If not; the message names what is missing, the commands that bring it,
            and where it can be put by hand.
    """
    missing = {
        name: [file.name for file in scorer_weights()[name].files if file.name not in files]
        for name, files in found.items()
    }
    lacking = {name: files for name, files in missing.items() if files}
    if not lacking:
        return
    shown = "; ".join(
        f"{name} lacks {', '.join(files)} ({scorer_weights()[name].size_of(files)}, "
        f"{scorer_weights()[name].licence})"
        for name, files in lacking.items()
    )
    commands = " && ".join(f"fergi fetch {name}" for name in lacking)
    by_hand = ", ".join(str(fetched_folder(name)) for name in lacking)
    first = next(iter(lacking))
    raise WeightsError(
        f"weights are missing: {shown}; bring them with: {commands}; or put the files by hand "
        f"into {by_hand}; or tell fergi score where they are with --weights {first}=PATH"
    )


def _place(
    entry: ScorerWeights, file: PublishedFile, named: Path | None, folder: Path | None
) -> Path | None:
    if named is not None and named.is_file() and file is entry.files[0]:
        return named
    candidates = (place / file.name for place in _folders(entry.name, named, folder))
    cached = [] if file.in_hub_cache is None else [file.in_hub_cache]
    return next((one for one in (*candidates, *cached) if one.is_file()), None)


def _folders(name: str, named: Path | None, folder: Path | None) -> Iterator[Path]:
    if named is not None:
        yield named if named.is_dir() else named.parent
    if folder is not None:
        yield folder / name
    if os.environ.get(FOLDER_VARIABLE):
        yield Path(os.environ[FOLDER_VARIABLE]) / name
    yield fetched_folder(name)


def fetched_folder(name: str) -> Path:
    """Name the folder where `fergi fetch` puts an entry's files."""
    return models_folder() / "scorers" / name


def _hub_cache() -> Path:
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"])
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("HF_HOME") or Path(cache_home) / "huggingface") / "hub"


def pins(name: str, folder: Path) -> dict[str, str]:
    """Give the SHA-256 that each file of an entry must have where it was fetched to.

    That of the register, or else the one that it had when it was fetched.
    """
    try:
        content = json.loads((folder / PINS_FILE).read_text(encoding="utf-8"))
        at_first = {str(file): str(digest) for file, digest in content.items()}
    except (OSError, ValueError, AttributeError):
        at_first = {}
    return at_first | {
        file.name: file.sha256 for file in scorer_weights()[name].files if file.sha256
    }


def file_hash(path: Path) -> str:
    """Give the SHA-256 of a file, read piece by piece.

    Raises:
        WeightsError: If it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_HASHED_AT_ONCE):
                digest.update(piece)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); check the file") from error
    return digest.hexdigest()
