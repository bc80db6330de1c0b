"""Where a trained network comes from: what its file, its card and its provenance tell."""

from dataclasses import dataclass

from fergi.training.action_units.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a trained network comes from.

    Attributes:
        recipe: The hyper-parameters.
        datasets: Name → pictures that it learned from.
        people: Whom it learned from.
        held_out: Whom it has not seen, of those in the data.
        faces: Fingerprint of the prepared faces.
        training: SHA-256 of all that its weights depend on.
        licence: What the data and the initial weights allow.
        start: Name of the file of initial weights; None if they were drawn.
        start_sha256: Of that file.
        start_people: Whom the initial weights had seen while fergi trained them.
        start_datasets: What fergi had trained them on.
        start_is_foreign: Whether they go back to weights that fergi did not train.
        unmeasured: Those held out of whom nothing could be measured.
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
    start_people: tuple[str, ...] = ()
    start_datasets: tuple[str, ...] = ()
    start_is_foreign: bool = False
    unmeasured: tuple[str, ...] = ()

    @property
    def seen(self) -> tuple[str, ...]:
        """Everyone whom it has seen, in this training or before."""
        return tuple(sorted({*self.people, *self.start_people}))
