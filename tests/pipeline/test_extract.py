import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

import fergi as package
from fergi.datasets.feature_files import read_feature_files

Run = Callable[..., Result]
STAND_INS = str(Path(__file__).parents[1] / "unit" / "extraction")
REACTION = "anna/session_1/reaction_clip_1"

# A shell lets what it runs in the background ignore Ctrl-C; this undoes it.
SLOW_COMMAND = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {STAND_INS!r})
import invented_faces
import fergi.extraction.run as run
run.load_models = invented_faces.load_slow
from fergi.cli import main
if __name__ == "__main__":
    main()
"""


@pytest.fixture
def invented(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Models that see invented faces, in the place of the real ones."""
    monkeypatch.syspath_prepend(STAND_INS)
    import invented_faces

    monkeypatch.setattr("fergi.extraction.run.load_models", invented_faces.load_invented)
    return invented_faces


@pytest.fixture
def film_study(tmp_path: Path, invented: Any) -> Callable[..., Path]:
    """Films a study: each person smiles the more, the later the image."""

    def film(people: tuple[str, ...] = ("anna", "ben"), images: int = 3, frames: int = 10) -> Path:
        for person in people:
            folder = tmp_path / "study" / person / "session_1"
            for image in range(1, images + 1):
                rest = [invented.grey(80)] * frames
                invented.write_film(folder / f"baseline_clip_{image}.mp4", rest * 2)
                smile = [invented.grey(80 + 20 * image)] * frames
                invented.write_film(folder / f"reaction_clip_{image}.mp4", rest + smile)
                (folder / f"image{image}.png").touch()
            (folder / "data.json").write_text('{"prompt": "a fox"}')
        return tmp_path / "study"

    return film


def _features(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*_features.csv*"))
        if not path.name.startswith(".")
    }


