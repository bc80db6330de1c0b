import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fergi.datasets.feature_files import read_feature_files
from fergi.errors import ExecutionError, UsageError, VideoError
from fergi.execution.choice import Workplace
from fergi.extraction.run import Existing, ExtractionRun
from fergi.records.action_units import ACTION_UNITS, ActionUnitSeries
from fergi.settings import ExtractionSettings

Extract = Callable[..., ExtractionRun]
SMILE = ACTION_UNITS.index(12)
REACTION = "anna/session_1/reaction_clip_1"


def _series(path: Path) -> ActionUnitSeries:
    (series,) = read_feature_files([path])
    assert isinstance(series, ActionUnitSeries), series
    return series


def _smile(features: Path) -> np.ndarray:
    return _series(features).intensities[:, SMILE]


def _record(features: Path) -> dict[str, Any]:
    return json.loads(features.with_name(features.name + ".json").read_text(encoding="utf-8"))


def _files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".mp4"
    }


def test_a_study_becomes_feature_files_relative_to_each_person_at_rest(
    extract: Extract, filmed_study: Path
) -> None:
    run = extract(filmed_study)
    assert (run.done, run.skipped, run.failed, run.problems) == (8, 0, set(), [])
    assert len(_files(filmed_study)) == 16
    series = _series(filmed_study / f"{REACTION}_features.csv")
    np.testing.assert_allclose(series.times, np.arange(20) / 30, atol=6e-4)  # 3 decimals are kept
    np.testing.assert_array_equal(series.face_confidence, 0.97)
    np.testing.assert_array_equal(series.intensities[:, SMILE], [0] * 10 + [2] * 10)
    assert not _smile(filmed_study / "ben/session_1/reaction_clip_2_features.csv").any()
    assert {name: person.valid_share for name, person in run.people.items()} == {
        "anna": 1.0,
        "ben": 1.0,
    }


def test_the_json_beside_features_says_how_they_came_about(
    extract: Extract, filmed_study: Path
) -> None:
    extract(filmed_study)
    record = _record(filmed_study / f"{REACTION}_features.csv")
    assert record["settings"] == {"estimator": "mesh", "neutral": "auto", "is_tracking": False}
    assert set(record["models"]) == {"face-landmarker", "mesh"}
    summary = record["summary"]
    assert (summary["estimator"], summary["scale"], summary["licence"]) == ("mesh", "proxy", "MIT")
    assert summary["neutral"] == {
        "source": "baseline",
        "clip": "anna/session_1/baseline_clip_1.mp4",
        "from_seconds": 0.0,
        "to_seconds": 0.5,
    }
    assert (summary["frames"], summary["valid_frames"], summary["most_faces"]) == (20, 20, 1)
    assert "observation" not in json.dumps(record)


def test_lost_faces_turned_heads_and_second_faces_are_counted(
    extract: Extract, tmp_path: Path, invented: Any
) -> None:
    rest = [invented.grey(80)] * 20
    colours = [*rest, *[invented.BLACK] * 5, *[invented.RED] * 6, *[invented.GREEN] * 7]
    invented.write_film(tmp_path / "a.mp4", colours)
    run = extract(tmp_path)
    summary = _record(tmp_path / "a_features.csv")["summary"]
    assert summary["frames"] == 38
    assert summary["frames_with_a_face"] == 33
    assert summary["frames_with_several_faces"] == 7
    assert summary["most_faces"] == 2
    assert summary["valid_frames"] == 27
    assert run.people["a.mp4"].valid_share == pytest.approx(27 / 38)
    series = _series(tmp_path / "a_features.csv")
    assert np.isnan(series.intensities[20:25]).all()
    assert b"\n21,0.667,0.000,-1.000,-1.000,-1.000" in (tmp_path / "a_features.csv").read_bytes()
    np.testing.assert_array_equal(series.yaw_ratio[25:31], 0.9)


def test_a_video_without_any_face_is_extracted_and_says_so(
    extract: Extract, tmp_path: Path, invented: Any
) -> None:
    invented.write_film(tmp_path / "a.mp4", [invented.BLACK] * 40)
    run = extract(tmp_path)
    assert (run.done, run.problems) == (1, [])
    assert run.people["a.mp4"].valid_share == 0
    assert _record(tmp_path / "a_features.csv")["summary"]["neutral"] is None
    assert np.isnan(_series(tmp_path / "a_features.csv").face_confidence).all()


