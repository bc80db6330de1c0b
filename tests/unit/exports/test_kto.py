import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats
from PIL import Image

from fergi.errors import AnnotationFileError
from fergi.exports import check, export

PROMPT = 'a "red" fox, running\nin Schnee 雪'

VALENCES = {"p 01": (0.9, 0.1, -0.4), "Zoë.参加者": (0.2, 0.0, -0.3)}


@pytest.fixture
def folder(annotations: pl.DataFrame, study: Path, tmp_path: Path) -> Path:
    export(annotations, study, tmp_path / "out", "kto")
    return tmp_path / "out"


def _rows(folder: Path, name: str = "metadata.csv") -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_pick_loader_of_diffusion_kto_reads_the_second_file(folder: Path) -> None:
    # as train_kto_sd_v1.5.py does with --dataloader pick --policy gt_label_w_l
    data = pd.read_csv(folder / "train_processed_v3.csv")
    data = data[~(data.split == "intersections")]
    likes = data.split == "exclusive_win"
    assert _sizes(folder, data.file_name) == {(9, 12)}
    assert likes.sum() == 2
    assert len(likes) == 4
    assert (data.label == data.split).all()  # what the readme asks for


def test_the_plain_loader_of_diffusion_kto_reads_the_first_file(folder: Path) -> None:
    data = pd.read_csv(folder / "metadata.csv")
    assert [int(label) for label in data.label] == [1, 0, 1, 0]
    assert data.caption.to_list() == [*3 * [PROMPT], "zweite Aufgabe"]
    assert _sizes(folder, data.file_name) == {(9, 12)}


def _sizes(folder: Path, names: pd.Series) -> set[tuple[int, int]]:
    return {Image.open(folder / name).convert("RGB").size for name in names}


@pytest.mark.parametrize("as_module", [True, False])
def test_the_hub_loader_gives_images_and_labels(
    folder: Path, load_dataset: Callable[..., Any], *, as_module: bool
) -> None:
    # data_dir would not do: the loader takes train_processed_v3.csv for the whole split
    files = [f"{folder}/metadata.csv", f"{folder}/images/*"]
    data = load_dataset("imagefolder", data_files=files) if as_module else load_dataset(str(folder))
    assert data["label"] == [1, 0, 1, 0]
    assert data[0]["image"].size == (9, 12)


def test_valence_is_compared_within_a_viewer(folder: Path) -> None:
    rows = _rows(folder)
    z = np.concatenate([scipy.stats.zscore(values) for values in VALENCES.values()])
    far = np.abs(z) >= 0.5
    # the same sums in another order: rounding only
    assert [float(row["valence_z"]) for row in rows] == pytest.approx(z[far], abs=1e-12)
    expected = scipy.stats.norm.cdf(np.abs(z[far]))
    assert [float(row["confidence"]) for row in rows] == pytest.approx(expected, abs=1e-12)
    assert [row["viewer"] for row in rows[:2]] != [row["viewer"] for row in rows[2:]]


def test_the_summary_tells_the_share_that_the_dead_zone_leaves(
    annotations: pl.DataFrame, study: Path, tmp_path: Path
) -> None:
    summary = export(annotations, study, tmp_path / "out", "kto", dead_zone=0.5)
    assert summary.considered == 6  # six images, though each stands in two pairs
    assert summary.rows == 4
    assert summary.dropped == {"within 0.5 standard deviations of the viewer's mean": 2}
    assert summary.kept_share == pytest.approx(4 / 6)


def test_no_dead_zone_keeps_all_and_a_wide_one_leaves_nothing(
    annotations: pl.DataFrame, study: Path, tmp_path: Path
) -> None:
    every = export(annotations, study, tmp_path / "every", "kto", dead_zone=0.0, min_confidence=0.5)
    assert every.rows == 6
    with pytest.raises(AnnotationFileError, match="nothing is left to export of 6 rows"):
        export(annotations, study, tmp_path / "none", "kto", dead_zone=3.0)
    assert not (tmp_path / "none").exists()


def test_images_without_valence_and_viewers_who_never_react_are_left_out(
    study: Path, tmp_path: Path, make_pair: Any, table_of: Any
) -> None:
    table = table_of(
        make_pair(0, 1, 0.8, valence_0=None),
        make_pair(1, 2, 0.8),
        make_pair(3, 4, 0.6, valence_0=0.1, valence_1=0.1),
        make_pair(3, 5, 0.6, valence_0=0.1, valence_1=0.1),
    )
    summary = export(table, study, tmp_path / "out", "kto")
    assert summary.rows == 2
    assert summary.dropped == {
        "without valence": 1,
        "of a viewer whose valence never varies": 3,
    }