def _is_alive(group: int) -> bool:
    """Tell whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_study_is_extracted_beside_its_videos(fergi: Run, film_study: Any) -> None:
    study = film_study()
    result = fergi("extract", study, "--workers", "1")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    assert "clips extracted" in result.stdout
    assert "1.000 anna, 1.000 ben" in result.stdout
    assert len(_features(study)) == 24
    again = fergi("extract", study, "--workers", "1", "--json")
    facts = json.loads(again.stdout)
    assert again.exit_code == 0
    assert (facts["clips_extracted"], facts["clips_already_there"], facts["clips_failed"]) == (
        0,
        12,
        0,
    )
    assert facts["scale"] == "proxy"
    assert facts["valid_frames_by_participant"] == {"anna": 1.0, "ben": 1.0}


def test_a_video_and_a_folder_are_extracted_elsewhere(
    fergi: Run, film_study: Any, tmp_path: Path
) -> None:
    study = film_study()
    one = fergi("extract", study / f"{REACTION}.mp4", "--out", tmp_path / "one", "-q")
    assert (one.exit_code, one.stdout, one.stderr) == (0, "", "")
    assert list(_features(tmp_path / "one")) == [
        "reaction_clip_1_features.csv",
        "reaction_clip_1_features.csv.json",
    ]
    again = fergi("extract", study / f"{REACTION}.mp4", "--workers", "1", "--json")
    written = study / f"{REACTION}_features.csv"
    assert json.loads(again.stdout)["written"] == str(written)
    for file in (written, written.with_name(f"{written.name}.json")):
        file.unlink()
    some = fergi("extract", study / "anna", "--out", tmp_path / "some", "--workers", "1")
    assert some.exit_code == 0
    assert len(_features(tmp_path / "some")) == 12
    assert _features(study) == {}


def test_clips_that_show_nobody_are_named(
    fergi: Run, film_study: Any, invented: Any, tmp_path: Path
) -> None:
    study = film_study(("anna",), images=1)
    for name in ("a", "b", "c", "d"):
        invented.write_film(tmp_path / "dark" / f"{name}.mp4", [invented.BLACK] * 20)
    assert "without any face" not in fergi("extract", study, "--workers", "1").stdout
    for _ in ("extracted", "already there"):
        result = fergi("extract", tmp_path / "dark", "--workers", "1")
        assert result.exit_code == 0, result.stderr
        line = next(line for line in result.stdout.splitlines() if "without any face" in line)
        assert line.endswith("a.mp4, b.mp4, c.mp4 and 1 more")
    as_json = json.loads(fergi("extract", tmp_path / "dark", "--json").stdout)
    assert as_json["clips_without_any_face"] == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]


def test_other_videos_of_a_study_are_left_out_and_the_summary_says_so(
    fergi: Run, film_study: Any, invented: Any, tmp_path: Path
) -> None:
    study = film_study(("anna",), images=1)
    invented.write_film(study / "stimuli/waves.mp4", [invented.grey(80)] * 20)
    result = fergi("extract", study, "--workers", "1")
    assert result.exit_code == 0, result.stderr
    assert "videos left out" in result.stdout
    assert "stimuli/waves.mp4: in no session_<k>; give the path itself" in result.stdout
    assert len(_features(study)) == 4
    as_json = json.loads(fergi("extract", study, "--workers", "1", "--json").stdout)
    assert as_json["videos_left_out"] == ["stimuli/waves.mp4"]
    assert package.extract(study).left_out == ["stimuli/waves.mp4"]
    assert fergi("extract", study / "stimuli/waves.mp4", "--workers", "1").exit_code == 0


def test_what_fails_is_named_and_the_rest_is_done(fergi: Run, film_study: Any) -> None:
    study = film_study()
    (study / f"{REACTION}.mp4").write_bytes(b"no film")
    result = fergi("extract", study, "--workers", "1")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"fergi: {REACTION}.mp4: ")
    assert result.stderr.count("\n") == 1
    assert len(_features(study)) == 22


def test_where_nothing_is_extracted_nothing_is_said_to_be_written(
    fergi: Run, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no film")
    result = fergi("extract", tmp_path / "a.mp4", "--workers", "1")
    assert result.exit_code == 1
    assert "clips failed         1" in result.stdout
    assert "written" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nowhere"], 1, "nowhere: does not exist; give a video"),
        (["."], 1, "holds no video"),
        ([".", "--neutral", "smile"], 2, "neutral: 'smile' should be auto, baseline"),
        ([".", "--neutral", "clip:"], 2, "neutral: 'clip:' should be auto"),
        ([".", "--estimator", "fergi-ir50"], 2, "name the file with --weights"),
        ([".", "--landmark-weights", "x.pth"], 2, "--landmark-weights are for fergi-ir50"),
        ([".", "--workers", "0"], 2, "workers"),
    ],
)
def test_wrong_usage_is_one_clear_line(
    fergi: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = fergi("extract", *arguments)
    assert result.exit_code == status
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_run_that_is_killed_is_finished_by_the_next(
    fergi: Run, film_study: Any, tmp_path: Path
) -> None:
    study = film_study(frames=15)
    (tmp_path / "slow.py").write_text(SLOW_COMMAND)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "slow.py", "extract", study, "--workers", "2", "-q"]
    )
    end = time.monotonic() + 60
    while len(_features(study)) < 6 and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 6 <= len(_features(study)) < 24, "the run was not killed in the middle"
    time.sleep(0.5)  # for the workers to notice; until then they may finish the clip in hand
    done = {name: (study / name).stat().st_mtime_ns for name in _features(study)}
    result = fergi("extract", study, "--workers", "1", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["clips_already_there"] >= 2
    whole = [name for name in done if name.endswith(".csv") and f"{name}.json" in done]
    assert all((study / name).stat().st_mtime_ns == done[name] for name in whole)
    assert not list(study.rglob(".*"))
    fergi("extract", study, "--out", tmp_path / "anew", "--workers", "1", "-q")
    assert _features(tmp_path / "anew") == _features(study)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_workers_and_leaves_nothing_half_done(
    film_study: Any, tmp_path: Path, ending: signal.Signals
) -> None:
    study = film_study(frames=40)
    (tmp_path / "slow.py").write_text(SLOW_COMMAND)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "slow.py", "extract", study, "--workers", "2", "-q"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + 60
    while not list(study.rglob(".*.faces*")) and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(process.pid, ending)  # as a terminal does: to the workers as well
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "fergi: interrupted; nothing half-done was left behind\n"
    assert not list(study.rglob(".*"))
    end = time.monotonic() + 20  # a tracker of Python's own ends a moment after its parent
    while _is_alive(process.pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not _is_alive(process.pid)


def test_annotating_extracts_first_what_has_only_a_video(
    fergi: Run, film_study: Any, tmp_path: Path
) -> None:
    study = film_study()
    result = fergi("annotate", study, "-o", tmp_path / "a.csv", "--workers", "1")
    assert result.exit_code == 0, result.stderr
    assert "clips extracted" in result.stdout
    table = package.read_table(tmp_path / "a.csv", text_columns=["participant"])
    assert len(table) == 6
    assert set(table["source"]) == {"face"}
    # The later image made everyone smile more, so it is preferred.
    assert table["preferred"].to_list() == [1] * 6
    again = fergi("annotate", study, "-o", tmp_path / "b.csv")
    assert "clips extracted" not in again.stdout
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_annotating_without_extraction_refuses_and_names_the_command(
    fergi: Run, film_study: Any, tmp_path: Path
) -> None:
    study = film_study()
    result = fergi("annotate", study, "-o", tmp_path / "a.csv", "--no-extract")
    assert result.exit_code == 1
    assert result.stderr == (
        f"fergi: 12 clips have a video and no action units; run: fergi extract {study}\n"
    )
    assert not (tmp_path / "a.csv").exists()


def test_annotating_names_a_broken_video_once_and_does_the_rest(
    fergi: Run, film_study: Any, tmp_path: Path
) -> None:
    study = film_study()
    (study / f"{REACTION}.mp4").write_bytes(b"no film")
    result = fergi("annotate", study, "-o", tmp_path / "a.csv", "--workers", "1")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"fergi: {REACTION}.mp4: ")
    assert result.stderr.count("\n") == 1
    table = package.read_table(tmp_path / "a.csv", text_columns=["participant"])
    assert sorted(table["source"]) == ["face"] * 4 + ["none"] * 2


def test_annotating_says_when_features_of_two_origins_are_mixed(
    fergi: Run, film_study: Any, tmp_path: Path
) -> None:
    study = film_study()
    fergi("extract", study, "--workers", "1", "-q")
    features = study / f"{REACTION}_features.csv"
    features.with_name(features.name + ".json").unlink()
    (study / "anna/session_1/reaction_clip_2_features.csv").unlink()
    result = fergi("annotate", study, "-o", tmp_path / "a.csv", "--workers", "1")
    assert result.exit_code == 1
    assert "anna: has clips measured in several ways (" in result.stderr
    assert "2 mesh (proxy)" in result.stderr
    assert "1 of unknown origin" in result.stderr


def test_annotating_tells_the_scale_of_what_it_believes(
    fergi: Run, film_study: Any, tmp_path: Path
) -> None:
    study = film_study()
    result = fergi("annotate", study, "-o", tmp_path / "a.csv", "--workers", "1")
    assert "6 mesh (proxy)" in result.stdout
    assert "no more than a guess" in result.stdout
    record = json.loads((tmp_path / "a.csv.json").read_text())
    assert record["summary"]["reactions_measured"] == {"mesh (proxy)": 6}


def test_a_fusion_learned_on_a_scale_is_believed_there(
    fergi: Run, film_study: Any, tmp_path: Path
) -> None:
    from fergi.weights.store import shipped_model, write_model

    own = tmp_path / "own.safetensors"
    shipped = shipped_model("fusion")
    write_model(own, shipped.tensors, shipped.metadata)
    study = film_study()
    result = fergi("annotate", study, "-o", tmp_path / "a.csv", "--fusion", own, "--workers", "1")
    assert "6 mesh (proxy)" in result.stdout
    assert "no more than a guess" not in result.stdout


def test_the_simple_form_extracts_too(film_study: Any) -> None:
    study = film_study()
    table = package.annotate(study)
    assert set(table["source"]) == {"face"}
    assert len(_features(study)) == 24


def test_videos_are_extracted_from_python(film_study: Any, tmp_path: Path) -> None:
    study = film_study(("anna",))
    run = package.extract(study)
    assert (run.done, run.people["anna"].valid_share) == (6, 1.0)
    assert package.extract(study).skipped == 6
    (study / f"{REACTION}.mp4").write_bytes(b"no film")
    with pytest.warns(UserWarning, match=f"^{REACTION}.mp4: "):
        package.extract(study, tmp_path / "out", neutral="first-valid")


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_a_clip_is_plotted(fergi: Run, film_study: Any, tmp_path: Path, ending: str) -> None:
    study = film_study(("anna",))
    fergi("extract", study, "--workers", "1", "-q")
    features = study / f"{REACTION}_features.csv"
    result = fergi("plot", features, "--out", tmp_path / f"clip.{ending}", "--json")
    assert result.exit_code == 0, result.stderr
    facts = json.loads(result.stdout)
    (series,) = read_feature_files([features])
    expected = package.activation_values(
        series.intensities, series.times >= 0, frame_rate=series.frame_rate
    )
    assert list(facts["activation"].values()) == pytest.approx(expected, abs=5e-4)  # 3 decimals
    start = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending]
    assert (tmp_path / f"clip.{ending}").read_bytes().startswith(start)
    if ending == "svg":
        assert "proxy of FACS intensity" in (tmp_path / "clip.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["none.csv"], 1, "none.csv: is missing; run fergi extract"),
        (["none.csv", "--out", "x.gif"], 2, "'.gif' is none of .png, .pdf, .svg"),
    ],
)
def test_what_cannot_be_plotted_is_said_in_one_line(
    fergi: Run, arguments: list[str], status: int, message: str
) -> None:
    result = fergi("plot", *arguments)
    assert result.exit_code == status
    assert message in result.stderr
