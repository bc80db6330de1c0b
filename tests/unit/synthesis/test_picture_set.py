import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from fergi.datasets.invented_faces import read_invented_faces
from fergi.errors import DatasetError, UsageError, WeightsError
from fergi.files import read_table
from fergi.provenance import provenance_path
from fergi.synthesis.picture_set import TRUTH_FILE, PicturePlan, synthesize

PLAN = PicturePlan(seed=1, neutrals=1, expressions=1)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def two_people(face_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("people") / "set"
    assert synthesize(face_file, out, 2, PLAN) == []
    return out


def test_the_truth_names_every_picture_that_is_there(two_people: Path) -> None:
    truth = read_table(two_people / TRUTH_FILE)
    assert len(truth) == 2 * PLAN.pictures
    assert all(
        (two_people / person / picture).is_file()
        for person, picture in truth.select("person", "picture").iter_rows()
    )


def test_nothing_is_planted_in_a_resting_face(two_people: Path) -> None:
    resting = read_table(two_people / TRUTH_FILE).filter("is_neutral")
    assert len(resting) == 4
    assert resting["AU12"].sum() == 0


def test_a_turn_changes_the_yaw_by_15_degrees_and_no_unit(two_people: Path) -> None:
    truth = read_table(two_people / TRUTH_FILE).filter(~pl.col("is_poor"))
    first, turned = (
        truth.filter(pl.col("shot") == shot).sort("person")
        for shot in ("expression-0", "expression-0-turned")
    )
    assert (turned["yaw"] - first["yaw"]).abs().to_list() == pytest.approx([15, 15])
    assert first["AU12_left"].equals(turned["AU12_left"])


def test_workers_draw_the_same_bytes(two_people: Path, face_file: Path, tmp_path: Path) -> None:
    synthesize(face_file, tmp_path / "set", 2, PLAN, workers=2)
    assert _files(tmp_path / "set") == _files(two_people)


def test_a_rerun_makes_only_what_is_missing(face_file: Path, tmp_path: Path) -> None:
    synthesize(face_file, tmp_path, 1, PLAN)
    kept = tmp_path / "person-00000" / "neutral-0.jpg"
    kept.write_bytes(b"kept as it is")
    seen: list[tuple[int, int]] = []
    synthesize(face_file, tmp_path, 2, PLAN, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2), (2, 2)]
    assert kept.read_bytes() == b"kept as it is"
    assert read_table(tmp_path / TRUTH_FILE)["person"].n_unique() == 2


def test_what_a_killed_run_left_half_drawn_is_removed_by_the_next(
    face_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    options = ["--people", "500", "--face-model", face_file, "--out", out]
    command = [sys.executable, "-m", "fergi", "au", "synthesize", *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(out.glob(".person-*.part/*.jpg")):
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert list(out.glob(".person-*.part"))
    notes = out / ".notes.part"
    notes.touch()
    whole = len(list(out.glob("person-*")))
    assert synthesize(face_file, out, whole + 1, PicturePlan()) == []
    assert not list(out.glob(".person-*"))
    assert read_table(out / TRUTH_FILE)["person"].n_unique() == whole + 1
    assert notes.exists()


def test_another_plan_is_refused_in_the_same_folder(face_file: Path, tmp_path: Path) -> None:
    synthesize(face_file, tmp_path, 1, PLAN)
    with pytest.raises(UsageError, match="another plan"):
        synthesize(face_file, tmp_path, 1, PicturePlan(seed=2))


def test_a_missing_morphable_face_is_named_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="fergi fetch ict-facekit"):
        synthesize(tmp_path / "absent.npz", tmp_path / "out", 1, PLAN)
    assert not (tmp_path / "out").exists()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "face.npz").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="not a packed morphable face"):
        synthesize(tmp_path / "face.npz", tmp_path / "out", 1, PLAN)


def test_the_provenance_tells_the_plan(two_people: Path) -> None:
    record = json.loads(provenance_path(two_people / TRUTH_FILE).read_text())
    assert record["settings"] == {"seed": 1, "neutrals": 1, "expressions": 1}


def test_networks_can_be_trained_on_the_same_pictures(two_people: Path) -> None:
    found = read_invented_faces(two_people)
    assert len(found.sequences) == 2
    assert not found.oddities


def test_people_of_one_seed_are_the_same_and_of_another_others(
    two_people: Path, face_file: Path, tmp_path: Path
) -> None:
    plans = [PicturePlan(seed, neutrals=1, expressions=0) for seed in (0, 1, 2)]
    for plan in plans:
        synthesize(face_file, tmp_path / str(plan.seed), 1, plan)
    people = [
        {sequence.person for sequence in read_invented_faces(folder).sequences}
        for folder in (two_people, *(tmp_path / str(plan.seed) for plan in plans))
    ]
    assert people == [
        {"seed-1-person-00000", "seed-1-person-00001"},
        {"person-00000"},
        {"seed-1-person-00000"},
        {"seed-2-person-00000"},
    ]


def test_a_plan_that_does_not_tell_the_seed_is_refused(two_people: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(two_people, tmp_path / "copy")
    (copy / "plan.csv").write_text("colour\nred\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="does not tell the seed"):
        read_invented_faces(copy)
