import errno
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from typer.testing import Result

from fergi.datasets.face_shards import Shard, write_shard
from fergi.datasets.prepared_faces import FaceStore, PreparedFaces, prepared_faces
from fergi.evaluation.action_units import agreement_of_heads
from fergi.evaluation.folds import person_folds
from fergi.evaluation.network_folds import FoldTraining
from fergi.records.action_units import ACTION_UNITS, UNIT_NAMES
from fergi.records.labelled_faces import FaceSequence
from fergi.training.action_units import sequence_preparation
from fergi.training.action_units.predictions import estimates
from fergi.training.action_units.processes import Team
from fergi.training.action_units.recipe import Recipe
from fergi.training.action_units.trained import read_trained

Run = Callable[..., Result]

DATA = Path(__file__).parents[1] / "data"
PLANTED = ("AU1", "AU2", "AU12", "AU25", "AU26")
NARROW = Recipe(depth=18, width=4, epochs=6, batch=8, body_rate=1e-3, last_rate=1e-3)
FOLDS = 4
ALONE = Team(0, 1, torch.device("cpu"))
CPU = ("--device", "cpu")
A_TRAINING = pytest.mark.timeout(1200)
"""Some 20 seconds of one processor, of which other work may take most."""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniature of both data sets, prepared."""
    table = pl.read_parquet(DATA / "disfa_miniature_faces.parquet")
    return _written(table, tmp_path_factory.mktemp("prepared") / "store")


def _written(table: pl.DataFrame, root: Path) -> Path:
    store = FaceStore(root)
    store.begin({"miniature": True})
    shards = []
    for key, rows in table.group_by("dataset", "person", "sequence", maintain_order=True):
        labels = rows.select(UNIT_NAMES).to_numpy().astype(float)
        frames = rows["frame"].to_numpy()
        sequence = FaceSequence(str(key[0]), str(key[1]), str(key[2]), root, (), frames, labels)
        shard = Shard(
            pictures=np.stack([_opened(content) for content in rows["picture"]]),
            frames=frames,
            labels=labels,
            measures=rows.select("face_confidence", "pitch_ratio", "yaw_ratio").to_numpy(),
        )
        path = store.shard_path(sequence, 0)
        write_shard(path, shard, {})
        shards.append((sequence, path))
    store.finish(shards, [])
    return root


def _opened(content: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(picture[..., ::-1])


@pytest.fixture(scope="module")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people of the miniature, for what need not learn much."""
    table = pl.read_parquet(DATA / "disfa_miniature_faces.parquet")
    chosen = table.filter(pl.col("person").is_in([f"SN{number}" for number in range(901, 907)]))
    return _written(chosen, tmp_path_factory.mktemp("prepared") / "small")


def _options(recipe: Recipe) -> list[str]:
    options = {
        "--depth": recipe.depth,
        "--width": recipe.width,
        "--epochs": recipe.epochs,
        "--batch": recipe.batch,
        "--body-rate": recipe.body_rate,
        "--last-rate": recipe.last_rate,
    }
    flags = ["--calibrated"] if recipe.is_calibrated else []
    return [str(word) for pair in options.items() for word in pair] + [*flags, *CPU]


def _planted_icc(agreement: pl.DataFrame) -> float:
    rows = agreement.filter(pl.col("unit").is_in(PLANTED), head="mean", dataset="disfa")
    return float(rows["icc"].mean())


@A_TRAINING
def test_a_narrow_network_learns_what_was_planted_in_people_it_has_not_seen(
    fergi: Run, store: Path, tmp_path: Path
) -> None:
    folds = ["--folds", str(FOLDS), "--fold", "1"]
    result = fergi("au", "train", store, "--out", tmp_path / "n", *folds, *_options(NARROW))
    assert result.exit_code == 0, result.output
    agreement = pl.read_csv(tmp_path / "n" / "fold-1" / "agreement.csv")
    assert _planted_icc(agreement) >= 0.8


