"""The main job on one page: a study in, preference annotations out."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from fergi.datasets.feature_files import read_feature_files
from fergi.datasets.fergi_study import read_study
from fergi.errors import FeatureFileError, ScoresError
from fergi.files import write_table
from fergi.progress import Progress, unreported
from fergi.provenance import fergi_version, fingerprint, write_provenance
from fergi.records.action_units import UNIT_NAMES, ActionUnitSeries
from fergi.records.clip import Clip, ClipKind, Problem
from fergi.records.preference import ANNOTATION_SCHEMA
from fergi.records.study import IMAGE_KEY, Study
from fergi.scorers.table import known_scores
from fergi.settings import AUTO_SCORES, NO_SCORES, AnnotationSettings, annotation_settings
from fergi.stages.activation import (
    PUBLISHED_CRITERIA,
    ClipActivation,
    ValidityCriteria,
    clip_activation,
    is_unstable,
)
from fergi.stages.preference import (
    FACE,
    PreferenceModel,
    evidence_names,
    image_pairs,
    preference_log_odds,
    probability,
    source_differences,
)
from fergi.stages.valence import FauNet, Valence, au4_au12_valence, au4_valence, fau_net_valence
from fergi.weights.store import ModelFile, named_model

_BYTES_OF_HASH_SHOWN = 12

Measure = Callable[[ActionUnitSeries, ValidityCriteria], ClipActivation]
"""Judges the frames of a clip, and measures its activation values."""


@dataclass(frozen=True, slots=True, eq=False)
class AnnotationRun:
    """Annotations, and how they came about.

    Attributes:
        annotations: The columns of `ANNOTATION_SCHEMA`.
        problems: What could not be used; the rest was annotated.
        settings: What was asked for.
        models: Name of each model used → SHA-256 of its file.
        input_fingerprint: SHA-256 of the evidence.
    """

    annotations: pl.DataFrame
    problems: tuple[Problem, ...]
    settings: AnnotationSettings
    models: Mapping[str, str]
    input_fingerprint: str


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """The models that an annotation needs."""

    preference: PreferenceModel
    network: FauNet
    files: tuple[ModelFile, ...]


def annotate(study: str | Path, **settings: Any) -> pl.DataFrame:
    """Annotate every pair of images of a study.

    Args:
        study: The folder of a study, in either layout.
        settings: Fields of `AnnotationSettings`, such as `valence="au4"`,
            `scores="none"`, `min_confidence=0.8`.

    Returns:
        A row for each pair, with the columns of `ANNOTATION_SCHEMA`.

    Raises:
        FergiError: If the study, the settings or the models cannot be used.

    Warns:
        UserWarning: For each part of the study that could not be used.
    """
    run = annotate_study(study, annotation_settings(**settings))
    for problem in run.problems:
        warnings.warn(str(problem), stacklevel=2)
    return run.annotations


def annotate_study(
    root: str | Path, settings: AnnotationSettings, progress: Progress = unreported
) -> AnnotationRun:
    """Derive a preference for every pair of images of every session.

    Args:
        root: The folder of a study, in either layout.
        settings: What changes the result.
        progress: Told after each clip.

    Returns:
        A row for each pair, also where nothing is known of it, and what went wrong.

    Raises:
        StudyError: If the folder is no study.
        ScoresError: If scores are asked for that the study or the fusion lacks.
        WeightsError: If a model cannot be used.
    """
    study = read_study(root)
    models = _models(settings)
    scores = known_scores(study, settings.scores_table)
    preference = models.preference.restricted((FACE, *_scorers(scores, models, settings)))
    activations, problems = activation_table(
        _needed_clips(study, settings), settings.criteria, progress
    )
    scores = scores.select(*IMAGE_KEY, *preference.sources[1:])
    images = _image_evidence(study.images, activations, scores, models, settings)
    return AnnotationRun(
        annotations=_annotations(images, preference, models, settings),
        problems=(*study.problems, *problems),
        settings=settings,
        models={file.name: file.sha256 for file in models.files},
        input_fingerprint=fingerprint(images),
    )


def write_annotations(run: AnnotationRun, path: str | Path, summary: Mapping[str, object]) -> None:
    """Write annotations, and a JSON beside them that says how they came about.

    Raises:
        UsageError: If the ending names no format.
        OutputError: If a file cannot be written.
    """
    write_table(run.annotations, path)
    write_provenance(
        Path(path),
        settings=run.settings.as_json(),
        models=run.models,
        input_fingerprint=run.input_fingerprint,
        summary=summary,
    )


def activation_table(
    clips: Sequence[Clip],
    criteria: ValidityCriteria = PUBLISHED_CRITERIA,
    progress: Progress = unreported,
    measure: Measure = clip_activation,
) -> tuple[pl.DataFrame, list[Problem]]:
    """Measure the activation values of many clips, a few files in memory at a time.

    Args:
        clips: Whose feature files to read.
        criteria: When a frame, and a clip, may be trusted.
        progress: Told after each clip.
        measure: What judges and measures one clip.

    Returns:
        A row for each readable clip, in their order: the image's key, `kind`,
        `valid_share`, and a column for each unit, null where the clip is unusable. Beside
        it a problem for each clip that could not be read, or only in part.
    """
    is_read = np.zeros(len(clips), dtype=bool)
    measures = np.full((len(clips), 1 + len(UNIT_NAMES)), np.nan)
    problems: list[Problem] = []
    series_or_errors = read_feature_files(clip.features for clip in clips)
    for place, (clip, series) in enumerate(zip(clips, series_or_errors, strict=True)):
        if isinstance(series, FeatureFileError):
            problems.append(Problem(clip.place, str(series)))
        else:
            problems += _unmeasured_frames(clip, series)
            found = measure(series, criteria)
            is_read[place] = True
            measures[place, 0] = found.valid_share
            if found.values is not None:
                measures[place, 1:] = found.values
        progress(place + 1, len(clips))
    return _clip_keys(clips).hstack(_measures_table(measures)).filter(is_read), problems


def _clip_keys(clips: Sequence[Clip]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "participant": pl.Series([clip.participant for clip in clips], dtype=pl.String),
            "session": pl.Series([clip.session for clip in clips], dtype=pl.Int64),
            "image": pl.Series([clip.image for clip in clips], dtype=pl.Int64),
            "kind": pl.Series([clip.kind.value for clip in clips], dtype=pl.String),
        }
    )


def _measures_table(measures: Float[np.ndarray, "clips measures"]) -> pl.DataFrame:
    table = pl.DataFrame(measures, schema=["valid_share", *UNIT_NAMES], orient="row")
    return table.with_columns(pl.all().fill_nan(None))


def _unmeasured_frames(clip: Clip, series: ActionUnitSeries) -> Iterator[Problem]:
    """Report frames that show a face but lack a measure; they count as invalid."""
    is_unmeasured = np.isnan(series.intensities).any(axis=1) & ~np.isnan(series.face_confidence)
    if is_unmeasured.any():
        yield Problem(
            clip.place,
            f"{is_unmeasured.sum()} of {len(series.times)} frames show a face but lack a number; "
            "they count as invalid",
        )


def _needed_clips(study: Study, settings: AnnotationSettings) -> list[Clip]:
    """List the reactions to valid images, and the baselines where the exclusion rule asks."""
    images = set(study.images.select(IMAGE_KEY).iter_rows())
    return [
        clip
        for clip in study.clips
        if (clip.kind is ClipKind.BASELINE and settings.exclude_unstable)
        or (
            clip.kind is ClipKind.REACTION
            and (clip.participant, clip.session, clip.image) in images
        )
    ]


def _models(settings: AnnotationSettings) -> Models:
    fusion = named_model("fusion", settings.fusion)
    network = named_model("fau-net", settings.fau_net)
    return Models(
        preference=PreferenceModel.from_tensors(fusion.tensors, fusion.metadata, settings.valence),
        network=FauNet.from_tensors(network.tensors),
        files=(network, fusion) if settings.valence is Valence.FAU_NET else (fusion,),
    )


def _scorers(scores: pl.DataFrame, models: Models, settings: AnnotationSettings) -> list[str]:
    """Choose the scorers that are asked for, known to the fusion, and at hand."""
    known = [source for source in models.preference.sources if source != FACE]
    if settings.scores == NO_SCORES:
        return []
    if settings.scores == AUTO_SCORES:
        return [name for name in known if name in scores.columns]
    for name in settings.scores:
        if name not in known:
            raise ScoresError(
                f"the fusion does not know '{name}', only {', '.join(known)}; "
                "learn one that does with: fergi train fusion"
            )
        if name not in scores.columns:
            raise ScoresError(
                f"the study has no scores of '{name}'; put them into scores.csv at its root, "
                f"with the columns {', '.join(IMAGE_KEY)}, {name}"
            )
    return list(settings.scores)


def valence_values(
    activations: Float[np.ndarray, "clips units"], valence: Valence, network: FauNet
) -> Float[np.ndarray, " clips"]:
    """Score clips by the chosen valence."""
    match valence:
        case Valence.AU4:
            return au4_valence(activations)
        case Valence.AU4_AU12:
            return au4_au12_valence(activations)
        case Valence.FAU_NET:
            return fau_net_valence(activations, network)


def _image_evidence(
    images: pl.DataFrame,
    activations: pl.DataFrame,
    scores: pl.DataFrame,
    models: Models,
    settings: AnnotationSettings,
) -> pl.DataFrame:
    """Put what is known of each image side by side: path, prompt, face, scores."""
    reactions = activations.filter(pl.col("kind") == ClipKind.REACTION.value)
    excluded = unstable_participants(activations) if settings.exclude_unstable else []
    usable = reactions.drop_nulls(UNIT_NAMES[0]).filter(~pl.col("participant").is_in(excluded))
    values = valence_values(usable.select(UNIT_NAMES).to_numpy(), settings.valence, models.network)
    valence = usable.select(IMAGE_KEY).with_columns(valence=values)
    return (
        images.select(*IMAGE_KEY, "path", "prompt")
        .join(reactions.select(*IMAGE_KEY, "valid_share"), on=IMAGE_KEY, how="left")
        .join(valence, on=IMAGE_KEY, how="left")
        .join(scores, on=IMAGE_KEY, how="left")
        .sort(IMAGE_KEY)
    )


def unstable_participants(activations: pl.DataFrame) -> list[str]:
    """List the participants whom the exclusion rule of versions 1 and 2 leaves out.

    Args:
        activations: What `activation_table` gives for baseline clips, and any others.
    """
    baselines = activations.filter(pl.col("kind") == ClipKind.BASELINE.value).drop_nulls()
    by_participant = baselines.sort("participant").group_by("participant", maintain_order=True)
    return [
        str(name)
        for (name,), clips in by_participant
        if is_unstable(clips.select(UNIT_NAMES).to_numpy())
    ]


def _annotations(
    images: pl.DataFrame, model: PreferenceModel, models: Models, settings: AnnotationSettings
) -> pl.DataFrame:
    """Judge every pair."""
    columns = {source: "valence" if source == FACE else source for source in model.sources}
    pairs = image_pairs(images)
    differences = source_differences(pairs, columns)
    log_odds = preference_log_odds(differences, model)
    p_0 = probability(log_odds)
    confidence = np.maximum(p_0, 1 - p_0)
    is_decided = (confidence >= settings.min_confidence) & (p_0 != 0.5)
    session = ["participant", "session"]
    return pairs.with_columns(
        pair_id=pl.format("{}/session_{}/{}-{}", *session, "image_0", "image_1"),
        prompt=pl.col("prompt_0"),
        image_0=pl.col("path_0"),
        image_1=pl.col("path_1"),
        p_0=pl.Series(p_0).fill_nan(None),
        preferred=pl.when(pl.Series(is_decided)).then(pl.Series((p_0 < 0.5).astype(np.int64))),
        confidence=pl.Series(confidence).fill_nan(None),
        margin=pl.Series(log_odds).fill_nan(None),
        source=pl.Series(evidence_names(differences, model.sources), dtype=pl.String),
        face_quality_0=pl.col("valid_share_0"),
        face_quality_1=pl.col("valid_share_1"),
        weight=1 / pl.len().over(session).cast(pl.Float64),
        annotator=pl.lit(_annotator(models)),
    ).select(ANNOTATION_SCHEMA.names())


def _annotator(models: Models) -> str:
    files = [f"{file.name} {file.sha256[:_BYTES_OF_HASH_SHOWN]}" for file in models.files]
    return "; ".join([f"fergi {fergi_version()}", *files])
