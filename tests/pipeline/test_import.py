"""Studies whose action units another tool estimated."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import Result

from fergi.datasets.feature_files import read_feature_files
from fergi.records.action_units import ACTION_UNITS, ActionUnitSeries

OPENFACE3_UNITS = (1, 2, 4, 6, 9, 12, 25, 26)


def _landmarks() -> np.ndarray:
    """A frontal face of 68 landmarks; pitch ratio 0.7, yaw ratio 0.5."""
    landmarks = np.random.default_rng(0).uniform(80, 120, (68, 2))
    landmarks[0], landmarks[16] = (40, 100), (160, 100)
    landmarks[31:36] = (100, 128)
    landmarks[36:42], landmarks[42:48] = (80, 100), (120, 100)
    landmarks[48], landmarks[54] = (85, 150), (115, 150)
    return landmarks


def _openface2(path: Path, series: ActionUnitSeries) -> None:
    face = _landmarks()
    points = {f"{axis}_{p}": face[p, a] for a, axis in enumerate("xy") for p in range(68)}
    with path.open("w", newline="") as file:
        rows = [
            {
                "frame": frame + 1,
                " face_id": 0,
                " timestamp": time,
                " confidence": 0.98,
                " success": 1,
                **{f" {name}": value for name, value in points.items()},
                **{
                    f" AU{unit:02}_r": value
                    for unit, value in zip(ACTION_UNITS, np.nan_to_num(units), strict=True)
                },
            }
            for frame, (time, units) in enumerate(
                zip(series.times, series.intensities, strict=True)
            )
        ]
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _without_units(path: Path, units: set[int]) -> None:
    """Empty the columns of some units, as the importer leaves those that a tool lacks."""
    table = pl.read_csv(path, infer_schema=False)
    empty = [f"AU{unit}" for unit in units]
    table.with_columns(pl.lit("").alias(name) for name in empty).write_csv(
        path, quote_style="never"
    )


@pytest.fixture
def openface_study(invented_study: Path) -> Path:
    features = sorted(invented_study.rglob("*_features.csv"))
    for path, series in zip(features, read_feature_files(features), strict=True):
        assert isinstance(series, ActionUnitSeries)
        _openface2(path.with_name(path.name.replace("_features", "")), series)
        path.unlink()
    return invented_study


def test_imported_units_give_the_same_valence_as_the_estimator_gave(
    fergi: Callable[..., Result], openface_study: Path, pristine_study: Path, tmp_path: Path
) -> None:
    imported = fergi("import", openface_study, "--json")
    assert imported.exit_code == 0
    assert json.loads(imported.stdout)["imported"] == {"openface2 (intensity_0_5)": 60}
    ours, theirs = tmp_path / "ours.parquet", tmp_path / "theirs.parquet"
    assert fergi("annotate", pristine_study, "-o", ours, "-q").exit_code == 0
    assert fergi("annotate", openface_study, "-o", theirs, "-q").exit_code == 0
    both = pl.read_parquet(ours).join(pl.read_parquet(theirs), on="pair_id").drop_nulls()
    assert len(both) > 20
    # The feature files keep 3 decimals; frames that were lost are seen here, so few may differ.
    is_equal = (both["valence_0"] - both["valence_0_right"]).abs() < 1e-3
    assert is_equal.mean() > 0.9


def test_the_record_beside_an_imported_file_tells_tool_scale_and_units(
    fergi: Callable[..., Result], openface_study: Path
) -> None:
    source = openface_study / "p01" / "session_1" / "reaction_clip_1.csv"
    assert fergi("import", source).exit_code == 0
    record = json.loads(source.with_name("reaction_clip_1_features.csv.json").read_text())
    assert record["settings"]["estimator"] == "openface2"
    assert record["settings"]["scale"] == "intensity_0_5"
    assert record["settings"]["units"] == [f"AU{unit}" for unit in ACTION_UNITS]


def test_what_is_there_is_kept_unless_told_otherwise(
    fergi: Callable[..., Result], openface_study: Path
) -> None:
    source = openface_study / "p01" / "session_1" / "reaction_clip_1.csv"
    target = source.with_name("reaction_clip_1_features.csv")
    target.write_text("mine")
    refused = fergi("import", source)
    assert refused.exit_code == 1
    assert "--overwrite" in refused.stderr
    assert target.read_text() == "mine"
    assert fergi("import", source, "--overwrite").exit_code == 0
    assert target.read_text() != "mine"


def test_one_bad_file_does_not_stop_the_rest(
    fergi: Callable[..., Result], openface_study: Path
) -> None:
    (openface_study / "p01" / "session_1" / "reaction_clip_1.csv").write_text("a,b\n1,2\n")
    ended = fergi("import", openface_study, "--json")
    assert ended.exit_code == 1
    summary = json.loads(ended.stdout)
    assert summary["imported"] == {"openface2 (intensity_0_5)": 59}
    assert "is of no tool" in summary["problems"][0]["reason"]


def test_where_nothing_could_be_imported_nothing_is_said_to_be_written(
    fergi: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "reaction_clip_1.csv").write_text("a,b\n1,2\n")
    ended = fergi("import", tmp_path)
    assert ended.exit_code == 1
    assert ended.stdout == "imported  none\n"


def test_a_folder_without_files_is_wrong_usage(
    fergi: Callable[..., Result], tmp_path: Path
) -> None:
    assert fergi("import", tmp_path).exit_code == 2
    absent = fergi("import", tmp_path / "absent.csv")
    assert absent.exit_code == 2
    assert "absent.csv: does not exist" in absent.stderr


def test_missing_units_are_named_and_the_simple_valence_still_works(
    fergi: Callable[..., Result], invented_study: Path, tmp_path: Path
) -> None:
    for path in invented_study.rglob("*_features.csv"):
        _without_units(path, set(ACTION_UNITS) - set(OPENFACE3_UNITS))
    out = tmp_path / "out.parquet"
    full = fergi("annotate", invented_study, "-o", out, "--scores", "none")
    assert full.exit_code == 1
    assert "reactions lack AU5, AU15, AU17, AU20, which the valence fau-net needs" in full.stderr
    assert pl.read_parquet(out)["valence_0"].null_count() == len(pl.read_parquet(out))
    simple = fergi(
        "annotate", invented_study, "-o", out, "--scores", "none", "--valence", "au4-au12"
    )
    assert simple.exit_code == 0
    assert pl.read_parquet(out)["valence_0"].null_count() < len(pl.read_parquet(out)) / 2


def test_units_that_a_file_lacks_are_null_in_json_and_unknown_in_words(
    fergi: Callable[..., Result], invented_study: Path, tmp_path: Path
) -> None:
    features = invented_study / "p01" / "session_1" / "reaction_clip_1_features.csv"
    _without_units(features, set(ACTION_UNITS) - set(OPENFACE3_UNITS))
    plotted = fergi("plot", features, "--out", tmp_path / "clip.png", "--json")
    assert "NaN" not in plotted.stdout  # Python would read it, but JSON has no such word
    values = json.loads(plotted.stdout)["activation"]
    lacking = {name for name, value in values.items() if value is None}
    assert lacking == {f"AU{unit}" for unit in set(ACTION_UNITS) - set(OPENFACE3_UNITS)}
    told = fergi("plot", features, "--out", tmp_path / "clip.png").stdout
    assert "unknown AU5" in told
    assert "nan" not in told
