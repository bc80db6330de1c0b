"""What is to be scored, row by row: the images of a study, or a table of prompts and images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import polars as pl

from fergi.datasets.fergi_study import read_study
from fergi.datasets.score_tables import FILE_NAMES
from fergi.errors import ScoresError, UsageError
from fergi.files import read_table
from fergi.records.study import IMAGE_KEY, Study
from fergi.scorers.plan import PromptedImage
from fergi.scorers.table import known_scores

TABLE_KEY = ("prompt", "image")


@dataclass(frozen=True, slots=True, eq=False)
class ScoreSheet:
    """Rows to be scored.

    Attributes:
        source: The study's folder, or the table's file.
        table: The columns that say which image each row is, `prompt`, and any others that are
            to stay beside the scores.
        key: The columns that name a row.
        images: What is to be scored in each row.
    """

    source: Path
    table: pl.DataFrame
    key: tuple[str, ...]
    images: tuple[PromptedImage, ...]


def score_sheet(source: Path, out: Path) -> ScoreSheet:
    """Read what a user wants scored.

    Args:
        source: The folder of a study, or a table of prompts and images.
        out: Where the scores will go. If that is where the study's own scores are looked
            for, the scores that it has already stay beside the new ones.

    Raises:
        StudyError: If a folder is no study.
        ScoresError: If a table cannot be used, or a study has no image files.
    """
    if not source.exists():
        raise ScoresError(f"{source}: there is nothing here; give a study's folder or a table")
    if source.is_dir():
        study = read_study(source)
        table = study.images.select(*IMAGE_KEY, "prompt", "path")
        if is_scores_file_of(study, out):
            table = table.join(known_scores(study), on=IMAGE_KEY, how="left", maintain_order="left")
        return study_sheet(study, table)
    return _table_sheet(source)


def is_scores_file_of(study: Study, path: Path) -> bool:
    """Tell whether a study looks for its own scores there."""
    return path.name in FILE_NAMES and path.resolve().parent == study.root.resolve()


def study_sheet(study: Study, table: pl.DataFrame) -> ScoreSheet:
    """List the images of a study.

    Args:
        study: The study.
        table: `IMAGE_KEY`, `prompt`, `path`, and what is to stay beside the scores.

    Raises:
        ScoresError: If not one of the image files is there.
    """
    prompts, paths = table["prompt"].to_list(), [study.root / path for path in table["path"]]
    if not any(path.is_file() for path in paths):
        raise ScoresError(
            f"{study.root}: has none of its {len(paths)} image files, such as "
            f"{table['path'][0]}; put them there, or a table of scores that were computed elsewhere"
        )
    return ScoreSheet(study.root, table, IMAGE_KEY, _prompted(prompts, paths))


def _prompted(prompts: Sequence[str | None], paths: Sequence[Path]) -> tuple[PromptedImage, ...]:
    return tuple(PromptedImage(prompt, path) for prompt, path in zip(prompts, paths, strict=True))


def _table_sheet(path: Path) -> ScoreSheet:
    try:
        table = read_table(path, text_columns=TABLE_KEY)
    except (OSError, pl.exceptions.PolarsError, UsageError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ScoresError(
            f"{path}: is no study's folder and no table ({reason}); give one of the two"
        ) from error
    missing = [name for name in TABLE_KEY if name not in table.columns]
    if missing:
        raise ScoresError(f"{path}: lacks the columns {', '.join(missing)}; add them")
    if table.is_empty():
        raise ScoresError(f"{path}: has no rows; give a prompt and an image in each")
    for name in TABLE_KEY:
        if table.schema[name] not in (pl.String, pl.Null):
            raise ScoresError(f"{path}: the column {name} holds no texts; correct it")
    table = table.with_columns(pl.col(TABLE_KEY).cast(pl.String))
    if path.suffix == ".csv":  # in which an empty prompt and none look alike
        table = table.with_columns(pl.col("prompt").fill_null(""))
    if table["image"].null_count():
        raise ScoresError(f"{path}: {table['image'].null_count()} rows name no image; add them")
    paths = [path.parent / PurePosixPath(image) for image in table["image"]]
    return ScoreSheet(path, table, TABLE_KEY, _prompted(table["prompt"].to_list(), paths))
