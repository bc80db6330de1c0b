"""A file of scores: filled in, saved while the work goes on, and taken up again."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from fergi.errors import ScoresError, UsageError
from fergi.files import read_table, require_table_ending, write_table
from fergi.progress import Progress, unreported
from fergi.provenance import fingerprint, read_provenance, write_provenance
from fergi.records.clip import Problem
from fergi.scorers.catalogue import require_known_names, require_weights, scorer_factories
from fergi.scorers.origin import image_hash, is_same_origin, model_hashes, scorer_origin
from fergi.scorers.plan import PromptedImage, ScoringPlan
from fergi.scorers.protocol import ScorerOptions
from fergi.scorers.scoring import Scores, score_images
from fergi.scorers.sheet import ScoreSheet

HASH, REASON = "image_sha256", "reason"
_TEXTS = ("participant", "prompt", "image", "path", HASH, REASON)
_SAVE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Which scores are wanted, and how the work runs.

    Attributes:
        scorers: Their names, as columns will be called.
        options: Weights, device and dtype.
        batch_size: Images that a scorer is given at a time; None for what suits the device.
        keep_loaded: Whether all models stay in memory.
        overwrite: Whether scores of the same names that came about otherwise are replaced.
    """

    scorers: tuple[str, ...]
    options: ScorerOptions = field(default_factory=ScorerOptions)
    batch_size: int | None = None
    keep_loaded: bool = False
    overwrite: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ScoreRun:
    """Scores, and how they came about.

    Attributes:
        table: A row for each row of the sheet: its columns, one for each scorer,
            `image_sha256`, and `reason`, null where every score is there.
        problems: Images that lack scores.
        truncated_prompts: Scorer → how many prompts were longer than it reads.
        taken_over: How many scores the file had already.
        origins: Scorer → where its scores come from.
    """

    table: pl.DataFrame
    problems: tuple[Problem, ...]
    truncated_prompts: Mapping[str, int]
    taken_over: int
    origins: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Earlier:
    """What a file of scores holds from an earlier run."""

    table: pl.DataFrame
    origins: Mapping[str, Any]


def score(
    sheet: ScoreSheet,
    request: ScoreRequest,
    out: Path | None = None,
    progress: Progress = unreported,
) -> ScoreRun:
    """Score the rows of a sheet, and keep the scores in a file.

    The file is saved every minute and at the end, whole or not at all; an error or an
    interruption is an end too. What it holds already is kept: columns of other scorers, and
    scores of the same scorer with the same weights for the same prompt and the same image.

    Args:
        sheet: What to score.
        request: By which scorers, and how.
        out: A file ending in .parquet, .csv or .jsonl; None to write nothing.
        progress: Told how many scores are done, of how many.

    Raises:
        UsageError: If a scorer or an ending is unknown, or the file holds scores of the same
            name that came about otherwise.
        WeightsError: If weights are missing, or those of all scorers are broken.
        MissingExtraError: If torch or transformers is not installed.
        ScoresError: If an earlier file cannot be read, no scorer can be made, or memory is too
            small for a batch.
        OutputError: If the file cannot be written.
    """
    if out is not None:
        require_table_ending(out)
    if not request.scorers or (request.batch_size is not None and request.batch_size < 1):
        raise UsageError("no scorer, or no image at a time; give at least one of each")
    require_known_names(request.options)
    factories = scorer_factories(request.scorers)
    require_weights(factories, request.options)
    origins = {
        name: scorer_origin(name, factory, request.options) for name, factory in factories.items()
    }
    earlier = _earlier(out, request, origins)
    hashes, known = _known_scores(sheet, earlier, request.scorers)
    taken_over = sum(len(numbers) for numbers in known.values())
    keeper = _Keeper(sheet, earlier, origins, out, hashes, taken_over)
    plan = ScoringPlan(
        sheet.images, factories, request.options, request.batch_size, request.keep_loaded
    )
    found = score_images(plan, known, progress, keeper.save_sometimes, keeper.save_new)
    return keeper.finish(found)


def _earlier(
    out: Path | None, request: ScoreRequest, origins: Mapping[str, Any]
) -> _Earlier | None:
    """Read an earlier file, and refuse to mix scores that do not belong together."""
    if out is None or not out.exists():
        return None
    try:
        table = read_table(out, text_columns=_TEXTS)
    except (OSError, pl.exceptions.PolarsError) as error:
        if request.overwrite:
            return None
        raise ScoresError(
            f"{out}: is there and is no table; choose another name, or say --overwrite"
        ) from error
    recorded = recorded_origins(out)
    others = [
        name
        for name in request.scorers
        if name in table.columns and not is_same_origin(recorded.get(name, {}), origins[name])
    ]
    if others and not request.overwrite:
        raise UsageError(
            f"{out}: holds scores of {', '.join(others)} that came about otherwise; choose "
            "another name, or replace them with --overwrite"
        )
    return _Earlier(table.drop(others), recorded)


def recorded_origins(out: Path) -> Mapping[str, Any]:
    """Read where the scores of a file come from, by scorer; none if no record lies beside it."""
    try:
        origins = read_provenance(out)["settings"]["scorers"]
    except (KeyError, TypeError):
        return {}
    return origins if isinstance(origins, dict) else {}


