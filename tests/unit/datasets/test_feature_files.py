import itertools
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fergi.datasets.feature_files import FRAME_COLUMN, MEASURES, feature_csv, read_feature_files
from fergi.errors import FeatureFileError
from fergi.records.action_units import UNIT_NAMES, ActionUnitSeries

COLUMNS = (FRAME_COLUMN, *MEASURES)
FRAMES = 6
MakeSeries = Callable[..., ActionUnitSeries]


def _rows() -> list[dict[str, str]]:
    """The cells of a sound file; each number differs from all others."""
    stream = np.random.default_rng(0)
    return [
        {
            FRAME_COLUMN: str(frame),
            "timestamp": f"{(frame - 1) / 30:.3f}",
            "face_detection_confidence_score": "0.95",
            "pitch_indicative_ratio": "0.7",
            "yaw_indicative_ratio": "0.5",
            **{name: f"{stream.uniform(0, 5):.3f}" for name in UNIT_NAMES},
        }
        for frame in range(1, FRAMES + 1)
    ]


def _csv(rows: list[dict[str, str]], columns: tuple[str, ...] = COLUMNS, end: str = "\n") -> bytes:
    lines = [",".join(columns), *(",".join(row[name] for name in columns) for row in rows)]
    return "".join(line + end for line in lines).encode()


def _with_cell(line: int, column: str, text: str) -> bytes:
    """A sound file with another text in one place; line 1 is the header."""
    rows = _rows()
    rows[line - 2][column] = text
    return _csv(rows)


def _read(folder: Path, content: bytes) -> ActionUnitSeries | FeatureFileError:
    path = folder / "clip_features.csv"
    path.write_bytes(content)
    return next(read_feature_files([path]))


def _require_same(found: object, series: ActionUnitSeries) -> None:
    assert isinstance(found, ActionUnitSeries), found
    for name in ("times", "face_confidence", "pitch_ratio", "yaw_ratio", "intensities"):
        np.testing.assert_array_equal(getattr(found, name), getattr(series, name))


@pytest.fixture
def sound(tmp_path: Path) -> ActionUnitSeries:
    found = _read(tmp_path, _csv(_rows()))
    assert isinstance(found, ActionUnitSeries)
    return found


def test_every_number_of_a_file_reaches_its_place(tmp_path: Path, sound: ActionUnitSeries) -> None:
    rows = _rows()
    np.testing.assert_array_equal(sound.times, [float(row["timestamp"]) for row in rows])
    np.testing.assert_array_equal(sound.face_confidence, [0.95] * FRAMES)
    np.testing.assert_array_equal(sound.pitch_ratio, [0.7] * FRAMES)
    np.testing.assert_array_equal(sound.yaw_ratio, [0.5] * FRAMES)
    by_hand = [[float(row[name]) for name in UNIT_NAMES] for row in rows]
    np.testing.assert_array_equal(sound.intensities, by_hand)


def test_the_frame_rate_is_taken_from_the_times(sound: ActionUnitSeries) -> None:
    # Times are written to the millisecond: five steps of 1/30 s become 0.167 s.
    assert sound.frame_rate == pytest.approx(5 / 0.167, rel=1e-12)


@given(hnp.arrays(float, (5, 12), elements=st.floats(-0.5, 5)), st.integers(2, 3))
def test_a_series_comes_back_from_its_file_rounded(intensities: np.ndarray, decimals: int) -> None:
    series = ActionUnitSeries(
        times=np.arange(5) / 10,
        face_confidence=np.full(5, 0.95),
        pitch_ratio=np.full(5, 0.7),
        yaw_ratio=np.full(5, 0.5),
        intensities=intensities,
    )
    content = feature_csv(series, decimals=decimals)
    # Digits are cut after rounding; half a unit of the last place, and float rounding.
    tolerance = 0.5 * 10**-decimals + 1e-12
    lines = content.decode().splitlines()[1:]
    found = np.array([[float(cell) for cell in line.split(",")[5:]] for line in lines])
    np.testing.assert_allclose(found, intensities, rtol=0, atol=tolerance)
    assert "-0.00," not in content.decode() + ","
    assert "-0.000," not in content.decode().replace("\n", ",")


def test_what_was_written_is_read_again(tmp_path: Path, sound: ActionUnitSeries) -> None:
    _require_same(_read(tmp_path, feature_csv(sound)), sound)


def test_minus_zero_is_written_as_zero(tmp_path: Path, make_series: MakeSeries) -> None:
    intensities = np.full((4, 12), -0.0)
    intensities[:, 1] = -0.0004
    content = feature_csv(make_series(4, intensities=intensities))
    assert b"-" not in content.split(b"\n", 1)[1]


