"""Videos → feature files: what is left to do, shared out over workers, and what came of it.

A clip is a task. Where clips of a person share a neutral face, the person's baseline clips are
looked at first; the steadiest of the faces at rest in them is the neutral one for all.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Any

from fergi.errors import ExecutionError, UsageError
from fergi.execution.choice import Workplace, executor
from fergi.execution.protocol import Executor, Failure
from fergi.extraction.clip_worker import (
    ClipWorker,
    FindNeutral,
    Identify,
    Identity,
    WriteFeatures,
)
from fergi.extraction.feature_records import (
    HOW_TO_REPLACE,
    Origin,
    Standing,
    file_hash,
    found_features,
)
from fergi.extraction.models import LoadModels, load_models, require_weights
from fergi.extraction.neutral_faces import (
    NeutralFace,
    is_same_neutral,
    shared_neutral,
    steadiest,
)
from fergi.extraction.sightings import remove_leftovers, sightings_path
from fergi.extraction.tally import PersonFrames, Tally, Watch, unwatched
from fergi.extraction.videos import ClipVideo, by_person, find_videos
from fergi.provenance import settings_hash
from fergi.records.clip import Problem
from fergi.settings import ExtractionSettings, NeutralSource, extraction_settings

_CLIPS_OF_A_WORKER = 32
"""Clips in a batch for each worker: so many that waiting at its end costs little, so few that
what waits on disk stays small."""


class Existing(Enum):
    """What to do with features that are there already."""

    CHECK = auto()
    """Keep those that this run would write; the others are problems, and kept too."""
    KEEP = auto()
    """Keep all."""
    OVERWRITE = auto()
    """Write all anew."""


@dataclass(frozen=True, slots=True)
class Way:
    """How an extraction runs; it changes no result.

    Attributes:
        workplace: Where the work is done.
        device: Of the networks: cpu, cuda or auto.
        existing: What to do with features that are there already.
        load: Loads the models.
    """

    workplace: Workplace = field(default_factory=Workplace)
    device: str = "auto"
    existing: Existing = Existing.CHECK
    load: LoadModels = field(default_factory=lambda: load_models)


@dataclass(slots=True)
class ExtractionRun:
    """What an extraction did.

    Attributes:
        identity: What it worked with.
        done: Clips that were extracted.
        skipped: Clips whose features were there already.
        others: Clips among them whose features are not what this run would write.
        failed: Feature files that could not be written.
        problems: Why not.
        people: Name of each person → frames of the clips that are done.
        faceless: Names of the clips that are done and show no face in any frame.
        turned_away: Names of those that show one, but in no frame surely and frontally.
        left_out: Videos of a study that belong to no session, by their names in it.
    """

    identity: Identity
    done: int = 0
    skipped: int = 0
    others: int = 0
    failed: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    people: Mapping[str, PersonFrames] = field(default_factory=dict)
    faceless: Sequence[str] = ()
    turned_away: Sequence[str] = ()
    left_out: Sequence[str] = ()


def extract(
    path: str | Path,
    out: str | Path | None = None,
    *,
    workers: int = 1,
    overwrite: bool = False,
    **settings: Any,
) -> ExtractionRun:
    """Find the action units in every frame of a video, of a folder of videos, or of a study.

    Args:
        path: The video or folder.
        out: A folder for the feature files, laid out as `path`; by default they go beside the
            videos. Those that are there already are kept.
        workers: Clips at a time. More than one are processes, which run the calling script
            again up to its `if __name__ == "__main__":`.
        overwrite: Whether to write features anew that are there already.
        settings: Fields of `ExtractionSettings`, such as `neutral="first-valid"`.

    Returns:
        What was done.

    Raises:
        FergiError: If there is no video, or the settings or the models cannot be used.

    Warns:
        UserWarning: For each video that could not be used.
    """
    checked = extraction_settings(**settings)
    require_weights(checked)
    found = find_videos(Path(path), None if out is None else Path(out))
    existing = Existing.OVERWRITE if overwrite else Existing.CHECK
    run = extract_videos(found.clips, checked, Way(Workplace(workers), existing=existing))
    for problem in (*found.doubles, *run.problems):
        warnings.warn(str(problem), stacklevel=2)
    return replace(run, left_out=found.left_out)


def extract_videos(
    clips: Sequence[ClipVideo],
    settings: ExtractionSettings,
    way: Way | None = None,
    watch: Watch = unwatched,
) -> ExtractionRun:
    """Write the features of videos.

    Args:
        clips: All clips of the people concerned; those that are done are left as they are.
        settings: What changes the result.
        way: How it runs; by default one clip after the other.
        watch: Told how far it is.

    Returns:
        What was done. A clip that fails is a problem, and costs no other.

    Raises:
        WeightsError: If a model is missing or altered.
        ExecutionError: If workers cannot be started.
        UsageError: If the neutral face that is named shows no face.
    """
    way = way or Way()
    folders = [clip.features.parent for clip in clips]
    remove_leftovers(folders, keep_whole=True)
    prepare = partial(ClipWorker, way.load, settings, way.device)
    try:
        with executor(prepare, _fitting(way.workplace, len(clips))) as workers:
            return _Extraction(settings, way, workers, Tally(len(clips), watch)).run(clips)
    finally:
        remove_leftovers(folders)


def _fitting(workplace: Workplace, clips: int) -> Workplace:
    """Start no more workers than there are clips."""
    if workplace.workers is None:
        return workplace
    return replace(workplace, workers=min(workplace.workers, clips) or 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Person:
    """The clips of one person.

    Attributes:
        clips: All of them.
        left: Those to be done.
        kept: Those that are done, with what their JSON says of them.
    """

    clips: Sequence[ClipVideo]
    left: Sequence[ClipVideo]
    kept: Sequence[tuple[ClipVideo, Mapping[str, Any]]]

    @property
    def is_at_odds(self) -> bool:
        """Whether clips that are done do not all share one neutral face, or all none."""
        return len({shared_neutral(summary["neutral"]) for _, summary in self.kept}) > 1


class _Extraction:
    """One extraction, while it runs."""

    def __init__(
        self, settings: ExtractionSettings, way: Way, workers: Executor, tally: Tally
    ) -> None:
        self._settings = settings
        self._existing = way.existing
        self._workers = workers
        self._tally = tally
        self._batch_size = _CLIPS_OF_A_WORKER * (way.workplace.workers or _CLIPS_OF_A_WORKER)
        identity = _single(workers.outcomes([Identify()]))
        if isinstance(identity, Failure):
            raise ExecutionError(identity.reason)
        self._identity: Identity = identity
        self._origin = _origin(settings, identity)
        self._run = ExtractionRun(
            identity,
            people=tally.people,
            faceless=tally.faceless,
            turned_away=tally.turned_away,
        )

    def run(self, clips: Sequence[ClipVideo]) -> ExtractionRun:
        """Do all that is left to do."""
        named = self._named_neutral(clips)
        for people in self._batches(clips):
            neutrals = self._neutrals(people) if named is None else {}
            self._name_odd_neutrals(people, neutrals)
            tasks = [
                self._writing(clip, named or neutrals.get(clip.person))
                for person in people
                for clip in person.left
                if clip.features not in self._run.failed
            ]
            for task, outcome in zip(
                tasks, self._workers.outcomes(tasks, self._tally.hear), strict=True
            ):
                self._finish(task.clip, outcome)
            self._forget(people)
        return self._run

    def _batches(self, clips: Sequence[ClipVideo]) -> Iterator[list[_Person]]:
        """Give some people at a time, of those for whom anything is to be done."""
        batch: list[_Person] = []
        for everyone in by_person(clips):
            person = self._person(everyone)
            if person.left or person.is_at_odds:
                batch.append(person)
            if sum(len(person.left) for person in batch) >= self._batch_size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _person(self, clips: Sequence[ClipVideo]) -> _Person:
        """Tell which clips of a person are to be done; count those that are not."""
        if self._existing is Existing.OVERWRITE:
            return _Person(clips, left=clips, kept=())
        left, kept = [], []
        for clip in clips:
            found = found_features(clip, self._origin)
            if found.standing is Standing.ABSENT:
                left.append(clip)
                continue
            self._tally.skip(clip)
            if found.standing is Standing.COMPLETE:
                self._run.skipped += 1
                self._tally.count_frames(clip, found.summary)
                kept.append((clip, found.summary))
            elif self._existing is Existing.KEEP:
                self._run.others += 1
            else:
                self._fail(clip, found.reason)
        return _Person(clips, left, kept)

    def _named_neutral(self, clips: Sequence[ClipVideo]) -> NeutralFace | None:
        """Find the neutral face in the clip or picture that the user names."""
        path = self._settings.neutral_path
        if path is None or not self._identity.needs_neutral:
            return None
        beside = clips[0].features.with_name("neutral_features.csv")
        clip = ClipVideo(path.absolute(), beside, path.name, path.name)
        task = FindNeutral(clip, sightings_path(beside, self._key(path)))
        found = _single(self._workers.outcomes([task]))
        if isinstance(found, Failure):
            raise UsageError(f"--neutral {path}: {found.reason}")
        if found is None:
            raise UsageError(f"--neutral {path}: no frame shows a face surely and frontally")
        return found

    @property
    def _shares_neutrals(self) -> bool:
        """Whether the clips of a person are compared with one face, out of baseline clips."""
        sources = {NeutralSource.AUTO, NeutralSource.BASELINE}
        return self._identity.needs_neutral and self._settings.neutral_source in sources

    def _neutrals(self, people: Sequence[_Person]) -> dict[str, NeutralFace]:
        """Look at the baseline clips of some people, and choose a neutral face for each."""
        if not self._shares_neutrals:
            return {}
        tasks = [
            FindNeutral(clip, sightings_path(clip.features, self._key(clip.video)))
            for person in people
            for clip in person.clips
            if clip.is_baseline
        ]
        faces: dict[str, list[NeutralFace]] = {}
        broken: list[tuple[ClipVideo, str]] = []
        outcomes = self._workers.outcomes(tasks, self._tally.hear)
        for task, outcome in zip(tasks, outcomes, strict=True):
            if isinstance(outcome, Failure):
                broken.append((task.clip, outcome.reason))
            elif outcome is not None:
                faces.setdefault(task.clip.person, []).append(outcome)
        for clip, reason in broken:
            is_missed = clip.person not in faces and (
                self._settings.neutral_source is NeutralSource.AUTO
            )
            effect = "; meanwhile each clip of its participant is compared with a face in itself"
            self._fail(clip, reason + effect if is_missed else reason)
        chosen = {person: steadiest(found) for person, found in faces.items()}
        return {person: face for person, face in chosen.items() if face is not None}

    def _name_odd_neutrals(
        self, people: Sequence[_Person], neutrals: Mapping[str, NeutralFace]
    ) -> None:
        """Name the clips that were compared with another face than their person's others are."""
        if not self._shares_neutrals:
            return
        for person in people:
            for clip, summary in person.kept:
                face = neutrals.get(clip.person)
                wanted = None if face is None else face.described(NeutralSource.BASELINE)
                then, now = shared_neutral(summary["neutral"]), shared_neutral(wanted)
                if not is_same_neutral(then, now):
                    self._run.skipped -= 1  # it was counted when it was found
                    reason = f"{clip.features.name} is there, compared with {_in_words(then)}"
                    self._fail(clip, f"{reason}, and now with {_in_words(now)}; {HOW_TO_REPLACE}")

    def _writing(self, clip: ClipVideo, neutral: NeutralFace | None) -> WriteFeatures:
        source = self._settings.neutral_source
        if source is NeutralSource.AUTO and neutral is not None:
            source = NeutralSource.BASELINE
        sightings = sightings_path(clip.features, self._key(clip.video))
        return WriteFeatures(clip, sightings, self._origin, neutral, source)

    def _key(self, video: Path) -> str:
        """Name all that decides what is seen in a video."""
        state = video.stat() if video.exists() else None
        facts = {
            "models": dict(self._identity.models),
            "is_tracking": self._settings.is_tracking,
            "video": None if state is None else [state.st_size, state.st_mtime_ns],
        }
        return settings_hash(facts)[:12]

    def _forget(self, people: Sequence[_Person]) -> None:
        """Remove what was kept of some people's clips to choose a neutral face from."""
        for person in people:
            for clip in person.clips:
                sightings_path(clip.features, self._key(clip.video)).unlink(missing_ok=True)

    def _finish(self, clip: ClipVideo, outcome: Any) -> None:
        if isinstance(outcome, Failure):
            self._fail(clip, outcome.reason)
        else:
            self._run.done += 1

    def _fail(self, clip: ClipVideo, reason: str) -> None:
        self._run.failed.add(clip.features)
        self._run.problems.append(Problem(clip.name, reason))


def _origin(settings: ExtractionSettings, identity: Identity) -> Origin:
    """Say what features come from; files are named by their hashes, not by where they lie."""
    named = settings.neutral_path
    neutral = settings.neutral_source.value if identity.needs_neutral else None
    facts = {
        "estimator": identity.estimator,
        "neutral": neutral,
        "is_tracking": settings.is_tracking,
    }
    if named is not None and named.is_file():
        facts["neutral_sha256"] = file_hash(named)
    return Origin(facts, identity.models)


def _in_words(neutral: tuple[str, float, float] | None) -> str:
    if neutral is None:
        return "a face in itself"
    clip, start, end = neutral
    return f"that in {clip} at {start:g} to {end:g} s"


def _single(outcomes: Iterator[Any]) -> Any:
    (found,) = outcomes
    return found
