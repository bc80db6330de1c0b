"""The authors' public release, as it lies in their repository.

See `descriptions/fergi_release.md`. Zeros that stand for a missing rating become null, and
`rank_score` (5 is best) becomes `rank` (1 is best).
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter, ValidationError

from fergi.datasets.session_folder import session_folders
from fergi.errors import StudyError
from fergi.records.clip import Clip, Problem
from fergi.records.study import IMAGE_KEY, IMAGE_SCHEMA, ISSUES, RATINGS, REACTIONS, Layout, Study

IMAGES_IN_A_SESSION = 5

SCORE_COLUMNS = {
    "CLIP_score": "clip",
    "ImageReward_score": "imagereward",
    "PickScore": "pickscore",
    "HPS_V2_score": "hpsv2",
    "Aesthetic_score": "untrained_aesthetic",
    "BLIP_score": "untrained_blip",
}
"""Published score → ours. The last two come from heads whose weights were never loaded:
they are coin tosses, kept for comparison with the paper and never used to annotate."""

_SESSIONS = TypeAdapter(dict[str, list[int]])
_COLUMNS = pl.Schema(
    {
        "session_index": pl.Int64,
        "image_index": pl.Int64,
        "rank_score": pl.Int64,
        **dict.fromkeys(RATINGS, pl.Int64),
        **dict.fromkeys((*ISSUES, *REACTIONS), pl.Boolean),
        **dict.fromkeys(SCORE_COLUMNS, pl.Float64),
    }
)

_ROW_KEY = ("session_index", "image_index")
_HAS_IMAGE = pl.col("image_index").is_not_null()
_IS_FIRST = pl.struct(_ROW_KEY).is_first_distinct()
_IS_RANKED = pl.col("rank_score").is_between(1, IMAGES_IN_A_SESSION).fill_null(value=False)
_FAULTS = {
    "the row names no image, so it is left out": ~_HAS_IMAGE,
    "a row above names the same image, so this one is left out": ~_IS_FIRST,
    f"rank_score is none of 1 to {IMAGES_IN_A_SESSION}, so the rank is unknown": ~_IS_RANKED,
    **{
        f"{name} is infinite, so it counts as unknown": pl.col(name).is_infinite()
        for name in SCORE_COLUMNS
    },
}
"""What may be wrong with a row, and what comes of it."""


def is_release(root: Path) -> bool:
    """Tell whether a folder is laid out as the release."""
    return (root / "data").is_dir() and (root / "preparation").is_dir()


def read_release(root: Path) -> Study:
    """Read the release: valid images of valid sessions, their scores, and all clips of these.

    Args:
        root: The folder that holds `data` and `preparation`.

    Returns:
        The study; a participant whose files are missing or broken is a problem.

    Raises:
        StudyError: If `preparation` lacks its tables, or no participant can be read.
    """
    preparation = root / "preparation"
    valid_sessions = _sessions(preparation / "valid_sessions.json")
    tables: list[pl.DataFrame] = []
    clips: list[Clip] = []
    problems: list[Problem] = []
    for participant, sessions in valid_sessions.items():
        source = preparation / "preprocessed_image_data" / f"{participant}.csv"
        try:
            listed = _listed_rows(source, sessions)
            found = list(_clips(root / "data" / participant, sessions))
            tables.append(_image_table(listed, participant))
            problems += _table_problems(listed, source.relative_to(root).as_posix(), sessions)
            clips += [one for one in found if isinstance(one, Clip)]
            problems += [one for one in found if isinstance(one, Problem)]
        except (OSError, pl.exceptions.PolarsError) as error:
            problems.append(Problem(f"participant {participant}", _one_line(error)))
    if not tables:
        raise StudyError(f"{root}: no participant can be read; the first: {problems[0]}")
    rows = pl.concat(tables).sort(IMAGE_KEY)
    return Study(
        root=root,
        layout=Layout.RELEASE,
        images=rows.select(IMAGE_SCHEMA.names()).cast(IMAGE_SCHEMA),
        clips=tuple(clips),
        scores=rows.select(*IMAGE_KEY, *SCORE_COLUMNS.values()),
        problems=tuple(problems),
    )


def _sessions(path: Path) -> dict[str, list[int]]:
    try:
        content = _SESSIONS.validate_json(path.read_bytes())
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}; the release must hold it") from error
    except ValidationError as error:
        reason = error.errors()[0]["msg"].lower()
        raise StudyError(f"{path}: does not list sessions by participant ({reason})") from error
    if not content:
        raise StudyError(f"{path}: names no participant; bring the release anew")
    # in one order, so that the evidence has one fingerprint
    return {participant: sorted(set(content[participant])) for participant in sorted(content)}


def _listed_rows(source: Path, sessions: list[int]) -> pl.DataFrame:
    table = pl.read_csv(
        source.read_bytes(), schema_overrides=dict(_COLUMNS), columns=_COLUMNS.names()
    )
    return table.filter(pl.col("session_index").is_in(sessions))


def _table_problems(listed: pl.DataFrame, place: str, sessions: list[int]) -> Iterator[Problem]:
    absent = sorted({*sessions} - {*listed["session_index"]})
    if absent:
        yield Problem(
            place,
            f"has no row of the sessions {', '.join(map(str, absent))}, which "
            "valid_sessions.json lists; bring the file anew",
        )
    for fault, is_faulty in _FAULTS.items():
        rows = listed.filter(is_faulty)
        if len(rows):
            more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
            session, image = rows.select(_ROW_KEY).row(0)
            yield Problem(place, f"session {session}, image {image}{more}: {fault}; correct it")


def _image_table(listed: pl.DataFrame, participant: str) -> pl.DataFrame:
    folder = pl.format("{}/session_{}", pl.lit(participant), "session_index")
    return listed.filter(_IS_FIRST & _HAS_IMAGE).select(
        pl.lit(participant).alias("participant"),
        pl.col("session_index").alias("session"),
        pl.col("image_index").alias("image"),
        pl.format("{}/image{}.png", folder, "image_index").alias("path"),
        pl.lit(None, pl.String).alias("prompt"),
        pl.when(_IS_RANKED).then(IMAGES_IN_A_SESSION + 1 - pl.col("rank_score")).alias("rank"),
        *(pl.col(name).replace(0, None) for name in RATINGS),
        *ISSUES,
        *REACTIONS,
        *(
            pl.when(pl.col(published).is_finite()).then(pl.col(published)).alias(name)
            for published, name in SCORE_COLUMNS.items()
        ),
    )


def _clips(folder: Path, sessions: list[int]) -> Iterator[Clip | Problem]:
    """Find every clip of the valid sessions, those of invalid images too.

    The baseline of an invalid image is a baseline like any other.
    """
    folders = {session.number: session for session in session_folders(folder)}
    for number in sessions:
        if number in folders:
            yield from folders[number].clips(range(1, IMAGES_IN_A_SESSION + 1))
        else:
            yield Problem(f"{folder.name}/session_{number}", "the folder is missing")


def _one_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
