"""Where a trained network comes from: what its file, its card and its provenance tell."""

from dataclasses import dataclass

from fergi.training.action_units.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a trained network comes from.

    Attributes:
        recipe: The hyper-parameters.
        datasets: Name → pictures that it learned from.
        people: Whom it has seen.
        held_out: Whom it has not, of those in the data.
        faces: Fingerprint of the prepared faces.
        training: SHA-256 of all that its weights depend on.
        licence: What the data and the initial weights allow.
        start: Name of the file of initial weights; None if they were drawn.
        start_sha256: Of that file.
    """

    recipe: Recipe
    datasets: dict[str, int]
    people: tuple[str, ...]
    held_out: tuple[str, ...]
    faces: str
    training: str
    licence: str
    start: str | None = None
    start_sha256: str | None = None
