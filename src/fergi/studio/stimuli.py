"""What is shown: files of the study's folder, or pictures that a generator makes."""

from io import BytesIO

from PIL import Image
from sqlalchemy.orm import Session

from fergi.errors import StudyError
from fergi.seeds import random_stream
from fergi.studio.clip_files import flush
from fergi.studio.configuration import STIMULUS_ENDINGS, stimulus_path
from fergi.studio.generators import Generator
from fergi.studio.messages import StimulusKind
from fergi.studio.places import stimulus_place
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.studio import Studio
from fergi.studio.study_messages import StimulusState
from fergi.studio.tables import SessionRow, StimulusRow

_ENDING_OF_FORMAT = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}


def stimulus_kind(ending: str) -> StimulusKind:
    """Tell what kind of stimulus a file is."""
    return STIMULUS_ENDINGS[ending][0]  # type: ignore[return-value]


def stimulus_source(studio: Studio, name: str) -> bytes:
    """Read a stimulus from the study's folder.

    Raises:
        RequestRefusedError: If it is no longer there.
    """
    try:
        return stimulus_path(studio.root, name).read_bytes()
    except (StudyError, OSError) as error:
        raise RequestRefusedError(
            "stimulus-missing", "The file has left the study's folder; tell the researcher."
        ) from error


def stimulus_content(
    studio: Studio, participant: str, session: int, image: int
) -> tuple[bytes, str]:
    """Read what a participant sees, and its type.

    Raises:
        RequestRefusedError: If there is no such image, or it is not made yet.
    """
    with studio.database.reading() as transaction:
        row = require_stimulus(transaction, participant, session, image)
    if row.state != "ready" or row.ending is None:
        raise RequestRefusedError("stimulus-missing", "It is not made yet; ask for it with POST.")
    kind, content_type = STIMULUS_ENDINGS[row.ending]
    if row.source is not None:
        return stimulus_source(studio, row.source), content_type
    name = stimulus_place(participant, session, image, kind, row.ending)
    return studio.files.read(name), content_type


def require_stimulus(
    transaction: Session, participant: str, session: int, image: int
) -> StimulusRow:
    """Find a stimulus of a participant.

    Raises:
        RequestRefusedError: If there is none.
    """
    row = transaction.get(StimulusRow, (participant, session, image))
    if row is None:
        raise RequestRefusedError("unknown", "Your study has no such session or image.")
    return row


def stimulus_state(row: StimulusRow) -> StimulusState:
    """Say whether a stimulus can be shown."""
    content_type = STIMULUS_ENDINGS[row.ending][1] if row.ending else None
    return StimulusState.model_validate(
        {"state": row.state, "type": content_type, "detail": row.detail}
    )


def make_stimulus(
    studio: Studio, generator: Generator, participant: str, session: int, image: int
) -> None:
    """Let a generator make a picture, and keep it; a failure is noted, and may be tried again."""
    with studio.database.reading() as transaction:
        prompt = transaction.get_one(SessionRow, (participant, session)).prompt or ""
    stream = random_stream(studio.configuration.seed, participant, session, image, "picture")
    try:
        content = generator.picture(prompt, int(stream.integers(2**31)))
        ending = _picture_ending(content)
    except Exception as error:  # noqa: BLE001 (whatever a generator raises, somebody waits for it)
        _note(studio, (participant, session, image), f"{type(error).__name__}: {error}"[:500])
        return
    file = studio.uploads.written(content)
    flush([file])
    try:
        with studio.database.writing() as transaction:
            row = transaction.get(StimulusRow, (participant, session, image), with_for_update=True)
            if row is None or row.state == "ready":  # withdrawn, or made elsewhere meanwhile
                return
            name = stimulus_place(participant, session, image, "image", ending)
            studio.files.put({name: file})
            row.state, row.ending, row.detail = "ready", ending, None
    finally:
        file.unlink(missing_ok=True)


def forget_failure(studio: Studio, participant: str, session: int, image: int) -> None:
    """Let a picture that could not be made be asked for again."""
    with studio.database.writing() as transaction:
        row = transaction.get(StimulusRow, (participant, session, image))
        if row is not None and row.state == "failed":
            row.state, row.detail = "waiting", None


def _picture_ending(content: bytes) -> str:
    with Image.open(BytesIO(content)) as picture:
        picture.verify()
        if picture.format not in _ENDING_OF_FORMAT:
            raise ValueError(f"the generator made a {picture.format}; PNG, JPEG or WebP is needed")
        return _ENDING_OF_FORMAT[picture.format]


def _note(studio: Studio, key: tuple[str, int, int], detail: str) -> None:
    with studio.database.writing() as transaction:
        row = transaction.get(StimulusRow, key)
        if row is not None:
            row.state, row.detail = "failed", detail