def test_the_neutral_face_can_come_from_the_clip_itself(
    extract: Extract, tmp_path: Path, invented: Any
) -> None:
    invented.write_film(tmp_path / "a.mp4", [invented.grey(80)] * 20 + [invented.grey(120)] * 40)
    extract(tmp_path)
    assert _smile(tmp_path / "a_features.csv").tolist() == [0.0] * 20 + [1.0] * 40
    assert _record(tmp_path / "a_features.csv")["summary"]["neutral"]["source"] == "itself"


def test_the_neutral_face_can_be_the_first_valid_frame(
    extract: Extract, tmp_path: Path, invented: Any
) -> None:
    colours = [invented.BLACK, invented.grey(120), *[invented.grey(80)] * 40]
    invented.write_film(tmp_path / "a.mp4", colours)
    extract(tmp_path, settings=ExtractionSettings(neutral="first-valid"))
    np.testing.assert_array_equal(_smile(tmp_path / "a_features.csv"), [np.nan, 0.0, *[-1.0] * 40])


@pytest.mark.parametrize("kind", ["picture", "film"])
def test_the_neutral_face_can_be_named(
    extract: Extract, filmed_study: Path, tmp_path: Path, invented: Any, kind: str
) -> None:
    named = tmp_path / "rest.png"
    if kind == "picture":
        Image.new("RGB", (64, 64), invented.grey(40)).save(named)
    else:
        named = invented.write_film(tmp_path / "rest.mkv", [invented.grey(40)] * 20)
    extract(filmed_study, settings=ExtractionSettings(neutral=f"clip:{named}"))
    features = filmed_study / f"{REACTION}_features.csv"
    assert _smile(features).tolist() == [1.0] * 10 + [3.0] * 10
    record = _record(features)
    assert record["summary"]["neutral"]["clip"] == named.name
    assert len(record["settings"]["neutral_sha256"]) == 64
    assert str(tmp_path) not in json.dumps(record)


