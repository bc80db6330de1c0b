"""The main job on one page: a study in, preference annotations out."""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from fergi.activations import activation_table, unstable_participants
from fergi.datasets.feature_origin import FeatureOrigin, mixed_origins, origin_counts
from fergi.datasets.fergi_study import read_study
from fergi.errors import ScoresError
from fergi.extraction.missing import extract_missing, joined_problems
from fergi.files import write_table
from fergi.progress import Progress, unreported
from fergi.provenance import fergi_version, fingerprint, provenance_path, write_provenance
from fergi.records.action_units import UNIT_NAMES
from fergi.records.clip import Clip, ClipKind, Problem
from fergi.records.preference import ANNOTATION_SCHEMA
from fergi.records.scale import Scale
from fergi.records.study import IMAGE_KEY, Study
from fergi.scorers.missing import score_missing
from fergi.scorers.score_file import ScoreRun
from fergi.scorers.table import known_scores
from fergi.settings import AUTO_SCORES, NO_SCORES, AnnotationSettings, annotation_settings
from fergi.stages.preference import (
    FACE,
    PreferenceModel,
    evidence_names,
    image_pairs,
    preference_log_odds,
    probability,
    score_columns,
    source_differences,
    with_scores,
)
from fergi.stages.valence import (
    FauNet,
    Valence,
    au4_au12_valence,
    au4_valence,
    fau_net_valence,
    units_used,
)
from fergi.weights.store import ModelFile, named_model

_BYTES_OF_HASH_SHOWN = 12


@dataclass(frozen=True, slots=True, eq=False)
class AnnotationRun:
    """Annotations, and how they came about.

    Attributes:
        annotations: The columns of `ANNOTATION_SCHEMA`.
        problems: What could not be used; the rest was annotated.
        settings: What was asked for.
        models: Name of each model used → SHA-256 of its file.
        input_fingerprint: SHA-256 of the evidence.
        origins: What estimated the action units → how many reaction clips.
    """

    annotations: pl.DataFrame
    problems: tuple[Problem, ...]
    settings: AnnotationSettings
    models: Mapping[str, str]
    input_fingerprint: str
    origins: Mapping[FeatureOrigin, int]

    @property
    def is_calibrated(self) -> bool:
        """Whether the fusion was learned on action units of the scale that was found.

        The one that is shipped was learned on FACS intensities; features of unknown origin
        pass for these.
        """
        scales = {origin.scale for origin in self.origins} - {None, Scale.INTENSITY}
        return not scales or self.settings.fusion is not None


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """The models that an annotation needs."""

    preference: PreferenceModel
    network: FauNet
    files: tuple[ModelFile, ...]


