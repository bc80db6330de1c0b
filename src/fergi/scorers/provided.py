"""The files that a scorer reads, and how they are named beside its scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fergi.errors import WeightsError
from fergi.scorers.protocol import ScorerOptions
from fergi.weights.scorer_weights import (
    PublishedFile,
    fetched_folder,
    file_hash,
    found_files,
    pins,
    require_all,
    scorer_weights,
)


@dataclass(frozen=True, slots=True)
class ProvidedFiles:
    """The files of one entry of the register, as this machine has them.

    Attributes:
        name: Of the entry.
        paths: Name in the register → file.
    """

    name: str
    paths: Mapping[str, Path]

    @property
    def main(self) -> Path:
        """The file of the model itself."""
        return self.paths[scorer_weights()[self.name].files[0].name]

    def record(self) -> dict[str, dict[str, object]]:
        """Describe each file: its hash, its source, and whether it is the registered one.

        Raises:
            WeightsError: If a file that was fetched has changed since, cannot be read, or is
                that of another entry.
        """
        described: dict[str, dict[str, object]] = {}
        for file in scorer_weights()[self.name].files:
            path = self.paths[file.name]
            digest = file_hash(path)
            self._require_unchanged(path, digest)
            self._require_own(file, path, digest)
            described[file.name] = {
                "sha256": digest,
                "published_at": file.url,
                "revision": file.revision,
                "is_the_pinned_one": None if file.sha256 is None else digest == file.sha256,
            }
        return described

    def _require_unchanged(self, path: Path, digest: str) -> None:
        """Believe files of the folder of `fergi fetch` only if they are what was fetched."""
        if path.parent != fetched_folder(self.name):
            return
        pin = pins(self.name, path.parent).get(path.name)
        if pin is not None and pin != digest:
            raise WeightsError(
                f"{path}: has SHA-256 {digest}, not {pin}; remove it and run: "
                f"fergi fetch {self.name}"
            )

    def _require_own(self, file: PublishedFile, path: Path, digest: str) -> None:
        """Refuse the model of another entry: HPSv2 2.0 and 2.1 differ in nothing but numbers."""
        for other in scorer_weights().values():
            is_other = other.name != self.name and digest == other.files[0].sha256
            if is_other and digest != file.sha256:
                raise WeightsError(
                    f"{path}: is the model of {other.name}, not of {self.name}; score with "
                    f"{other.name}, or give the published file of {self.name}"
                )


def provided_files(name: str, options: ScorerOptions) -> ProvidedFiles:
    """Find the files of an entry.

    Raises:
        WeightsError: If one of them is nowhere.
    """
    found = found_files(name, options.weights.get(name), options.weights_folder)
    require_all({name: found})
    return ProvidedFiles(name, found)


def named_path(name: str, options: ScorerOptions) -> Path | None:
    """Give what a user names for a scorer that is in no register; None if nothing."""
    if name in options.weights:
        return options.weights[name]
    in_folder = options.weights_folder / name if options.weights_folder else None
    return in_folder if in_folder is not None and in_folder.exists() else None