_Known = dict[str, dict[PromptedImage, float]]


def _known_scores(
    sheet: ScoreSheet, earlier: _Earlier | None, scorers: Sequence[str]
) -> tuple[dict[Path, str], _Known]:
    """Take over the scores of images and prompts that have not changed."""
    known: _Known = {name: {} for name in scorers}
    columns = [] if earlier is None else [n for n in scorers if n in earlier.table.columns]
    if (
        earlier is None
        or not columns
        or not {*sheet.key, "prompt", HASH} <= {*earlier.table.columns}
    ):
        return {}, known
    rows = _aligned(
        sheet, earlier.table.select(*dict.fromkeys((*sheet.key, "prompt", HASH, *columns)))
    )
    hashes: dict[Path, str] = {}
    for one, row in zip(sheet.images, rows.iter_rows(named=True), strict=True):
        if row[HASH] is None or row["prompt"] != one.prompt:
            continue
        if one.path not in hashes and (digest := image_hash(one.path)) is not None:
            hashes[one.path] = digest
        if hashes.get(one.path) != row[HASH]:
            continue
        for name in columns:
            if row[name] is not None:
                known[name][one] = float(row[name])
    return hashes, known


def _aligned(sheet: ScoreSheet, table: pl.DataFrame) -> pl.DataFrame:
    """Bring the rows of an earlier table into the order of the sheet."""
    key = list(sheet.key)
    keys = sheet.table.select(key)
    one_each = table.cast({name: keys.schema[name] for name in key}).unique(key, keep="first")
    return keys.join(one_each, on=key, how="left", maintain_order="left", nulls_equal=True)


class _Keeper:
    """Makes tables of what has been found, and saves them."""

    def __init__(
        self,
        sheet: ScoreSheet,
        earlier: _Earlier | None,
        origins: Mapping[str, Any],
        out: Path | None,
        hashes: Mapping[Path, str],
        taken_over: int,
    ) -> None:
        self._sheet = sheet
        self._out = out
        self._hashes = hashes
        self._taken_over = taken_over
        bookkeeping = {*origins, HASH, REASON}
        self._rows = sheet.table.drop(bookkeeping, strict=False)
        self._origins = dict(origins)
        if earlier is not None and {*sheet.key} <= {*earlier.table.columns}:
            kept = [
                name
                for name in earlier.table.columns
                if name not in bookkeeping and name not in self._rows.columns
            ]
            others = _aligned(sheet, earlier.table.select(*sheet.key, *kept)).select(kept)
            self._rows = self._rows.hstack(others)
            there = {
                name: one for name, one in earlier.origins.items() if name in self._rows.columns
            }
            self._origins = there | self._origins
        self._saved_at = time.monotonic()

    def save_sometimes(self, found: Scores) -> None:
        """Save, if a minute has gone by."""
        if self._out is not None and time.monotonic() - self._saved_at > _SAVE_SECONDS:
            self._save(self._table(found), {})
            self._saved_at = time.monotonic()

    def save_new(self, found: Scores) -> None:
        """Save, if there are scores that were not there before."""
        if sum(len(numbers) for numbers in found.numbers.values()) > self._taken_over:
            self._save(self._table(found), {})

    def finish(self, found: Scores) -> ScoreRun:
        """Make the last table, and save it."""
        for name, said in found.origins.items():
            self._origins[name] = {**self._origins[name], "said": said}
        table = self._table(found)
        problems = tuple(
            Problem(str(one.path), "; ".join(reasons)) for one, reasons in found.reasons.items()
        )
        truncated = {
            name: len(prompts) for name, prompts in found.truncated_prompts.items() if prompts
        }
        if self._out is not None:
            self._save(
                table,
                {
                    "rows": len(table),
                    "problems": [f"{problem}" for problem in problems],
                    "truncated_prompts": truncated,
                },
            )
        return ScoreRun(table, problems, truncated, self._taken_over, self._origins)

    def _table(self, found: Scores) -> pl.DataFrame:
        images = self._sheet.images
        hashes = {**self._hashes, **found.hashes}
        reasons = {one: "; ".join(reasons) for one, reasons in found.reasons.items()}
        return self._rows.with_columns(
            *(
                pl.Series(name, [numbers.get(one) for one in images], dtype=pl.Float64)
                for name, numbers in found.numbers.items()
            ),
            pl.Series(HASH, [hashes.get(one.path) for one in images], dtype=pl.String),
            pl.Series(REASON, [reasons.get(one) for one in images], dtype=pl.String),
        )

    def _save(self, table: pl.DataFrame, summary: Mapping[str, Any]) -> None:
        """Write the record first: a table without one could not be taken up again."""
        if self._out is None:
            return
        evidence = list(dict.fromkeys((*self._sheet.key, "prompt", HASH)))
        write_provenance(
            self._out,
            settings={"scorers": self._origins},
            models=model_hashes(self._origins),
            input_fingerprint=fingerprint(table.select(evidence)),
            summary=summary,
        )
        write_table(table, self._out)