def test_a_frame_without_a_face_is_written_and_read_as_missing(
    tmp_path: Path, make_series: MakeSeries
) -> None:
    confidence = np.full(5, 0.95)
    confidence[2] = np.nan
    content = feature_csv(make_series(5, face_confidence=confidence))
    assert content.decode().splitlines()[3] == ",".join(
        ["3", "0.067", "0.000", *["-1.000"] * (len(MEASURES) - 2)]
    )
    found = _read(tmp_path, content)
    assert isinstance(found, ActionUnitSeries)
    assert np.flatnonzero(np.isnan(found.intensities).all(axis=1)).tolist() == [2]
    assert np.isnan([found.face_confidence[2], found.pitch_ratio[2], found.yaw_ratio[2]]).all()
    assert np.isfinite(np.delete(found.intensities, 2, axis=0)).all()


def _shuffled_columns() -> bytes:
    return _csv(_rows(), tuple(random.Random(0).sample(COLUMNS, len(COLUMNS))))  # noqa: S311


def _with_extra_column() -> bytes:
    rows = [row | {"AU99": "word, with comma"} for row in _rows()]
    return _csv([row | {"AU99": '"word, with comma"'} for row in rows], ("AU99", *COLUMNS))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(_shuffled_columns(), id="columns in another order"),
        pytest.param(_with_extra_column(), id="a further column"),
        pytest.param(_csv(_rows(), MEASURES), id="no frame column"),
        pytest.param(_csv(_rows(), end="\r\n"), id="lines of Windows"),
        pytest.param(b"\xef\xbb\xbf" + _csv(_rows()), id="byte order mark"),
        pytest.param(_csv(_rows()).replace(b",", b", "), id="spaces after commas"),
        pytest.param(_csv(_rows()) + b"\n", id="an empty last line"),
        pytest.param(
            "\n".join(
                ",".join(f'"{cell}"' for cell in line.split(","))
                for line in _csv(_rows()).decode().splitlines()
            ).encode()
            + b"\n",
            id="quoted numbers",
        ),
        pytest.param(
            _csv(_rows()).replace(b",0.95,", b',"0.95",'), id="quoted numbers under a plain header"
        ),
    ],
)
def test_an_unusual_but_clear_file_is_understood(
    tmp_path: Path, sound: ActionUnitSeries, content: bytes
) -> None:
    _require_same(_read(tmp_path, content), sound)


@pytest.mark.parametrize("text", ["", " ", "nan", "NaN"])
def test_an_empty_field_is_a_missing_number(tmp_path: Path, text: str) -> None:
    found = _read(tmp_path, _with_cell(4, "AU12", text))
    assert isinstance(found, ActionUnitSeries)
    assert np.argwhere(np.isnan(found.intensities)).tolist() == [[2, UNIT_NAMES.index("AU12")]]


SOUND = _csv(_rows())
HEADER = SOUND.split(b"\n", 1)[0] + b"\n"
BROKEN_FILES = {
    "empty": (b"", "is empty"),
    "only white space": (b" \n\n", "is empty"),
    "only a header": (HEADER, "no frames"),
    "a header without an end": (HEADER[:-1], "cut off"),
    "cut in the middle of a row": (SOUND[:-40], "cut off"),
    "cut in its last number": (SOUND[:-2], "cut off"),
    "cut before its last line end": (SOUND[:-1], "cut off"),
    "cut, then ended": (SOUND[:-40] + b"\n", f"line {FRAMES + 1} has"),
    "lacks a column": (_csv(_rows(), COLUMNS[:-1]), "lacks the columns AU26"),
    "text for a number": (_with_cell(3, "AU4", "high"), "line 3: AU4 is 'high'"),
    "a comma for a point": (_with_cell(3, "AU4", '"1,5"'), "line 3: AU4 is '1,5'"),
    "infinity": (_with_cell(3, "AU4", "inf"), "line 3: AU4 is 'inf'"),
    "minus infinity": (_with_cell(3, "AU4", "-inf"), "line 3: AU4 is '-inf'"),
    "a number beyond all numbers": (_with_cell(3, "AU4", "1e999"), "line 3: AU4 is '1e999'"),
    "an infinite time": (_with_cell(FRAMES + 1, "timestamp", "inf"), "timestamp is 'inf'"),
    "a missing time": (_with_cell(3, "timestamp", ""), "line 3: timestamp is ''"),
    "a time that is no number": (_with_cell(3, "timestamp", "nan"), "line 3: timestamp is 'nan'"),
    "a repeated time": (_with_cell(4, "timestamp", "0.033"), "line 4: the timestamp 0.033 does"),
    "a time that goes back": (_with_cell(4, "timestamp", "0.001"), "line 4: the timestamp 0.001"),
    "one frame": (_csv(_rows()[:1]), "has 1 frame"),
    "one field too few": (SOUND.replace(b",0.95", b"", 1), "line 2 has 16 of 17 columns"),
    "one field too many": (SOUND.replace(b",0.95", b",0.95,1", 1), "line 2 has 18 of 17 columns"),
    "a field that slipped a line up": (
        SOUND.replace(b"0.95", b"0.95,1", 1)[:-1].rsplit(b",", 1)[0] + b"\n",
        "line 2 has 18 of 17 columns",
    ),
    "a field that slipped a line down": (
        SOUND.replace(b",0.95", b"", 1)[:-1] + b",1\n",
        "line 2 has 16 of 17 columns",
    ),
    "an open quote": (_with_cell(3, "AU4", '"1.5'), "line 3"),
    "another table": (b"a,b\n1,2\n", "is no feature file"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4 + b"\n", "is no feature file"),
    "one endless line": (b"\x00" * 200_000 + b"\n", "is no feature file"),
    "an endless field": (HEADER + b"x" * 200_000 + b"\n", "line 2"),
}