def annotate(study: str | Path, **settings: Any) -> pl.DataFrame:
    """Annotate every pair of images of a study.

    Clips that have a video and no action units yet are extracted first, one after the other;
    `fergi annotate` does the same on several processors. Scores that are asked for by name
    and are not there yet are computed first, if images and weights are.

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
    checked = annotation_settings(**settings)
    found = read_study(study)
    scored = score_first(found, checked)
    extraction = extract_missing(found)
    run = annotate_study(found, checked)
    unscored = scored.problems if scored else ()
    for problem in (*joined_problems(extraction, run.problems), *unscored):
        warnings.warn(str(problem), stacklevel=2)
    return run.annotations


def score_first(
    study: Study, settings: AnnotationSettings, progress: Progress = unreported
) -> ScoreRun | None:
    """Compute the scores that are asked for by name and that the study lacks.

    They are kept in the study, as `fergi.scorers.missing.score_missing` tells.

    Args:
        study: The study.
        settings: What is asked for.
        progress: Told how many scores are done, of how many.

    Returns:
        What was scored; None if nothing was.

    Raises:
        ScoresError: If the fusion or this package does not know a score, or images are missing.
        WeightsError: If weights are missing; the message says which command brings them.
    """
    if isinstance(settings.scores, str) or settings.scores_table is not None:
        return None
    _require_known(settings.scores, _models(settings))
    return score_missing(study, settings.scores, progress=progress)


def annotate_study(
    study: str | Path | Study, settings: AnnotationSettings, progress: Progress = unreported
) -> AnnotationRun:
    """Derive a preference for every pair of images of every session.

    Args:
        study: A study, or its folder in either layout. Nothing is extracted from its videos.
        settings: What changes the result.
        progress: Told after each clip.

    Returns:
        A row for each pair, also where nothing is known of it, and what went wrong.

    Raises:
        StudyError: If the folder is no study.
        ScoresError: If scores are asked for that the study or the fusion lacks.
        WeightsError: If a model cannot be used.
    """
    study = study if isinstance(study, Study) else read_study(study)
    models = _models(settings)
    scores = known_scores(study, settings.scores_table)
    preference = models.preference.restricted((FACE, *_scorers(scores, models, settings)))
    clips = _needed_clips(study, settings)
    activations, problems = activation_table(clips, settings.criteria, progress)
    problems += _unknown_units(activations, settings.valence)
    if settings.exclude_unstable:
        problems += _unknown_stability(activations)
    origins = origin_counts(clip for clip in clips if clip.kind is ClipKind.REACTION)
    problems += mixed_origins(origins)
    faces = _face_evidence(study.images, activations, models, settings)
    columns = score_columns(preference.sources[1:], faces.columns)
    images = with_scores(faces, scores, columns)
    return AnnotationRun(
        annotations=_annotations(images, preference, columns, models, settings),
        problems=(*study.problems, *problems),
        settings=settings,
        models={file.name: file.sha256 for file in models.files},
        input_fingerprint=fingerprint(images),
        origins=sum(map(Counter, origins.values()), Counter()),
    )


def write_annotations(run: AnnotationRun, path: str | Path, summary: Mapping[str, object]) -> None:
    """Write annotations, and a JSON beside them that says how they came about.

    Whatever stops this in between leaves annotations without a JSON, never beside another's.

    Raises:
        UsageError: If the ending names no format.
        OutputError: If a file cannot be written.
    """
    path = Path(path)
    write_table(run.annotations, path, outdated=provenance_path(path))
    write_provenance(
        path,
        settings=run.settings.as_json(),
        models=run.models,
        input_fingerprint=run.input_fingerprint,
        summary=summary,
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
    _require_known(settings.scores, models)
    for name in settings.scores:
        if name not in scores.columns:
            raise ScoresError(
                f"the study has no scores of '{name}'; compute them with: fergi score, or put "
                f"them into scores.csv at its root, with the columns {', '.join(IMAGE_KEY)}, {name}"
            )
    return list(settings.scores)


def _require_known(names: Sequence[str], models: Models) -> None:
    known = [source for source in models.preference.sources if source != FACE]
    for name in names:
        if name not in known:
            raise ScoresError(
                f"the fusion does not know '{name}', only {', '.join(known)}; "
                "learn one that does with: fergi train fusion"
            )


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


def _unknown_units(activations: pl.DataFrame, valence: Valence) -> Iterator[Problem]:
    """Report clips of tools that do not know a unit which the valence needs."""
    needed = [f"AU{unit}" for unit in units_used(valence)]
    reactions = activations.filter(pl.col("kind") == ClipKind.REACTION.value)
    measured = reactions.filter(pl.any_horizontal(pl.col(UNIT_NAMES).is_not_null()))
    lacking = measured.filter(pl.any_horizontal(pl.col(needed).is_null()))
    for (participant,), clips in lacking.group_by("participant", maintain_order=True):
        unknown = [name for name in needed if clips[name].null_count() == len(clips)]
        yield Problem(
            str(participant),
            f"{len(clips)} reactions lack {', '.join(unknown)}, which the valence "
            f"{valence.value} needs; estimate them with fergi extract, or use "
            f"--valence {Valence.AU4_AU12.value}",
        )


def _unknown_stability(activations: pl.DataFrame) -> Iterator[Problem]:
    """Report participants whom the exclusion rule keeps for lack of a baseline clip."""
    usable = activations.drop_nulls()
    is_baseline = pl.col("kind") == ClipKind.BASELINE.value
    filmed = set(usable.filter(is_baseline)["participant"])
    for participant in usable.filter(~is_baseline)["participant"].unique().sort():
        if participant not in filmed:
            yield Problem(
                participant,
                "no baseline clip shows a usable face with every unit, so nobody knows whether the "
                "brow is unstable; the faces were kept: film baselines, or leave the participant "
                "out yourself",
            )


def _face_evidence(
    images: pl.DataFrame, activations: pl.DataFrame, models: Models, settings: AnnotationSettings
) -> pl.DataFrame:
    """Put what is known of each image side by side, but for scores: path, prompt, face."""
    reactions = activations.filter(pl.col("kind") == ClipKind.REACTION.value)
    excluded = unstable_participants(activations) if settings.exclude_unstable else []
    needed = [f"AU{unit}" for unit in units_used(settings.valence)]
    usable = reactions.drop_nulls(needed).filter(~pl.col("participant").is_in(excluded))
    values = valence_values(usable.select(UNIT_NAMES).to_numpy(), settings.valence, models.network)
    valence = usable.select(IMAGE_KEY).with_columns(valence=values)
    return (
        images.select(*IMAGE_KEY, "path", "prompt")
        .join(reactions.select(*IMAGE_KEY, "valid_share"), on=IMAGE_KEY, how="left")
        .join(valence, on=IMAGE_KEY, how="left")
    )


def _annotations(
    images: pl.DataFrame,
    model: PreferenceModel,
    columns: Mapping[str, str],
    models: Models,
    settings: AnnotationSettings,
) -> pl.DataFrame:
    """Judge every pair."""
    pairs = image_pairs(images)
    differences = source_differences(pairs, {FACE: "valence", **columns})
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
