"""Raw studies: `<participant>/session_<k>/data.json` with images and clips beside it.

See `descriptions/raw_study.md`. The studio writes this layout, and so does
`fergi.datasets.synthetic`. Survey and ranking are optional: a session without them can
still be annotated. What is there and broken is a problem, and counts as unknown.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from fergi.datasets.session_folder import (
    SessionFolder,
    misnamed_sessions,
    participant_folders,
    session_folders,
)
from fergi.errors import StudyError
from fergi.records.clip import Clip, Problem
from fergi.records.study import IMAGE_KEY, IMAGE_SCHEMA, ISSUES, RATINGS, REACTIONS, Layout, Study


class _SurveyEntry(BaseModel):
    """What a participant said of one image; 0 means not answered."""

    model_config = ConfigDict(alias_generator=to_camel)

    overall_rating: int = Field(0, ge=0, le=7)
    alignment_rating: int = Field(0, ge=0, le=7)
    fidelity_rating: int = Field(0, ge=0, le=7)
    issues_list: dict[str, bool] = {}
    reaction_list: dict[str, bool] = {}


class _RankedImage(BaseModel):
    id: int


_SURVEY = TypeAdapter(list[_SurveyEntry])
_RANKING = TypeAdapter(list[_RankedImage])


class _BrokenPartError(ValueError):
    """A part of a session that cannot be read; the message is the problem's reason."""


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass
class _Findings:
    """What has been found so far, beside the images."""

    clips: list[Clip] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add_problem(self, place: str, reason: str) -> None:
        self.problems.append(Problem(place, reason))

    def part(self, place: str, read: Callable[[], dict[_Key, _Value]]) -> dict[_Key, _Value]:
        """Read one part of a session; where it is broken, note that and go on."""
        try:
            return read()
        except _BrokenPartError as error:
            self.add_problem(place, str(error))
            return {}


def is_raw_study(root: Path) -> bool:
    """Tell whether a folder holds at least one `<participant>/session_<k>`."""
    return any(session_folders(participant) for participant in participant_folders(root))


def read_raw_study(root: Path) -> Study:
    """Read a raw study.

    Args:
        root: The folder that holds a folder for each participant.

    Returns:
        The study; a session that is broken in part is read in part.

    Raises:
        StudyError: If no session has an image.
    """
    findings = _Findings()
    tables = [
        _images(participant, findings)
        for participant in participant_folders(root)
        if _is_named_in_unicode(participant, findings)
    ]
    images = pl.concat(tables).sort(IMAGE_KEY)
    if images.is_empty():
        raise StudyError(
            f"{root}: no session has an image; each needs image1.png, image2.png … "
            "or clips of them, beside its data.json"
        )
    return Study(
        root=root,
        layout=Layout.RAW,
        images=images,
        clips=tuple(findings.clips),
        scores=images.select(IMAGE_KEY),
        problems=tuple(findings.problems),
    )


def _is_named_in_unicode(participant: Path, findings: _Findings) -> bool:
    """Leave out a folder whose name no table could hold."""
    try:
        participant.name.encode()
    except UnicodeEncodeError:
        name = participant.name.encode(errors="replace").decode()
        findings.add_problem(name, "the folder's name is not UTF-8; left out: rename it")
        return False
    return True


def _images(participant: Path, findings: _Findings) -> pl.DataFrame:
    """Read the sessions of one participant: a row for each image."""
    rows: list[dict[str, Any]] = []
    seen: set[int] = set()
    findings.problems += misnamed_sessions(participant)
    for session in session_folders(participant):
        if session.number in seen:
            findings.add_problem(
                session.place, "has the number of another session; left out: give it one of its own"
            )
            continue
        seen.add(session.number)
        rows += _session_rows(session, findings)
    return pl.DataFrame(rows, schema=IMAGE_SCHEMA)


