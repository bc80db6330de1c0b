"""Models that `fergi fetch` brings: where they are kept, and reading them verified.

Nothing here opens a connection; `fergi.weights.download` does, and only when told to.
"""

import hashlib
import os
import tomllib
from importlib import resources
from pathlib import Path

import platformdirs
from pydantic import BaseModel, ConfigDict, TypeAdapter

from fergi.errors import WeightsError

MODELS_DIR_VARIABLE = "FERGI_MODELS_DIR"
"""Environment variable that names another folder for models."""


class WebFile(BaseModel):
    """A source: the file itself.

    Attributes:
        address: Of the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str

    def __str__(self) -> str:
        return self.address


class WheelMember(BaseModel):
    """A source: a wheel on PyPI that carries the file.

    Attributes:
        wheel: Name and version, as pip takes them.
        member: Path of the file in there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    wheel: str
    member: str

    def __str__(self) -> str:
        return f"{self.member} in the wheel {self.wheel}"


Source = WebFile | WheelMember


class FetchedEntry(BaseModel):
    """What the register says of one model that is brought on request.

    Attributes:
        name: What commands call it.
        file: Its name in the models folder.
        sha256: Of that file.
        size: In bytes.
        purpose: One line.
        licence: SPDX identifier.
        citation: What to cite.
        sources: Where it can be had, the first choice first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    file: str
    sha256: str
    size: int
    purpose: str
    licence: str
    citation: str
    sources: tuple[Source, ...]


def fetched_registry() -> dict[str, FetchedEntry]:
    """Read the register of models that are brought on request, by name."""
    text = (resources.files("fergi.weights") / "fetched.toml").read_text(encoding="utf-8")
    entries = [{"name": name, **entry} for name, entry in tomllib.loads(text).items()]
    models = TypeAdapter(list[FetchedEntry]).validate_python(entries)
    return {model.name: model for model in models}


def models_folder() -> Path:
    """Name the folder of models: `$FERGI_MODELS_DIR`, or else the user's data folder."""
    named = os.environ.get(MODELS_DIR_VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_data_path("fergi") / "models"


def fetched_model(name: str) -> bytes:
    """Read a model that was brought before, if its hash is the registered one.

    Nothing is ever downloaded here.

    Args:
        name: Its registered name, such as `"face-landmarker"`.

    Raises:
        WeightsError: If it is not here, or is another file.
    """
    return fetched_file(name).read_bytes()


def fetched_file(name: str) -> Path:
    """Find a model that was brought before, if its hash is the registered one.

    Args:
        name: Its registered name.

    Raises:
        WeightsError: If it is not here, or is another file.
    """
    entry = fetched_registry()[name]
    path = models_folder() / entry.file
    fault = fault_in_file(path, entry)
    if fault:
        raise WeightsError(f"{path} {fault}; {how_to_get(entry)}")
    return path


def fault_in_file(path: Path, entry: FetchedEntry) -> str | None:
    """Compare a file with the register.

    Returns:
        What is wrong, to follow the name of the file; None if it is the registered one.
    """
    try:
        size = path.stat().st_size
        found = _sha256(path) if size == entry.size else None
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if found is None:
        return f"has {size:,} bytes instead of {entry.size:,}: cut off, or another file"
    return None if found == entry.sha256 else f"is altered: its SHA-256 is {found}"


def how_to_get(entry: FetchedEntry) -> str:
    """Say how to bring a model, and how to do without the command."""
    sources = ", or ".join(str(source) for source in entry.sources)
    return (
        f"bring it with: fergi fetch {entry.name} ({entry.size / 1e6:.1f} MB); "
        f"or put {entry.file} (SHA-256 {entry.sha256}) into {models_folder()} yourself, "
        f"from {sources}"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