@A_TRAINING
def test_from_shuffled_labels_nothing_is_learned(store: Path, tmp_path: Path) -> None:
    faces = prepared_faces(store)
    held_out = person_folds(faces.people, FOLDS)[0]
    order = np.random.default_rng(0).permutation(len(faces))
    shuffled = replace(faces, labels=faces.labels[order])
    FoldTraining(shuffled, held_out, NARROW, None, tmp_path).run(ALONE)
    unseen = faces.where(pl.col("person").is_in(held_out))
    assert _planted_icc(_agreement(tmp_path / "network.safetensors", unseen)) < 0.1


def _agreement(network: Path, faces: PreparedFaces) -> pl.DataFrame:
    heads = estimates(read_trained(network).network, faces, None, ALONE.device).heads()
    return agreement_of_heads(heads, faces.labels.astype(float), faces.table)


QUICK = replace(NARROW, width=2, epochs=1, batch=16)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "calibrated"])
def quick_folds(
    request: pytest.FixtureRequest, small_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Three folds, barely trained."""
    from typer.testing import CliRunner

    from fergi.cli import app

    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("folds") / "networks"
    recipe = replace(QUICK, is_calibrated=request.param)
    words = ["au", "train", str(small_store), "--out", str(out), "--folds", "3", *_options(recipe)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return out


def test_folds_hold_everyone_out_once_and_are_judged_by_them(
    fergi: Run, small_store: Path, quick_folds: Path, tmp_path: Path
) -> None:
    result = fergi("au", "evaluate", small_store, "-n", quick_folds, "-o", tmp_path, *CPU)
    assert result.exit_code == 0, result.output
    faces = prepared_faces(small_store)
    table = pl.read_parquet(tmp_path / "estimates.parquet")
    assert len(table) == len(faces)
    assert sorted(table["person"].unique()) == list(faces.people)
    agreement = pl.read_csv(tmp_path / "agreement.csv")
    assert set(agreement["head"]) == {"regression", "ordinal", "mean"}
    assert set(agreement["dataset"]) == {"disfa", "disfa+"}
    assert set(agreement["unit"]) == {*UNIT_NAMES, "mean"}
    compared = pl.read_csv(tmp_path / "beside_published.csv")
    is_calibrated = "calibrated" in quick_folds.parent.name or _is_calibrated(quick_folds)
    mean = compared.filter(unit="mean", dataset="disfa", head="mean")
    assert mean["icc_published"].item() == (0.67 if is_calibrated else 0.59)
    together = (table["AU12_regression"] + table["AU12_ordinal"]) / 2
    np.testing.assert_allclose(table["AU12_mean"], together)


def _is_calibrated(folder: Path) -> bool:
    return read_trained(folder / "fold-1" / "network.safetensors").is_calibrated


def test_a_network_that_saw_everyone_is_not_judged(
    fergi: Run, small_store: Path, quick_folds: Path, tmp_path: Path
) -> None:
    first = quick_folds / "fold-1" / "network.safetensors"
    result = fergi("au", "evaluate", small_store, "-n", first, "-o", tmp_path, *CPU)
    assert result.exit_code == 1
    assert result.stderr.count("was seen in training by every network") == 4
    assert pl.read_parquet(tmp_path / "estimates.parquet")["person"].n_unique() == 2


def test_networks_of_both_kinds_are_not_mixed(
    fergi: Run, small_store: Path, tmp_path: Path
) -> None:
    for name, recipe in (("a", QUICK), ("b", replace(QUICK, is_calibrated=True))):
        fergi("au", "train", small_store, "--out", tmp_path / name, *_options(recipe))
    result = fergi("au", "evaluate", small_store, "-n", tmp_path, "-o", tmp_path / "e", *CPU)
    assert result.exit_code == 2
    assert "evaluate them apart" in result.stderr


def test_every_network_has_a_card_a_log_and_its_origin(quick_folds: Path) -> None:
    faces = person_folds([f"SN{number}" for number in range(901, 907)], 3)
    for number, held_out in enumerate(faces, start=1):
        folder = quick_folds / f"fold-{number}"
        card = (folder / "network.md").read_text(encoding="utf-8")
        assert f"Held out: 2 people: {', '.join(held_out)}." in card
        assert "DISFA's agreement (research only)" in card
        assert "**Not for.** Telling anyone's emotion" in card
        assert "| disfa | AU12 |" in card
        record = json.loads((folder / "network.safetensors.json").read_text(encoding="utf-8"))
        assert record["settings"]["width"] == 2
        assert record["summary"]["held_out"] == list(held_out)
        names = {path.name for path in folder.iterdir()}
        assert {"log.csv", "events.out.tfevents.0.fergi", "network.onnx"} <= names
        assert "checkpoint.safetensors" not in names


def test_a_network_that_is_there_is_not_trained_again(
    fergi: Run, small_store: Path, tmp_path: Path
) -> None:
    command = ["au", "train", small_store, "--out", tmp_path, *_options(QUICK)]
    fergi(*command)
    before = (tmp_path / "network.safetensors").stat().st_mtime_ns
    result = fergi(*command)
    assert "already there" in result.stdout
    assert (tmp_path / "network.safetensors").stat().st_mtime_ns == before


def test_a_network_that_is_there_is_not_taken_for_one_of_other_settings(
    fergi: Run, small_store: Path, quick_folds: Path
) -> None:
    is_calibrated = _is_calibrated(quick_folds)
    other = replace(QUICK, epochs=2, is_calibrated=is_calibrated)
    folds = ["--folds", "3", "--fold", "1"]
    result = fergi("au", "train", small_store, "-o", quick_folds, *folds, *_options(other))
    assert result.exit_code == 1
    assert "is of another training (other pictures or settings)" in result.stderr


def test_both_formats_give_equal_outputs(small_store: Path, quick_folds: Path) -> None:
    import onnxruntime

    faces = prepared_faces(small_store)
    shown = faces.pictures(np.arange(12)).transpose(0, 3, 1, 2).astype(np.float32) / 255
    trained = read_trained(quick_folds / "fold-2" / "network.safetensors")
    neutrals = shown[:1] if trained.is_calibrated else None
    with torch.inference_mode():
        given = torch.from_numpy(shown)
        resting = None if neutrals is None else torch.from_numpy(neutrals).expand(12, -1, -1, -1)
        expected = trained.network(given, resting).numpy()
    onnxruntime.disable_telemetry_events()
    model = (quick_folds / "fold-2" / "network.onnx").read_bytes()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    inputs = {"pictures": shown} | ({} if neutrals is None else {"neutrals": neutrals})
    (found,) = session.run(None, inputs)
    # The promise; single precision with folded normalisations does better.
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert session.get_modelmeta().custom_metadata_map["licence"] == trained.licence


def test_invented_faces_alone_give_a_network_that_may_be_shared(fergi: Run, tmp_path: Path) -> None:
    table = pl.read_parquet(DATA / "disfa_miniature_faces.parquet").head(32)
    store = _written(table.with_columns(dataset=pl.lit("invented")), tmp_path / "store")
    assert fergi("au", "train", store, "-o", tmp_path / "n", *_options(QUICK)).exit_code == 0
    assert read_trained(tmp_path / "n" / "network.safetensors").licence == "MIT"
    card = (tmp_path / "n" / "network.md").read_text(encoding="utf-8")
    assert "It has seen no real face" in card
    assert "do not pass the network on" not in card


def test_invented_and_licensed_faces_can_be_learned_together(
    fergi: Run, small_store: Path, tmp_path: Path
) -> None:
    table = pl.read_parquet(DATA / "disfa_miniature_faces.parquet").tail(32)
    invented = table.with_columns(dataset=pl.lit("invented"), person="invented-" + pl.col("person"))
    stores = [small_store, _written(invented, tmp_path / "store")]
    result = fergi("au", "train", *stores, "-o", tmp_path / "n", *_options(QUICK))
    assert result.exit_code == 0, result.output
    network = read_trained(tmp_path / "n" / "network.safetensors")
    assert "DISFA" in network.licence
    card = (tmp_path / "n" / "network.md").read_text(encoding="utf-8")
    assert "32 pictures of invented" in card


def test_initial_weights_bring_their_licence_and_fit_or_are_refused(
    fergi: Run, small_store: Path, tmp_path: Path
) -> None:
    fergi("au", "train", small_store, "-o", tmp_path / "first", *_options(QUICK))
    first = tmp_path / "first" / "network.safetensors"
    options = ["--start", first, "--start-licence", "CC-BY-NC-4.0"]
    still = _options(replace(QUICK, body_rate=1e-12))
    result = fergi("au", "train", small_store, "-o", tmp_path / "second", *options, *still)
    assert result.exit_code == 0, result.output
    other = [*options[:-1], "CC0"]
    result = fergi("au", "train", small_store, "-o", tmp_path / "second", *other, *still)
    assert result.exit_code == 1
    assert "now it would be" in result.stderr
    networks = [
        read_trained(tmp_path / name / "network.safetensors") for name in ("first", "second")
    ]
    assert "initial weights: CC-BY-NC-4.0" in networks[1].licence
    assert "DISFA's agreement" in networks[1].licence
    weights = [one.network.layer4[0].conv1.weight for one in networks]
    torch.testing.assert_close(weights[0], weights[1])
    wide = _options(replace(QUICK, width=4))
    result = fergi("au", "train", small_store, "-o", tmp_path / "third", *options, *wide)
    assert result.exit_code == 1
    assert "give weights of the same depth" in result.stderr


def test_whom_the_initial_weights_have_seen_cannot_be_held_out(
    fergi: Run, small_store: Path, tmp_path: Path
) -> None:
    start = tmp_path / "first" / "network.safetensors"
    fergi("au", "train", small_store, "-o", tmp_path / "first", *_options(QUICK))
    options = ["--start", start, "--folds", "3", "--fold", "1", *_options(QUICK)]
    result = fergi("au", "train", small_store, "-o", tmp_path / "leak", *options)
    assert result.exit_code == 2
    assert "network.safetensors: has seen SN" in result.stderr
    assert not (tmp_path / "leak").exists()


@pytest.fixture
def restless_store(tmp_path: Path) -> Path:
    """Six people, of whom the first never rests."""
    table = pl.read_parquet(DATA / "disfa_miniature_faces.parquet")
    names = [f"SN{number}" for number in range(901, 907)]
    is_first = pl.col("person") == names[0]
    chosen = table.filter(pl.col("person").is_in(names))
    raised = pl.when(is_first).then(3).otherwise(pl.col("AU1")).alias("AU1")
    return _written(chosen.with_columns(raised), tmp_path / "restless")


def test_people_who_are_left_out_are_named_and_end_in_status_1(
    fergi: Run, restless_store: Path, tmp_path: Path
) -> None:
    calibrated = _options(replace(QUICK, is_calibrated=True))
    options = ["--folds", "6", "--fold", "1", *calibrated]
    result = fergi("au", "train", restless_store, "-o", tmp_path / "held-out", *options)
    assert result.exit_code == 1, result.output
    assert "SN901: has no picture in which every unit rests; left out" in result.stderr
    card = (tmp_path / "held-out" / "fold-1" / "network.md").read_text(encoding="utf-8")
    assert "Nothing: of none of the people held out" in card
    result = fergi("au", "train", restless_store, "-o", tmp_path / "all", *calibrated)
    assert result.exit_code == 1
    assert "SN901: has no picture in which every unit rests; left out" in result.stderr


def test_a_training_that_could_not_be_judged_goes_on_with_the_judgement(
    fergi: Run, small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--folds", "3", "--fold", "1", *_options(QUICK)]
    folder = tmp_path / "n" / "fold-1"
    with monkeypatch.context() as patch:
        patch.setattr("fergi.training.action_units.trained.write_model", _killed)
        fergi("au", "train", small_store, "-o", tmp_path / "n", *words)
    assert not (folder / "network.safetensors").exists()
    assert (folder / "network.safetensors.json").exists()
    log = (folder / "log.csv").read_bytes()
    result = fergi("au", "train", small_store, "-o", tmp_path / "n", *words)
    assert result.exit_code == 0, result.output
    assert (folder / "log.csv").read_bytes() == log
    (folder / "checkpoint.safetensors").touch()  # as a kill right after the network leaves it
    fergi("au", "train", small_store, "-o", tmp_path / "n", *words)
    assert not (folder / "checkpoint.safetensors").exists()


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--body-rate", "-1"], "body_rate is -1.0; it must be 0 or more"),
        (["--start-licence", "MIT"], "--start-licence is that of the weights of --start"),
        (["--precision", "fp8"], "there is no precision 'fp8'"),
        (["--fold", "1"], "--fold chooses one of the folds"),
        (["--folds", "3", "--fold", "4"], "there is no fold 4 of 3"),
        (["--folds", "7"], "6 people cannot be split into 7 folds"),
        (["--device", "tpu"], "there is no device 'tpu'"),
    ],
)
def test_wrong_usage_ends_with_one_line(
    fergi: Run, small_store: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    result = fergi("au", "train", small_store, "-o", tmp_path / "n", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_folder_without_prepared_faces_is_refused(fergi: Run, tmp_path: Path) -> None:
    result = fergi("au", "train", tmp_path, "-o", tmp_path / "n")
    assert result.exit_code == 1
    assert "make it with: fergi au prepare" in result.stderr


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people of the miniature, as the data sets are distributed."""
    root = tmp_path_factory.mktemp("trees")
    table = pl.read_parquet(DATA / "disfa_miniature.parquet")
    for name, content in table.filter(pl.col("path").str.contains("SN90[123]")).rows():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_as_png(content) if path.suffix == ".png" else content)
    return root


