"""Files of other tools, written here with exactly the columns of the real ones."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fergi.datasets.importers import Tool, imported_series
from fergi.errors import FeatureFileError
from fergi.records.action_units import ACTION_UNITS
from fergi.records.landmarks import MESH_POINTS_OF_LANDMARKS, head_ratios
from fergi.records.scale import Scale
from fergi.stages.activation import PUBLISHED_CRITERIA, valid_frames

FRAMES, FRAME_RATE = 4, 25.0
AXES = ("x", "y")
OPENFACE_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
FEAT_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
LIBREFACE_DETECTED = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)

Row = dict[str, Any]


@pytest.fixture
def face() -> np.ndarray:
    """A frontal face of 68 landmarks, 120 pixels wide; pitch ratio 0.7, yaw ratio 0.5."""
    landmarks = np.random.default_rng(0).uniform(80, 120, (68, 2))
    landmarks[0], landmarks[16] = (40, 100), (160, 100)
    landmarks[31:36] = (100, 128)
    landmarks[36:42], landmarks[42:48] = (80, 100), (120, 100)
    landmarks[48], landmarks[54] = (85, 150), (115, 150)
    return landmarks


def planted(unit: int, frame: int) -> float:
    """A value that tells units and frames apart, within any scale."""
    return unit / 100 + frame / 1000


def wanted(frames: Iterable[int], units: Sequence[int] = ACTION_UNITS) -> np.ndarray:
    return np.array(
        [
            [planted(unit, frame) if unit in units else np.nan for unit in ACTION_UNITS]
            for frame in frames
        ]
    )


def _mesh(face: np.ndarray, missing: float = 100.0) -> np.ndarray:
    mesh = np.full((478, 2), missing)
    mesh[list(MESH_POINTS_OF_LANDMARKS)] = face
    return mesh


def openface2_row(frame: int, face: np.ndarray, face_id: int = 0) -> Row:
    return {
        "frame": frame + 1,
        "face_id": face_id,
        "timestamp": round(frame / FRAME_RATE, 3),
        "confidence": 0.98,
        "success": 1,
        **{f"gaze_{eye}_{axis}": 0.1 for eye in (0, 1) for axis in ("x", "y", "z")},
        "gaze_angle_x": 0.0,
        "gaze_angle_y": 0.0,
        **{f"pose_{kind}{axis}": 0.1 for kind in "TR" for axis in "xyz"},
        **{f"{axis}_{p}": face[p, a] for a, axis in enumerate(AXES) for p in range(68)},
        **{f"AU{unit:02}_r": planted(unit, frame) for unit in OPENFACE_UNITS},
        **{f"AU{unit:02}_c": 1.0 for unit in (*OPENFACE_UNITS[:-1], 28, 45)},
    }


def openface3_row(frame: int, face: np.ndarray, face_id: int = 0) -> Row:
    wflw = np.full((98, 2), 100.0)
    wflw[[0, 32]], wflw[51:60] = face[[0, 16]], face[27:36]
    wflw[[60, 61, 63, 64, 65, 67]], wflw[[68, 69, 71, 72, 73, 75]] = face[36:42], face[42:48]
    wflw[76:96] = face[48:68]
    units = [planted(unit, frame) for unit in (1, 2, 4, 6, 9, 12, 25, 26)]
    return {
        "timestamp": "2026-11-22 20:00:00",
        "video_path": "clip.mp4",
        "frame_index": frame,
        "face_id": face_id,
        "face_detection": [40.0, 60.0, 160.0, 180.0, 0.97, *[0.0] * 10],
        "landmarks": wflw.tolist(),
        "emotion": 1,
        "gaze_yaw": 0.1,
        "gaze_pitch": 0.1,
        "action_units": [units],
    }


def openface3_row_without_face(frame: int) -> Row:
    row = dict.fromkeys(openface3_row(frame, np.zeros((68, 2))), "")
    return row | {"timestamp": "2026-11-22 20:00:00", "video_path": "c.mp4", "frame_index": frame}


def py_feat_row(frame: int, face: np.ndarray, score: float = 0.99) -> Row:
    left, width = face[0, 0], face[16, 0] - face[0, 0]
    box = {"FaceRectX": left, "FaceRectY": 60, "FaceRectWidth": width, "FaceRectHeight": 130}
    return {
        **box,
        "FaceScore": score,
        **{f"{axis}_{p}": face[p, a] for a, axis in enumerate(AXES) for p in range(68)},
        **dict.fromkeys(("Pitch", "Roll", "Yaw", "X", "Y", "Z"), 0.1),
        **{f"AU{unit:02}": planted(unit, frame) for unit in FEAT_UNITS},
        **dict.fromkeys(("anger", "happiness", "neutral"), 0.3),
        "input": "clip.mp4",
        "frame": frame,
        "approx_time": "00:00",
        "Identity": "Person_0",
    }


def py_feat_mesh_row(frame: int, face: np.ndarray) -> Row:
    plain = py_feat_row(frame, face)
    mesh = np.column_stack([_mesh(face), np.zeros(478)])
    kept = {name: value for name, value in plain.items() if not name.startswith(("x_", "y_"))}
    points = {f"{axis}_{p}": mesh[p, a] for p in range(478) for a, axis in enumerate("xyz")}
    return kept | points


def libreface_row(frame: int, face: np.ndarray) -> Row:
    mesh = _mesh(face) / (640, 360)
    return {
        "frame_idx": frame,
        "frame_time_in_ms": frame / FRAME_RATE,  # seconds, as version 0.2 writes them
        **dict.fromkeys(("pitch", "yaw", "roll"), 1.0),
        **{
            f"lm_mp_{p}_{axis}": value
            for p in range(478)
            for axis, value in zip("xyz", (*mesh[p], 0.0), strict=True)
        },
        **{f"au_{unit}": 1 for unit in LIBREFACE_DETECTED},
        **{f"au_{unit}_intensity": planted(unit, frame) for unit in ACTION_UNITS},
        "facial_expression": "Neutral",
        "gaze_yaw": 0.1,
        "gaze_pitch": 0.1,
    }


def write(path: Path, rows: Sequence[Row], *, separator: str = ",") -> Path:
    """Write rows as a tool does; OpenFace puts a space behind each comma of its header."""
    body = io.StringIO()
    writer = csv.DictWriter(body, list(rows[0]), lineterminator="\n")
    writer.writerows(rows)
    path.write_text(separator.join(rows[0]) + "\n" + body.getvalue(), encoding="utf-8")
    return path


TOOLS: dict[str, tuple[Callable[..., Row], dict[str, float]]] = {
    "openface2": (openface2_row, {}),
    "openface3": (openface3_row, {"frame_rate": FRAME_RATE}),
    "py-feat": (py_feat_row, {"frame_rate": FRAME_RATE}),
    "py-feat mesh": (py_feat_mesh_row, {"frame_rate": FRAME_RATE}),
    "libreface": (libreface_row, {"aspect_ratio": 640 / 360}),
}


@pytest.mark.parametrize("name", TOOLS)
def test_a_file_is_recognised_and_read(name: str, face: np.ndarray, tmp_path: Path) -> None:
    row, facts = TOOLS[name]
    path = write(tmp_path / "clip.csv", [row(frame, face) for frame in range(FRAMES)])
    found = imported_series(path, **facts)
    assert found.tool == name.removesuffix(" mesh")
    assert found.series.times == pytest.approx(np.arange(FRAMES) / FRAME_RATE)
    # Sums of numbers with three decimals.
    assert found.series.intensities == pytest.approx(
        wanted(range(FRAMES), found.units), nan_ok=True, abs=1e-12
    )
    assert found.series.pitch_ratio == pytest.approx(np.full(FRAMES, 0.7))
    assert found.series.yaw_ratio == pytest.approx(np.full(FRAMES, 0.5))
    assert (found.series.face_confidence > 0.9).all()


@pytest.mark.parametrize(
    ("name", "scale", "lacking"),
    [
        ("openface2", Scale.INTENSITY, set()),
        ("openface3", Scale.PROBABILITY, {5, 15, 17, 20}),
        ("py-feat", Scale.PROBABILITY, set()),
        ("libreface", Scale.INTENSITY, set()),
    ],
)
def test_scale_and_units_are_declared(
    name: str, scale: Scale, lacking: set[int], face: np.ndarray, tmp_path: Path
) -> None:
    row, facts = TOOLS[name]
    path = write(tmp_path / "clip.csv", [row(frame, face) for frame in range(FRAMES)])
    found = imported_series(path, Tool(name), **facts)
    assert found.scale is scale
    assert set(ACTION_UNITS) - set(found.units) == lacking
    is_absent = np.isnan(found.series.intensities).all(axis=0)
    assert {unit for unit, absent in zip(ACTION_UNITS, is_absent, strict=True) if absent} == lacking
    assert all(remark.endswith(".") for remark in found.remarks)


def test_a_complete_series_is_valid_as_our_own_are(face: np.ndarray, tmp_path: Path) -> None:
    path = write(tmp_path / "clip.csv", [openface2_row(frame, face) for frame in range(FRAMES)])
    assert valid_frames(imported_series(path).series, PUBLISHED_CRITERIA).all()


def test_spaces_before_the_names_of_openface_do_not_matter(
    face: np.ndarray, tmp_path: Path
) -> None:
    rows = [openface2_row(frame, face) for frame in range(FRAMES)]
    plain = imported_series(write(tmp_path / "new.csv", rows))
    spaced = imported_series(write(tmp_path / "old.csv", rows, separator=", "))
    assert np.array_equal(plain.series.intensities, spaced.series.intensities)


def test_a_frame_that_openface_lost_has_no_face(face: np.ndarray, tmp_path: Path) -> None:
    rows = [openface2_row(frame, face) for frame in range(FRAMES)]
    rows[2] |= dict.fromkeys([name for name in rows[2] if name.startswith(("x_", "y_", "AU"))], 0.0)
    rows[2] |= {"success": 0, "confidence": 0.0}
    series = imported_series(write(tmp_path / "clip.csv", rows)).series
    no_face = np.isnan(series.face_confidence)
    assert no_face.tolist() == [False, False, True, False]
    for measure in (series.pitch_ratio, series.yaw_ratio, series.intensities[:, 0]):
        assert np.array_equal(np.isnan(measure), no_face)


def test_openfaces_points_in_space_serve_where_those_in_the_picture_are_missing(
    face: np.ndarray, tmp_path: Path
) -> None:
    depth = 600.0
    rows = [openface2_row(frame, face) for frame in range(FRAMES)]
    for row in rows:
        for point in range(68):
            x, y = row.pop(f"x_{point}"), row.pop(f"y_{point}")
            row |= {f"X_{point}": x * depth, f"Y_{point}": y * depth, f"Z_{point}": depth}
    series = imported_series(write(tmp_path / "clip.csv", rows)).series
    assert series.pitch_ratio == pytest.approx(np.full(FRAMES, 0.7))


def test_a_file_of_openface_without_landmarks_says_how_to_get_them(
    face: np.ndarray, tmp_path: Path
) -> None:
    rows = [
        {name: value for name, value in openface2_row(frame, face).items() if name[1] != "_"}
        for frame in range(FRAMES)
    ]
    with pytest.raises(FeatureFileError, match=r"clip.csv: has no landmarks.*-2Dfp"):
        imported_series(write(tmp_path / "clip.csv", rows))


def test_of_several_faces_the_widest_counts(face: np.ndarray, tmp_path: Path) -> None:
    small = face / 2
    for row, facts in (TOOLS["openface2"], TOOLS["py-feat"]):
        # Its units are told apart by the frame that they claim.
        rows = [
            pick
            for frame in range(FRAMES)
            for pick in (
                row(frame + 100, small) | _same_time(row(frame, face)),
                row(frame, face),
            )
        ]
        series = imported_series(write(tmp_path / "clip.csv", rows), **facts).series
        assert series.intensities == pytest.approx(wanted(range(FRAMES)), abs=1e-12)


def _same_time(row: Row) -> Row:
    return {name: row[name] for name in ("frame", "timestamp") if name in row}


def test_openface3_measures_only_the_first_face_of_a_frame(
    face: np.ndarray, tmp_path: Path
) -> None:
    rows = [
        openface3_row(frame, face if face_id == 0 else face + 50, face_id)
        for frame in range(FRAMES)
        for face_id in (0, 1)
    ]
    series = imported_series(write(tmp_path / "clip.csv", rows), frame_rate=FRAME_RATE).series
    assert len(series.times) == FRAMES
    assert series.pitch_ratio == pytest.approx(np.full(FRAMES, 0.7))


def test_a_frame_without_a_face_of_openface3_and_py_feat(face: np.ndarray, tmp_path: Path) -> None:
    lost = dict.fromkeys(py_feat_row(1, face), "") | {"frame": 1, "input": "clip.mp4"}
    for rows in (
        [openface3_row(0, face), openface3_row_without_face(1), openface3_row(2, face)],
        [py_feat_row(0, face), lost, py_feat_row(2, face)],
    ):
        series = imported_series(write(tmp_path / "clip.csv", rows), frame_rate=FRAME_RATE).series
        assert np.isnan(series.face_confidence).tolist() == [False, True, False]
        assert np.isnan(series.intensities[1]).all()
        assert np.isnan(series.yaw_ratio[1])


def test_frames_that_libreface_left_out_come_back_without_a_face(
    face: np.ndarray, tmp_path: Path
) -> None:
    rows = [libreface_row(frame, face) for frame in (2, 3, 6)]
    series = imported_series(write(tmp_path / "clip.csv", rows), aspect_ratio=640 / 360).series
    assert series.times == pytest.approx(np.arange(7) / FRAME_RATE)
    is_seen = [False, False, True, True, False, False, True]
    assert (~np.isnan(series.face_confidence)).tolist() == is_seen
    assert (~np.isnan(series.intensities[:, 0])).tolist() == is_seen


def test_times_of_libreface_are_understood_in_both_units(face: np.ndarray, tmp_path: Path) -> None:
    seconds = [libreface_row(frame, face) for frame in range(FRAMES)]
    milliseconds = [row | {"frame_time_in_ms": 1000 * row["frame_time_in_ms"]} for row in seconds]
    for rows in (seconds, milliseconds):
        series = imported_series(write(tmp_path / "clip.csv", rows), aspect_ratio=1.78).series
        assert series.frame_rate == pytest.approx(FRAME_RATE)


def test_frames_that_py_feat_skipped_are_not_missing(face: np.ndarray, tmp_path: Path) -> None:
    rows = [py_feat_row(frame, face) for frame in (0, 5, 10)]
    series = imported_series(write(tmp_path / "clip.csv", rows), frame_rate=FRAME_RATE).series
    assert series.times == pytest.approx([0, 0.2, 0.4])


def test_a_mesh_of_landmarks_gives_the_ratios_of_its_points(face: np.ndarray) -> None:
    points = _mesh(face, missing=np.nan)[list(MESH_POINTS_OF_LANDMARKS)]
    assert np.array_equal(head_ratios(points), head_ratios(face))


@pytest.mark.parametrize(
    ("name", "fact"),
    [("openface3", "frame rate"), ("py-feat", "frame rate"), ("libreface", "aspect ratio")],
)
def test_what_a_tool_does_not_write_must_be_said(
    name: str, fact: str, face: np.ndarray, tmp_path: Path
) -> None:
    row, _ = TOOLS[name]
    path = write(tmp_path / "clip.csv", [row(frame, face) for frame in range(FRAMES)])
    with pytest.raises(FeatureFileError, match=f"its tool never writes it; give the {fact}"):
        imported_series(path)
    with pytest.raises(FeatureFileError, match=f"with 0 for the {fact}"):
        imported_series(path, frame_rate=0.0, aspect_ratio=0.0)


def test_a_file_of_no_known_tool_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FeatureFileError, match=r"table.csv: is of no tool .* begin with a, b"):
        imported_series(tmp_path / "table.csv")


def test_a_file_of_another_tool_than_was_said_is_refused(face: np.ndarray, tmp_path: Path) -> None:
    path = write(tmp_path / "clip.csv", [openface2_row(frame, face) for frame in range(2)])
    with pytest.raises(FeatureFileError, match="lacks the column FaceRectWidth and 2 more"):
        imported_series(path, Tool.PY_FEAT, frame_rate=FRAME_RATE)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text[:0], "is empty"),
        (lambda text: text.splitlines()[0] + "\n", "has no frames"),
        (lambda text: text[:-200], "was cut off in its last line"),
        (
            lambda text: text.replace("0.98", "sure", 1),
            "line 2: confidence is 'sure', not a number",
        ),
        (lambda text: "\n".join(text.splitlines()[:2]) + "\n", "has 1 frame"),
        (
            lambda text: text.replace("\n3,0,0.08,", "\n3,0,0.01,"),
            "of frame 3 does not follow 0.04",
        ),
        (lambda text: text.replace("\n3,0,", "\n3.5,0,"), "line 4: 3.5 is no number of a frame"),
    ],
)
def test_a_broken_file_says_where(
    spoil: Callable[[str], str], reason: str, face: np.ndarray, tmp_path: Path
) -> None:
    path = write(tmp_path / "clip.csv", [openface2_row(frame, face) for frame in range(FRAMES)])
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(FeatureFileError, match=rf"clip.csv: .*{reason}"):
        imported_series(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FeatureFileError, match=r"gone.csv: cannot be read: No such file"):
        imported_series(tmp_path / "gone.csv")


def test_a_whole_last_line_needs_no_end(face: np.ndarray, tmp_path: Path) -> None:
    path = write(tmp_path / "clip.csv", [openface2_row(frame, face) for frame in range(FRAMES)])
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
    assert len(imported_series(path).series.times) == FRAMES


def test_what_windows_writes_for_a_missing_number_is_missing(
    face: np.ndarray, tmp_path: Path
) -> None:
    rows = [openface2_row(frame, face) for frame in range(FRAMES)]
    rows[1]["AU04_r"] = "-nan(ind)"
    series = imported_series(write(tmp_path / "clip.csv", rows)).series
    assert np.isnan(series.intensities[1, ACTION_UNITS.index(4)])
    assert np.isnan(series.intensities).sum() == 1


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("action_units", [[0.5] * 12], "action_units has 12 numbers, not 8"),
        ("landmarks", "[[1, 2", r"landmarks is '\[\[1, 2', not a list"),
        ("landmarks", [[1.0, 2.0]] * 68, "landmarks has 136 numbers, not 196"),
    ],
)
def test_lists_of_openface3_are_checked(
    name: str, value: object, reason: str, face: np.ndarray, tmp_path: Path
) -> None:
    rows = [openface3_row(frame, face) for frame in range(FRAMES)]
    rows[1][name] = value if isinstance(value, str) else json.dumps(value)
    with pytest.raises(FeatureFileError, match=reason):
        imported_series(write(tmp_path / "clip.csv", rows), frame_rate=FRAME_RATE)