def test_a_named_neutral_face_that_shows_none_is_refused(
    extract: Extract, filmed_study: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    for name, reason in (("black.png", "no frame shows a face"), ("none.png", "no picture")):
        with pytest.raises(UsageError, match=reason):
            extract(filmed_study, settings=ExtractionSettings(neutral=f"clip:{tmp_path / name}"))
    assert _files(filmed_study) == {}


def test_where_baselines_are_asked_for_a_person_without_any_fails(
    extract: Extract, filmed_study: Path
) -> None:
    for baseline in (filmed_study / "ben").rglob("baseline*"):
        baseline.unlink()
    run = extract(filmed_study, settings=ExtractionSettings(neutral="baseline"))
    assert run.done == 4
    assert [problem.place for problem in run.problems] == [
        "ben/session_1/reaction_clip_1.mp4",
        "ben/session_1/reaction_clip_2.mp4",
    ]
    assert "no baseline clip" in run.problems[0].reason


def test_an_estimator_without_a_neutral_face_needs_none(
    extract: Extract, filmed_study: Path, invented: Any
) -> None:
    extract(filmed_study, load=invented.load_absolute)
    features = filmed_study / f"{REACTION}_features.csv"
    assert _smile(features).tolist() == [2.0] * 10 + [4.0] * 10
    assert _record(features)["settings"]["neutral"] is None


def test_a_broken_video_costs_no_other_and_nothing_of_it_is_kept(
    extract: Extract, filmed_study: Path
) -> None:
    folder = filmed_study / "anna/session_1"
    for name in ("baseline_clip_2.mp4", "reaction_clip_2.mp4"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
    (filmed_study / "ben/session_1/reaction_clip_1.mp4").write_bytes(b"")
    run = extract(filmed_study)
    assert run.done == 5
    assert len(run.failed) == 3
    reasons = {problem.place: problem.reason for problem in run.problems}
    assert set(reasons) == {
        "anna/session_1/baseline_clip_2.mp4",
        "anna/session_1/reaction_clip_2.mp4",
        "ben/session_1/reaction_clip_1.mp4",
    }
    assert reasons["ben/session_1/reaction_clip_1.mp4"].startswith("is empty: 0 bytes")
    assert len(_files(filmed_study)) == 10


def test_a_video_that_breaks_off_says_how_much_could_be_decoded(
    extract: Extract, tmp_path: Path, invented: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    invented.write_film(tmp_path / "a.mp4", [invented.grey(80)] * 100)

    def half(path: Path):
        from fergi.stages.perception.video import video_frames

        for count, frame in enumerate(video_frames(path)):
            if count == 50:
                raise VideoError(f"{path.name}: is damaged; 50 frames (1.63 s) could be decoded")
            yield frame

    monkeypatch.setattr("fergi.extraction.clip_worker.video_frames", half)
    run = extract(tmp_path)
    (problem,) = run.problems
    assert str(problem) == "a.mp4: is damaged; 50 frames (1.63 s) could be decoded"
    assert _files(tmp_path) == {}


def test_a_video_of_one_frame_fails(extract: Extract, tmp_path: Path, invented: Any) -> None:
    invented.write_film(tmp_path / "a.mp4", [invented.grey(80)])
    (problem,) = extract(tmp_path).problems
    assert "has 1 frame" in problem.reason
    assert _files(tmp_path) == {}


def test_what_is_complete_is_skipped_and_counted(extract: Extract, filmed_study: Path) -> None:
    first = extract(filmed_study)
    (filmed_study / f"{REACTION}_features.csv").unlink()
    before = _files(filmed_study)
    again = extract(filmed_study)
    assert (again.done, again.skipped, again.problems) == (1, 7, [])
    assert again.people == first.people
    after = _files(filmed_study)
    assert before.items() <= after.items()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("no record", "no JSON beside it says how it came about"),
        ("another record", "no JSON beside it"),
        ("edited", "was changed after it was written"),
        ("other settings", "other settings: estimator x"),
        ("other models", "from other models"),
    ],
)
def test_features_of_another_origin_are_reported_and_left_alone(
    extract: Extract, filmed_study: Path, spoil: str, reason: str
) -> None:
    extract(filmed_study)
    features = filmed_study / f"{REACTION}_features.csv"
    _spoil(features, spoil)
    before = _files(filmed_study)
    run = extract(filmed_study)
    (problem,) = run.problems
    assert problem.place == f"{REACTION}.mp4"
    assert reason in problem.reason
    assert "--overwrite" in problem.reason
    assert _files(filmed_study) == before
    kept = extract(filmed_study, existing=Existing.KEEP)
    assert (kept.done, kept.others, kept.problems) == (0, 1, [])
    anew = extract(filmed_study, existing=Existing.OVERWRITE)
    assert (anew.done, anew.problems) == (8, [])
    assert extract(filmed_study).skipped == 8


def _spoil(features: Path, how: str) -> None:
    record = features.with_name(features.name + ".json")
    content = json.loads(record.read_text(encoding="utf-8"))
    match how:
        case "no record":
            record.unlink()
        case "another record":
            record.write_text("[]")
        case "edited":
            features.write_bytes(features.read_bytes() + b"\n")
        case "other settings":
            record.write_text(json.dumps(content | {"settings": {"estimator": "x"}}))
        case "other models":
            record.write_text(json.dumps(content | {"models": {}}))


def test_a_video_filmed_anew_is_noticed(
    extract: Extract, filmed_study: Path, invented: Any
) -> None:
    extract(filmed_study)
    invented.write_film(filmed_study / f"{REACTION}.mp4", [invented.grey(90)] * 60)
    (problem,) = extract(filmed_study).problems
    assert "from another video of that name" in problem.reason


def test_another_video_of_the_same_size_is_noticed_and_one_that_was_only_moved_is_not(
    extract: Extract, filmed_study: Path
) -> None:
    extract(filmed_study)
    video = filmed_study / f"{REACTION}.mp4"
    content = video.read_bytes()
    video.write_bytes(content)
    assert extract(filmed_study).skipped == 8
    # In the last box, which names the program that wrote it: the video still plays.
    video.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (problem,) = extract(filmed_study).problems
    assert "from another video of that name" in problem.reason


def test_clips_compared_with_another_neutral_face_than_their_persons_others_are_named(
    extract: Extract, filmed_study: Path
) -> None:
    folder = filmed_study / "anna/session_1"
    (folder / "baseline_clip_2.mp4").unlink()
    baseline = folder / "baseline_clip_1.mp4"
    whole = baseline.read_bytes()
    baseline.write_bytes(whole[: len(whole) // 2])
    (problem,) = extract(filmed_study).problems
    assert "each clip of its participant is compared with a face in itself" in problem.reason
    assert extract(filmed_study).problems == [problem]
    baseline.write_bytes(whole)
    for done in (1, 0):
        run = extract(filmed_study)
        assert (run.done, run.skipped, len(run.failed)) == (done, 5 - done, 2)
        assert [one.place for one in run.problems] == [
            f"anna/session_1/reaction_clip_{image}.mp4" for image in (1, 2)
        ]
        assert "compared with a face in itself, and now with that in anna/session_1/baseline" in (
            run.problems[0].reason
        )
    assert extract(filmed_study, existing=Existing.OVERWRITE).problems == []
    assert extract(filmed_study).problems == []


def test_a_baseline_clip_that_is_looked_at_again_counts_once(
    extract: Extract, filmed_study: Path
) -> None:
    extract(filmed_study)
    (filmed_study / f"{REACTION}_features.csv").unlink()
    told: list[Any] = []
    extract(filmed_study, watch=told.append)
    assert max(one.clips for one in told) == pytest.approx(8)


def test_a_person_who_is_never_seen_from_the_front_is_named(
    extract: Extract, tmp_path: Path, invented: Any
) -> None:
    invented.write_film(tmp_path / "a.mp4", [invented.RED] * 40)
    run = extract(tmp_path)
    assert (run.turned_away, run.faceless) == (["a.mp4"], [])


@pytest.mark.parametrize("on_gpu", [False, True], ids=["processes", "threads"])
def test_several_workers_give_the_same_bytes_as_one_after_the_other(
    extract: Extract, filmed_study: Path, tmp_path: Path, on_gpu: bool
) -> None:
    extract(filmed_study, tmp_path / "serial")
    run = extract(filmed_study, tmp_path / "parallel", workplace=Workplace(2, on_gpu=on_gpu))
    assert run.done == 8
    assert _files(tmp_path / "serial") == _files(tmp_path / "parallel")


def test_a_video_that_ends_its_worker_fails_alone(
    extract: Extract, filmed_study: Path, invented: Any
) -> None:
    invented.write_film(filmed_study / f"{REACTION}.mp4", [invented.grey(255)] * 20)
    run = extract(filmed_study, load=invented.load_deadly, workplace=Workplace(2))
    assert run.done == 7
    (problem,) = run.problems
    assert problem.place == f"{REACTION}.mp4"
    assert "ended its worker 2 times (signal SIGKILL)" in problem.reason
    assert not list(filmed_study.rglob(".*"))


def test_nothing_of_a_face_is_left_behind_when_a_run_is_interrupted(
    extract: Extract, filmed_study: Path
) -> None:
    seen: list[list[Path]] = []

    def interrupt(so_far: Any) -> None:
        seen.append(list(filmed_study.rglob(".*.faces*")))
        if so_far.clips > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(filmed_study, watch=interrupt)
    assert any(seen)
    assert not list(filmed_study.rglob(".*"))


def test_what_a_killed_run_left_is_removed_or_used(extract: Extract, filmed_study: Path) -> None:
    folder = filmed_study / "anna/session_1"
    for name in (
        ".reaction_clip_1_features.csv.0123456789ab.faces",
        ".reaction_clip_1_features.csv.0123456789ab.faces.01234567.part",
        ".reaction_clip_1_features.csv.json.abcdefgh.part",
    ):
        (folder / name).write_bytes(b"a face")
    others = {folder / ".notes", folder / ".reaction_clip_1_features.csv.swp"}
    for other in others:
        other.touch()
    assert extract(filmed_study).problems == []
    assert set(filmed_study.rglob(".*")) == others


def test_models_that_cannot_be_loaded_stop_everything(
    extract: Extract, filmed_study: Path, invented: Any
) -> None:
    with pytest.raises((ExecutionError, VideoError), match="no such model"):
        extract(filmed_study, load=invented.load_nothing)
    assert _files(filmed_study) == {}


def test_progress_counts_clips_in_part_and_frames_once(
    extract: Extract, filmed_study: Path
) -> None:
    told: list[Any] = []
    extract(filmed_study, watch=told.append)
    assert [one.clips for one in told] == sorted(one.clips for one in told)
    assert told[-1].clips == pytest.approx(8)
    assert told[-1].of == 8
    assert told[-1].frames == 8 * 20