def _as_png(content: bytes) -> bytes:
    _, encoded = cv2.imencode(".png", _opened(content)[..., ::-1])
    return encoded.tobytes()


@pytest.fixture
def own_trees(trees: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trees, tmp_path / "trees")


def _prepare(fergi: Run, trees: Path, out: Path, workers: int = 1) -> Result:
    sources = ["--disfa", trees / "DISFA", "--disfa-plus", trees / "DISFAPlus"]
    return fergi("au", "prepare", *sources, "--out", out, "--workers", str(workers), "--json")


def test_both_trees_become_a_store(
    fergi: Run, face_task: bytes, trees: Path, tmp_path: Path
) -> None:
    result = _prepare(fergi, trees, tmp_path / "store")
    assert result.exit_code == 0, result.output
    # Three people: 6 frames by 2 cameras, and 3 trials of 6 frames.
    assert json.loads(result.stdout)["pictures"] == 3 * (6 * 2 + 3 * 6)
    faces = prepared_faces(tmp_path / "store")
    known = pl.read_parquet(DATA / "disfa_miniature_faces.parquet")
    known = known.filter(pl.col("person").is_in(["SN901", "SN902", "SN903"]))
    key = ["dataset", "person", "sequence", "frame"]
    joined = faces.table.with_row_index("row").join(known, on=key, suffix="_known")
    assert len(joined) == 90
    for unit in UNIT_NAMES:
        assert (joined[unit] == joined[f"{unit}_known"]).all()
    pictures = faces.pictures(joined["row"].to_numpy().astype(np.int64))
    expected = np.stack([_opened(content) for content in joined["picture"]])
    differences = np.abs(pictures.astype(int) - expected).mean(axis=(1, 2, 3))
    # Both went through JPEG compression, at different stages; another crop would differ by 30.
    assert np.median(differences) < 8


