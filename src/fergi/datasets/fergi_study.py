"""Studies on disk, in both layouts: the authors' public release, and raw studies.

The layouts are described in the data sheets of `fergi.datasets.descriptions`. What is
broken in a study becomes a `Problem` that names the place; all the rest is read.
"""

from dataclasses import replace
from pathlib import Path

from fergi.datasets import raw_study, release
from fergi.datasets.score_tables import score_file_problems
from fergi.errors import StudyError
from fergi.records.study import Study


def read_study(root: str | Path) -> Study:
    """Read everything that a study's folder says, without opening any clip.

    Args:
        root: A folder in the layout of the release or of a raw study.

    Returns:
        Its images, clips and scores, and the problems found on the way.

    Raises:
        StudyError: If there is no such folder, or it is in neither layout.
    """
    root = Path(root)
    if not root.is_dir():
        found = "is a file" if root.exists() else "does not exist"
        raise StudyError(f"{root}: the folder {found}; give the folder of a study")
    if release.is_release(root):
        return _with_scores_checked(release.read_release(root))
    if raw_study.is_raw_study(root):
        return _with_scores_checked(raw_study.read_raw_study(root))
    inside = next((one for one in sorted(root.iterdir()) if one.is_dir() and _is_study(one)), None)
    if inside is not None:
        raise StudyError(f"{root}: is no study, but {inside} is one; give that folder")
    raise StudyError(
        f"{root}: is no study; it has neither 'data' and 'preparation' (the authors' release) "
        f"nor '<participant>/session_<k>' (a raw study), but {_contents(root)}; "
        "name another folder, or lay this one out so"
    )


def _with_scores_checked(study: Study) -> Study:
    return replace(study, problems=(*study.problems, *score_file_problems(study)))


def _is_study(folder: Path) -> bool:
    return release.is_release(folder) or raw_study.is_raw_study(folder)


def _contents(root: Path) -> str:
    names = sorted(entry.name for entry in root.iterdir())
    shown = ", ".join(names[:4]) + (" …" if len(names) > 4 else "")
    return f"{len(names)} entries: {shown}" if names else "nothing at all"