def test_an_image_shown_twice_to_one_viewer_is_one_row_of_its_first_showing(
    study: Path, tmp_path: Path, make_pair: Any, table_of: Any
) -> None:
    first, again = (study / f"Zoë.参加者/session_1/image{number}.png" for number in (1, 3))
    again.write_bytes(first.read_bytes())
    table = table_of(make_pair(3, 4, 0.6), make_pair(3, 5, 0.6))
    summary = export(table, study, tmp_path / "out", "kto", dead_zone=0.0, min_confidence=0.5)
    assert summary.dropped == {"shown to the same viewer before": 1}
    assert [row["valence"] for row in _rows(tmp_path / "out")] == ["0.2", "0.0"]
    assert check(tmp_path / "out", "kto") == []


def test_a_viewer_that_looks_like_a_number_and_a_caption_of_digits_pass_the_check(
    study: Path, tmp_path: Path, make_pair: Any, table_of: Any
) -> None:
    table = table_of(*(make_pair(0, other, 0.8, prompt="1984") for other in (1, 2)))
    export(table, study, tmp_path / "out", "kto")
    assert check(tmp_path / "out", "kto") == []


@pytest.mark.parametrize("name", ["metadata.csv", "train_processed_v3.csv"])
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"label": "2"}, "label is"),
        ({"label": "maybe"}, "label"),
        ({"split": "intersections"}, "split says on which side"),
        ({"valence_z": "-1.5"}, "split says on which side"),
        ({"confidence": "1.5"}, "confidence lies between"),
        ({"confidence": ""}, "confidence is given"),
        ({"valence": "inf"}, "numbers are finite"),
        ({"caption": " "}, "caption is not blank"),
        ({"file_path": "elsewhere.png"}, "file_path is file_name"),
        ({"viewer": "anna"}, "viewer is String"),
        ({"confidence": "0.75"}, "do not hold the same rows"),
    ],
)
def test_a_changed_row_is_found(
    folder: Path, name: str, changes: dict[str, str], complaint: str
) -> None:
    rows = _rows(folder, name)
    rows[0] |= changes
    _write(folder / name, rows)
    assert complaint in "\n".join(check(folder, "kto"))


def test_doubled_rows_lost_rows_and_lost_images_are_found(folder: Path) -> None:
    plain, pick = (_rows(folder, name) for name in ("metadata.csv", "train_processed_v3.csv"))
    _write_both(folder, [*plain, plain[0]], [*pick, pick[0]])
    assert "given once for each viewer" in "\n".join(check(folder, "kto"))
    _write_both(folder, plain[1:], pick[1:])
    assert "belongs to no row" in "\n".join(check(folder, "kto"))
    _write_both(folder, plain, pick)
    assert check(folder, "kto") == []
    (folder / plain[0]["file_name"]).unlink()
    assert f"{plain[0]['file_name']} cannot be read" in "\n".join(check(folder, "kto"))
    (folder / "train_processed_v3.csv").unlink()
    assert "cannot be read" in check(folder, "kto")[0]


def _write_both(folder: Path, plain: list[dict[str, str]], pick: list[dict[str, str]]) -> None:
    _write(folder / "metadata.csv", plain)
    _write(folder / "train_processed_v3.csv", pick)


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def test_a_later_showing_does_not_count_where_the_first_lies_in_the_dead_zone(
    study: Path, tmp_path: Path, make_pair: Any, table_of: Any
) -> None:
    first, again = (study / f"Zoë.参加者/session_1/image{number}.png" for number in (1, 3))
    again.write_bytes(first.read_bytes())
    table = table_of(
        make_pair(3, 4, 0.6, valence_0=0.01, valence_1=-1.0),
        make_pair(3, 5, 0.6, valence_0=0.01, valence_1=1.0),
    )
    summary = export(table, study, tmp_path / "out", "kto", dead_zone=0.5, min_confidence=0.5)
    assert summary.dropped == {
        "within 0.5 standard deviations of the viewer's mean": 1,
        "shown to the same viewer before": 1,
    }
    assert [float(row["valence"]) for row in _rows(tmp_path / "out")] == [-1.0]


def test_only_images_outside_the_dead_zone_are_missed(
    annotations: pl.DataFrame, study: Path, tmp_path: Path
) -> None:
    (study / "p 01/session_2/image2.jpg").unlink()
    assert export(annotations, study, tmp_path / "out", "kto", dead_zone=0.5).problems == ()