def test_a_second_run_prepares_only_what_is_missing(
    fergi: Run, face_task: bytes, trees: Path, tmp_path: Path
) -> None:
    out = tmp_path / "store"
    _prepare(fergi, trees, out)
    before = {path.name: path.read_bytes() for path in (out / "shards").iterdir()}
    (out / "shards" / "disfa-SN902-left-000.safetensors").unlink()
    cut = out / "shards" / "disfa-SN903-right-000.safetensors"
    cut.write_bytes(cut.read_bytes()[:-5])
    result = json.loads(_prepare(fergi, trees, out).stdout)
    assert (result["new"], result["pictures"]) == (12, 90)
    assert {path.name: path.read_bytes() for path in (out / "shards").iterdir()} == before


def test_a_preparation_that_was_killed_is_completed_by_a_second(
    fergi: Run, face_task: bytes, trees: Path, tmp_path: Path
) -> None:
    sources = ["--disfa", trees / "DISFA", "--disfa-plus", trees / "DISFAPlus"]
    command = ["au", "prepare", *sources, "--out", tmp_path / "killed", "--workers", "1"]
    process = subprocess.Popen([sys.executable, "-m", "fergi", *map(str, command)])
    while process.poll() is None and len(_shards(tmp_path / "killed")) < 3:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "faces.parquet").exists()
    done = len(_shards(tmp_path / "killed"))
    summary = json.loads(_prepare(fergi, trees, tmp_path / "killed").stdout)
    assert summary["pictures"] == 90
    assert summary["new"] == 90 - 6 * done
    _prepare(fergi, trees, tmp_path / "whole")
    assert _shards(tmp_path / "killed") == _shards(tmp_path / "whole")


