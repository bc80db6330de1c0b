"""Scores that a study is asked for and does not have yet."""

from collections.abc import Sequence
from pathlib import Path

from fergi.datasets.score_tables import FILE_NAMES, score_files
from fergi.errors import ScoresError, WeightsError
from fergi.progress import Progress, unreported
from fergi.records.study import Study
from fergi.scorers.catalogue import scorer_places
from fergi.scorers.protocol import ScorerOptions
from fergi.scorers.score_file import ScoreRequest, ScoreRun, recorded_origins, score
from fergi.scorers.sheet import score_sheet
from fergi.scorers.table import known_scores


def score_missing(
    study: Study,
    names: Sequence[str],
    options: ScorerOptions | None = None,
    progress: Progress = unreported,
) -> ScoreRun | None:
    """Compute the scores of some scorers that a study lacks, and keep them in its own file.

    That is `scores.parquet` at its root, or the file that an earlier run left there. Gaps in
    what was computed before are filled if the weights are at hand; whole columns must be.

    Args:
        study: The study.
        names: Of the scorers.
        options: Where weights are, and how they are used.
        progress: Told how many scores are done, of how many.

    Returns:
        What was scored; None if nothing was missing.

    Raises:
        ScoresError: If no scorer has such a name, or no image file is there, or the study's
            own file is not one that fergi wrote.
        WeightsError: If weights are missing; the message says which command brings them.
        MissingExtraError: If torch or transformers is not installed.
        OutputError: If the file cannot be written.
    """
    table = known_scores(study)
    absent = [name for name in names if name not in table.columns]
    path = _own_file(study)
    gaps = [
        name
        for name in names
        if name in table.columns and table[name].null_count() and name in recorded_origins(path)
    ]
    _require_scorers(absent, study)
    if absent:
        _require_own(path, absent, study)
    request = ScoreRequest((*absent, *gaps), options or ScorerOptions())
    if not request.scorers:
        return None
    try:
        return score(score_sheet(study.root, path), request, path, progress)
    except WeightsError:
        if absent:
            raise
        return None  # gaps are no reason to stop


def _own_file(study: Study) -> Path:
    """Name the file in which a study's scores are, or would be."""
    found = score_files(study.root)
    return found[0] if found else study.root / FILE_NAMES[0]


def _require_scorers(names: Sequence[str], study: Study) -> None:
    for name in names:
        if name not in scorer_places():
            raise ScoresError(
                f"the study has no scores of '{name}', and there is no such scorer; put them into "
                f"{study.root / 'scores.csv'}, with the columns participant, session, image, {name}"
            )


def _require_own(path: Path, absent: Sequence[str], study: Study) -> None:
    """Leave a table that the user made as it is, unless told otherwise."""
    if path.is_file() and not recorded_origins(path):
        raise ScoresError(
            f"the study has no scores of {', '.join(absent)}, and its {path.name} is your own; "
            f"to add them there, run: fergi score {study.root} --scorers {','.join(absent)} "
            f"--out {path}"
        )