def _session_rows(session: SessionFolder, findings: _Findings) -> list[dict[str, Any]]:
    source = session.path / "data.json"
    place = f"{session.place}/data.json"
    content = findings.part(place, lambda: _content(source))
    prompt = findings.part(place, lambda: _prompt(content)).get("prompt")
    findings.problems += session.misnamed()
    files = session.images()
    numbers = sorted(files.keys() | session.recorded_images())
    if len(numbers) < 2:
        findings.add_problem(
            session.place, f"has {len(numbers)} images, so no pair; it needs at least 2"
        )
    survey = findings.part(place, lambda: _survey(content, numbers))
    ranks = findings.part(place, lambda: _ranks(content, numbers))
    found = list(session.clips(numbers))
    findings.clips += [one for one in found if isinstance(one, Clip)]
    findings.problems += [one for one in found if isinstance(one, Problem)]
    return [
        {
            "participant": session.participant,
            "session": session.number,
            "image": image,
            "path": f"{session.place}/{files.get(image, f'image{image}.png')}",
            "prompt": prompt,
            "rank": ranks.get(image),
            **survey.get(image, {}),
        }
        for image in numbers
    ]


def _content(source: Path) -> dict[str, Any]:
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _BrokenPartError(
            'is missing, so the prompt is unknown; it needs {"prompt": "…"}'
        ) from error
    except OSError as error:
        raise _BrokenPartError(
            f"cannot be read ({error.strerror or error}), so the prompt is unknown; check what is "
            "there, and its permissions"
        ) from error
    except ValueError as error:
        raise _BrokenPartError(
            f"is no JSON, so the prompt is unknown ({error}); correct it"
        ) from error
    except RecursionError as error:
        raise _BrokenPartError(
            "is nested too deeply to be read, so the prompt is unknown; correct it"
        ) from error
    if not isinstance(content, dict) or not content:
        raise _BrokenPartError('has no prompt; it needs {"prompt": "…"}')
    return content


def _prompt(content: dict[str, Any]) -> dict[str, str]:
    prompt = content.get("prompt")
    if content and not isinstance(prompt, str):
        raise _BrokenPartError('has no prompt; it needs {"prompt": "…"}')
    try:
        (prompt or "").encode()
    except UnicodeEncodeError as error:
        raise _BrokenPartError(
            f"the prompt holds half a character, {error.object[error.start : error.end]!a}, so it "
            "counts as unknown; correct it"
        ) from error
    return {"prompt": prompt} if isinstance(prompt, str) else {}


def _survey(content: dict[str, Any], images: list[int]) -> dict[int, dict[str, Any]]:
    """Read the answers for each image; none where nothing was asked."""
    if not content.get("survey"):
        return {}
    try:
        entries = _SURVEY.validate_python(content["survey"])
    except ValidationError as error:
        raise _BrokenPartError(f"survey: {_first_error(error)}; ratings are left out") from error
    if len(entries) < max(images, default=0):
        raise _BrokenPartError(
            f"has {len(entries)} survey entries for {len(images)} images, so it is not known "
            "which is whose; ratings are left out"
        )
    return {image: _answers(entries[image - 1]) for image in images}


def _answers(entry: _SurveyEntry) -> dict[str, Any]:
    ratings = {name: getattr(entry, name) or None for name in RATINGS}
    named = entry.issues_list | entry.reaction_list
    flags = {_snake_case(name): flag for name, flag in named.items()}
    return ratings | {name: flags.get(name) for name in (*ISSUES, *REACTIONS)}


def _snake_case(name: str) -> str:
    return re.sub(r"[\s_-]+|(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _ranks(content: dict[str, Any], images: list[int]) -> dict[int, int]:
    """Read the rank of each image, 1 for the best; none where nothing was ranked."""
    if not content.get("ranking"):
        return {}
    try:
        order = [entry.id + 1 for entry in _RANKING.validate_python(content["ranking"])]
    except ValidationError as error:
        raise _BrokenPartError(f"ranking: {_first_error(error)}; ranks are left out") from error
    if sorted(order) != images:
        raise _BrokenPartError(
            f"the ranking names images {_listed(order)}, but the session has {_listed(images)}; "
            "each must stand in it once; ranks are left out"
        )
    return {image: rank for rank, image in enumerate(order, start=1)}


def _listed(images: list[int]) -> str:
    return ", ".join(map(str, images)) or "none"


def _first_error(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where or 'it'}: {first['msg'].lower()}"