def _shards(store: Path) -> dict[str, bytes]:
    """Read the whole shards of a store; what was being written has a hidden name."""
    files = (store / "shards").glob("[!.]*.safetensors")
    return {path.name: path.read_bytes() for path in files}


def test_a_changed_preparation_that_is_stopped_leaves_no_store_to_train_from(
    fergi: Run,
    face_task: bytes,
    own_trees: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = tmp_path / "store"
    _prepare(fergi, own_trees, store)
    first = own_trees / "DISFA" / "Images_LeftCamera" / "SN901" / "1.png"
    first.rename(first.with_name("7.png"))
    with monkeypatch.context() as patch:
        patch.setattr(sequence_preparation, "write_shard", _stop)
        assert _prepare(fergi, own_trees, store).exit_code != 0
    result = fergi("au", "train", store, "-o", tmp_path / "n", *_options(QUICK))
    assert result.exit_code == 1
    assert "is not complete" in result.stderr
    assert json.loads(_prepare(fergi, own_trees, store).stdout)["new"] == 5
    assert len(prepared_faces(store)) == 89


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_preparation_of_the_same_never_makes_the_store_unusable(
    fergi: Run,
    face_task: bytes,
    trees: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _prepare(fergi, trees, tmp_path / "store")
    before = prepared_faces(tmp_path / "store").fingerprint
    monkeypatch.setattr(FaceStore, "finish", _stop)
    assert _prepare(fergi, trees, tmp_path / "store").exit_code != 0
    assert prepared_faces(tmp_path / "store").fingerprint == before


def test_two_workers_prepare_what_one_does(
    fergi: Run, face_task: bytes, trees: Path, tmp_path: Path
) -> None:
    for workers in (1, 2):
        assert _prepare(fergi, trees, tmp_path / str(workers), workers).exit_code == 0
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n / "shards").iterdir()} for n in "12")
    assert one == two
    assert prepared_faces(tmp_path / "1").fingerprint == prepared_faces(tmp_path / "2").fingerprint


