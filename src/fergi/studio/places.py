"""Names of what the studio writes: the raw layout that `fergi annotate` reads.

All are built from a random participant name and numbers; nothing that a browser sends is ever
part of a path.
"""

from dataclasses import dataclass
from typing import Literal

from fergi.datasets.session_folder import FEATURE_FILE_ENDING
from fergi.studio.messages import Kind
from fergi.studio.tables import ClipRow

_VIDEO_ENDINGS = {"video/webm": ".webm", "video/mp4": ".mp4"}
_IMAGE_KIND = "image"


@dataclass(frozen=True, slots=True)
class ClipPlace:
    """Whose clip it is, and of what.

    Attributes:
        participant: Name of the participant.
        session: Number of the session; 0 for the neutral recording.
        image: Number of the image; 0 for the neutral recording.
        kind: What the participant did.
    """

    participant: str
    session: int
    image: int
    kind: Kind

    @property
    def stem(self) -> str:
        """What the names of all its files begin with."""
        if self.kind == "neutral":
            return f"{self.participant}/neutral_clip"
        return f"{session_place(self.participant, self.session)}/{self.kind}_clip_{self.image}"

    @property
    def features(self) -> str:
        """The file of its action units."""
        return self.stem + FEATURE_FILE_ENDING

    @property
    def origin(self) -> str:
        """The JSON that says what its action units come from."""
        return self.features + ".json"

    @property
    def record(self) -> str:
        """The JSON that says how it was recorded."""
        return f"{self.stem}_recording.json"

    def video(self, video_type: str) -> str:
        """The file of its video."""
        return self.stem + _VIDEO_ENDINGS[video_type]

    @property
    def videos(self) -> tuple[str, ...]:
        """All files that may hold its video."""
        return tuple(self.stem + ending for ending in _VIDEO_ENDINGS.values())

    @property
    def address(self) -> str:
        """Its address below the participant's."""
        if self.kind == "neutral":
            return "clips/neutral"
        return f"clips/{self.session}/{self.image}/{self.kind}"


def row_place(row: ClipRow) -> ClipPlace:
    """Give the place of a clip in the database."""
    return ClipPlace(row.participant, row.session, row.image, row.kind)  # type: ignore[arg-type]


def neutral_place(participant: str) -> ClipPlace:
    """Name the neutral recording of a participant."""
    return ClipPlace(participant, 0, 0, "neutral")


def clip_place(
    participant: str, session: int, image: int, kind: Literal["baseline", "reaction"]
) -> ClipPlace:
    """Name a clip of an image."""
    return ClipPlace(participant, session, image, kind)


def session_place(participant: str, session: int) -> str:
    """Name the folder of a session."""
    return f"{participant}/session_{session}"


def stimulus_place(participant: str, session: int, image: int, kind: str, ending: str) -> str:
    """Name the copy of what a participant saw.

    What is no image is hidden, lest it be taken for a video of the participant's face.
    """
    folder = session_place(participant, session)
    if kind == _IMAGE_KIND:
        return f"{folder}/image{image}{ending}"
    return f"{folder}/.stimuli/{image}{ending}"


def session_record_place(participant: str, session: int) -> str:
    """Name the file that holds prompt, answers and ranking."""
    return f"{session_place(participant, session)}/data.json"
