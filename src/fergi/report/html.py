"""Report pages: one self-contained HTML file each, which loads nothing from anywhere."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import polars as pl
from jaxtyping import Float

from fergi.datasets.feature_files import read_feature_files
from fergi.errors import FeatureFileError
from fergi.evaluation.calibration import reliability
from fergi.pipeline import AnnotationRun
from fergi.records.action_units import ACTION_UNITS
from fergi.records.clip import Clip, ClipKind
from fergi.records.study import Study
from fergi.report.film_strip import film_strip
from fergi.report.pair_lists import PairRow, pair_lists, pair_rows

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("fergi.report"), autoescape=True, trim_blocks=True
)
_CURVE_WIDTH, _CURVE_HEIGHT = 160, 48
_HIGHEST_INTENSITY = 3.0
_STRIP = 3
_PAIRS_LISTED = 5_000
"""At most; so long a list is as large as the pictures of a few sessions."""
_PAIRS_UNFOLDED = 100
"""Longer lists of pairs are folded away, participant by participant."""


@dataclass(frozen=True, slots=True)
class ImageCard:
    """One image as the page shows it.

    Attributes:
        number: Of the image in its session.
        picture: A data address, or None where there is no file.
        valence: What the face says, or None.
        wins: Expected share of its pairs that it wins, or None.
        truth: Its planted valence, or None.
        curves: Unit → points of its curve as SVG holds them.
        faces: Data addresses of frames of the reaction, in the order of time.
    """

    number: int
    picture: str | None
    valence: float | None
    wins: float | None
    truth: float | None
    curves: dict[str, str]
    faces: list[str]


@dataclass(frozen=True, slots=True)
class SessionCard:
    """One session as the page shows it, its images in the order found, best first."""

    name: str
    prompt: str | None
    images: list[ImageCard]
    pairs: list[PairRow]


def annotation_page(
    study: Study, run: AnnotationRun, pairs: pl.DataFrame, *, with_faces: bool = False
) -> str:
    """Draw the report of an annotated study with planted truth.

    The first sessions of a few participants are shown in full; every pair is listed below them,
    up to a number that any browser can show, and the page says if some are left out.

    Args:
        study: What was annotated.
        run: The annotations.
        pairs: What `fergi.evaluation.truth.planted_pairs` gives for them.
        with_faces: Whether to show frames of the videos. Only for invented people: a page is
            easily passed on.

    Returns:
        An HTML page.
    """
    decided = pairs.drop_nulls("preferred")
    first_of_each = study.images.group_by("participant", maintain_order=True).first()
    shown = first_of_each.select("participant", "session").head(4).rows()
    listed = pair_lists(pairs, _numbers(study.images), most=_PAIRS_LISTED)
    return _TEMPLATES.get_template("annotations.html").render(
        participants=len(study.participants),
        sessions=pairs.select(pl.struct("participant", "session").n_unique()).item(),
        pairs=len(pairs),
        decided=len(decided),
        right=int(decided["is_right"].sum()),
        sources=dict(pairs["source"].value_counts(sort=True).iter_rows()),
        reliability=_reliability_rows(decided),
        sessions_shown=[
            _session_card(study, pairs, *session, with_faces=with_faces) for session in shown
        ],
        with_faces=with_faces,
        participants_listed=listed,
        pairs_listed=sum(participant.listed for participant in listed),
        is_unfolded=len(pairs) <= _PAIRS_UNFOLDED,
        width=_CURVE_WIDTH,
        height=_CURVE_HEIGHT,
        problems=run.problems,
        annotator=pairs["annotator"][0],
    )


def _reliability_rows(decided: pl.DataFrame) -> list[dict[str, Any]]:
    is_first_preferred = (decided["truth_0"] > decided["truth_1"]).to_numpy()
    return reliability(decided["p_0"].to_numpy(), is_first_preferred, bins=5).to_dicts()


def _session_card(
    study: Study, pairs: pl.DataFrame, participant: str, session: int, *, with_faces: bool
) -> SessionCard:
    own = pairs.filter(participant=participant, session=session)
    images = study.images.filter(participant=participant, session=session)
    known = (
        pl.concat([_side(own, 0), _side(own, 1)])
        .group_by("path")
        .agg(pl.col("valence", "truth").first(), pl.col("wins").mean())
    )
    rows = images.join(known, on="path", how="left").sort("wins", descending=True, nulls_last=True)
    clips = _reactions(study, participant, session)
    curves = _session_curves(clips)
    faces = _session_faces(clips) if with_faces else {}
    return SessionCard(
        name=f"{participant}, session {session}",
        prompt=rows["prompt"][0],
        images=[
            ImageCard(
                number=row["image"],
                picture=_picture(study.root / row["path"]),
                valence=row["valence"],
                wins=row["wins"],
                truth=row["truth"],
                curves=curves.get(row["image"], {}),
                faces=faces.get(row["image"], []),
            )
            for row in rows.iter_rows(named=True)
        ],
        pairs=pair_rows(own, _numbers(images)),
    )


def _numbers(images: pl.DataFrame) -> dict[str, int]:
    """Map the path of each image to its number in its session."""
    return dict(images.select("path", "image").iter_rows())


def _side(pairs: pl.DataFrame, side: int) -> pl.DataFrame:
    """List what either side of the pairs says of its image."""
    return pairs.select(
        pl.col(f"image_{side}").alias("path"),
        pl.col(f"valence_{side}").alias("valence"),
        pl.col(f"truth_{side}").alias("truth"),
        (pl.col("p_0") if side == 0 else 1 - pl.col("p_0")).alias("wins"),
    )


def _reactions(study: Study, participant: str, session: int) -> list[Clip]:
    return [
        clip
        for clip in study.clips
        if (clip.participant, clip.session, clip.kind) == (participant, session, ClipKind.REACTION)
    ]


def _session_faces(clips: list[Clip]) -> dict[int, list[str]]:
    return {clip.image: film_strip(clip.video, _STRIP) for clip in clips if clip.video}


def _session_curves(clips: list[Clip]) -> dict[int, dict[str, str]]:
    curves = {}
    for clip, series in zip(clips, read_feature_files([c.features for c in clips]), strict=True):
        if not isinstance(series, FeatureFileError):
            curves[clip.image] = {
                f"AU{unit}": _points(series.times, series.intensities[:, ACTION_UNITS.index(unit)])
                for unit in (4, 12)
            }
    return curves


def _points(times: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> str:
    """Scale a curve into the page's small plots; frames without a face are skipped."""
    is_seen = ~np.isnan(values)
    x = _CURVE_WIDTH * (times - times[0]) / (times[-1] - times[0])
    y = _CURVE_HEIGHT * (1 - np.clip(values / _HIGHEST_INTENSITY, 0, 1))
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[is_seen], y[is_seen], strict=True))


def _picture(path: Path) -> str | None:
    kinds = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
    if not path.is_file() or path.suffix.lower() not in kinds:
        return None
    encoded = base64.b64encode(path.read_bytes()).decode()
    return f"data:image/{kinds[path.suffix.lower()]};base64,{encoded}"