def test_pictures_that_are_broken_or_show_nobody_are_counted_and_named(
    fergi: Run, face_task: bytes, own_trees: Path, tmp_path: Path
) -> None:
    left = own_trees / "DISFA" / "Images_LeftCamera" / "SN901"
    (left / "2.png").write_bytes(b"")
    (left / "3.png").write_bytes(_as_png_of(np.full((144, 144, 3), 128, dtype=np.uint8)))
    (left / "notes.txt").touch()
    result = _prepare(fergi, own_trees, tmp_path / "store")
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert summary["pictures"] == 88
    assert summary["odd"] == {
        "files that do not belong there": 1,
        "pictures that cannot be read": 1,
        "pictures without a face": 1,
    }
    assert {problem["place"] for problem in summary["problems"]} == {"disfa/SN901/left"}
    again = json.loads(_prepare(fergi, own_trees, tmp_path / "store").stdout)
    assert again["odd"] == summary["odd"]  # also what was found by the first run
    assert again["new"] == 0


def test_an_entry_that_is_no_file_costs_only_itself(
    fergi: Run, face_task: bytes, own_trees: Path, tmp_path: Path
) -> None:
    left = own_trees / "DISFA" / "Images_LeftCamera" / "SN901"
    (left / "77.png").symlink_to(left / "nowhere.png")
    (left / "78.png").mkdir()
    (left / "3.png").unlink()
    (left / "3.png").symlink_to(left / "nowhere.png")
    summary = json.loads(_prepare(fergi, own_trees, tmp_path / "store").stdout)
    assert summary["pictures"] == 89
    assert summary["odd"] == {"files that do not belong there": 3, "labels without pictures": 1}