@pytest.mark.parametrize("kind", BROKEN_FILES)
def test_a_broken_file_is_an_error_that_says_how(tmp_path: Path, kind: str) -> None:
    content, reason = BROKEN_FILES[kind]
    found = _read(tmp_path, content)
    assert isinstance(found, FeatureFileError), found
    assert reason in str(found)
    assert "\n" not in str(found)


def test_a_folder_in_place_of_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "clip_features.csv").mkdir()
    found = next(read_feature_files([tmp_path / "clip_features.csv"]))
    assert isinstance(found, FeatureFileError)
    assert str(found).startswith(f"cannot be read: {os.strerror(21)}; check")


def test_an_absent_file_cannot_be_read(tmp_path: Path) -> None:
    found = next(read_feature_files([tmp_path / "nothing.csv"]))
    assert isinstance(found, FeatureFileError)
    assert str(found) == "is missing; run fergi extract to make it from the clip's video"


@pytest.fixture(scope="module")
def hundred_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Sound files of different lengths, with and without lost faces."""
    folder = tmp_path_factory.mktemp("hundred")
    stream = np.random.default_rng(0)
    paths = []
    for number in range(100):
        frames = int(stream.integers(2, 40))
        confidence = np.where(stream.random(frames) < 0.1, np.nan, 0.95)
        series = ActionUnitSeries(
            times=np.arange(frames) / 30,
            face_confidence=confidence,
            pitch_ratio=stream.normal(0.7, 0.05, frames),
            yaw_ratio=stream.normal(0.5, 0.05, frames),
            intensities=stream.uniform(0, 5, (frames, 12)),
        )
        paths.append(folder / f"{number:03d}.csv")
        paths[-1].write_bytes(feature_csv(series))
    return paths


@pytest.fixture(scope="module")
def read_alone(hundred_files: list[Path]) -> list[ActionUnitSeries]:
    found = [next(read_feature_files([path])) for path in hundred_files]
    assert all(isinstance(one, ActionUnitSeries) for one in found)
    return [one for one in found if isinstance(one, ActionUnitSeries)]


def test_files_read_together_equal_files_read_alone(
    hundred_files: list[Path], read_alone: list[ActionUnitSeries]
) -> None:
    for found, alone in zip(read_feature_files(hundred_files), read_alone, strict=True):
        _require_same(found, alone)


@pytest.mark.parametrize("kind", BROKEN_FILES)
def test_one_broken_file_among_a_hundred_changes_no_other(
    tmp_path: Path, hundred_files: list[Path], read_alone: list[ActionUnitSeries], kind: str
) -> None:
    content, _ = BROKEN_FILES[kind]
    broken = tmp_path / "broken.csv"
    broken.write_bytes(content)
    paths = [*hundred_files[:37], broken, *hundred_files[38:]]
    for place, (found, alone) in enumerate(zip(read_feature_files(paths), read_alone, strict=True)):
        if place == 37:
            assert isinstance(found, FeatureFileError)
        else:
            _require_same(found, alone)


def test_two_broken_files_do_not_mend_each_other(
    tmp_path: Path, hundred_files: list[Path], read_alone: list[ActionUnitSeries]
) -> None:
    opens = _with_cell(3, "AU4", '"1.5')
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    for path in (first, second):
        path.write_bytes(opens)
    found = list(read_feature_files([first, *hundred_files[:20], second]))
    assert isinstance(found[0], FeatureFileError)
    assert isinstance(found[-1], FeatureFileError)
    for one, alone in zip(found[1:-1], read_alone, strict=False):
        _require_same(one, alone)


def test_only_a_few_files_are_read_ahead(hundred_files: list[Path]) -> None:
    later = Path("not there, and not asked for yet")
    reader = read_feature_files([*hundred_files, later])
    taken = list(itertools.islice(reader, 10))
    assert len(taken) == 10


def test_no_paths_give_no_series() -> None:
    assert list(read_feature_files([])) == []