def test_a_picture_that_the_disk_refuses_costs_only_itself_and_is_tried_again(
    fergi: Run, face_task: bytes, trees: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = trees / "DISFA" / "Images_LeftCamera" / "SN901" / "3.png"
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == refused:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        summary = json.loads(_prepare(fergi, trees, tmp_path / "store").stdout)
    assert summary["odd"] == {"pictures that cannot be read": 1}
    assert "frames 3; left out: Input/output error" in summary["problems"][0]["reason"]
    again = json.loads(_prepare(fergi, trees, tmp_path / "store").stdout)
    assert (again["pictures"], again["new"], again["problems"]) == (90, 6, [])


def test_a_sequence_that_cannot_be_prepared_is_named_like_any_oddity(
    fergi: Run, face_task: bytes, trees: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = sequence_preparation.sequence_pictures

    def broken(sequence: FaceSequence, *rest: object) -> object:
        if sequence.place == "disfa/SN901/left":
            raise RuntimeError("a broken codec")
        return pictures(sequence, *rest)

    monkeypatch.setattr(sequence_preparation, "sequence_pictures", broken)
    summary = json.loads(_prepare(fergi, trees, tmp_path / "store").stdout)
    assert summary["pictures"] == 84
    assert summary["odd"] == {"sequences that could not be prepared": 1}
    (row,) = pl.read_csv(tmp_path / "store" / "oddities.csv").to_dicts()
    assert (row["place"], row["detail"]) == ("disfa/SN901/left", "RuntimeError: a broken codec")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_refuses_ends_the_preparation(
    fergi_process: Callable[..., subprocess.CompletedProcess[str]],
    face_task: bytes,
    trees: Path,
    tmp_path: Path,
    workers: int,
) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (40960, 40960))"
    sources = ["--disfa", trees / "DISFA", "--workers", str(workers)]
    result = fergi_process("au", "prepare", *sources, "-o", tmp_path / "store", prelude=limit)
    assert result.returncode == 1
    assert "cannot write" in result.stderr
    assert "File too large; choose another place" in result.stderr


def _as_png_of(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


def test_other_labels_are_prepared_anew(
    fergi: Run, face_task: bytes, own_trees: Path, tmp_path: Path
) -> None:
    _prepare(fergi, own_trees, tmp_path / "store")
    path = own_trees / "DISFA" / "ActionUnit_Labels" / "SN901" / "SN901_au9.txt"
    path.write_text(path.read_text().replace("2,0", "2,4"), encoding="utf-8")
    assert json.loads(_prepare(fergi, own_trees, tmp_path / "store").stdout)["new"] == 12
    faces = prepared_faces(tmp_path / "store").where(
        (pl.col("dataset") == "disfa") & (pl.col("person") == "SN901") & (pl.col("frame") == 2)
    )
    assert set(faces.labels[:, ACTION_UNITS.index(9)]) == {4.0}


def test_a_data_set_that_is_not_named_again_is_not_dropped(
    fergi: Run, face_task: bytes, trees: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    _prepare(fergi, trees, store)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    options = ["--disfa-plus", trees / "DISFAPlus", "--out", store, "--workers", "1"]
    result = fergi("au", "prepare", *options)
    assert result.exit_code == 2
    assert "also holds faces of disfa, which the store would lose" in result.stderr
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


def test_shards_of_people_who_are_gone_are_named(
    fergi: Run, face_task: bytes, own_trees: Path, tmp_path: Path
) -> None:
    _prepare(fergi, own_trees, tmp_path / "store")
    shutil.rmtree(own_trees / "DISFA" / "Images_LeftCamera" / "SN901")
    summary = json.loads(_prepare(fergi, own_trees, tmp_path / "store").stdout)
    assert summary["pictures"] == 84
    assert summary["odd"]["files that do not belong there"] == 1
    assert "disfa-SN901-left-000.safetensors; not used" in summary["problems"][-1]["reason"]
    assert len(prepared_faces(tmp_path / "store")) == 84


def test_the_distributed_videos_give_the_frames_that_are_labelled(
    fergi: Run, face_task: bytes, own_trees: Path, tmp_path: Path
) -> None:
    disfa = own_trees / "DISFA"
    folder = disfa / "Images_LeftCamera" / "SN901"
    pictures = [cv2.imread(str(folder / f"{frame}.png")) for frame in range(1, 7)]
    shutil.rmtree(folder)
    videos = disfa / "Videos_LeftCamera"
    videos.mkdir()
    _write_video(videos / "LeftVideoSN901_comp.avi", pictures[:5])
    result = _prepare(fergi, own_trees, tmp_path / "store")
    summary = json.loads(result.stdout)
    assert summary["odd"] == {"pictures that cannot be read": 1}
    assert "frames 6; left out" in summary["problems"][0]["reason"]
    faces = prepared_faces(tmp_path / "store").where(
        (pl.col("person") == "SN901") & (pl.col("sequence") == "left")
    )
    assert faces.table["frame"].to_list() == [1, 2, 3, 4, 5]


def _write_video(path: Path, pictures: list[np.ndarray]) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=20)
        stream.width, stream.height, stream.pix_fmt = 144, 144, "yuvj420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))


def test_nothing_to_prepare_is_wrong_usage(fergi: Run, face_task: bytes, tmp_path: Path) -> None:
    result = fergi("au", "prepare", "--out", tmp_path / "store")
    assert result.exit_code == 2
    assert "name --disfa, --disfa-plus or --invented" in result.stderr


def test_invented_people_are_prepared_as_well(
    fergi: Run, face_task: bytes, trees: Path, tmp_path: Path
) -> None:
    people = tmp_path / "invented"
    source = trees / "DISFA" / "Images_LeftCamera" / "SN901"
    (people / "person-00000").mkdir(parents=True)
    rows = []
    for frame in range(1, 4):
        shutil.copy(source / f"{frame}.png", people / "person-00000" / f"{frame}.png")
        rows.append({"person": "person-00000", "picture": f"{frame}.png"})
    rows.append({"person": "person-00000", "picture": "gone.png"})
    truth = pl.DataFrame(rows).with_columns(pl.lit(1.25).alias(unit) for unit in UNIT_NAMES)
    truth.write_parquet(people / "truth.parquet")
    result = fergi(
        "au", "prepare", "--invented", people, "-o", tmp_path / "store", "--workers", "1"
    )
    assert result.exit_code == 1
    assert "invented/person-00000: 1 labels without pictures" in result.stderr
    faces = prepared_faces(tmp_path / "store")
    assert len(faces) == 3
    assert (faces.labels == 1.25).all()
