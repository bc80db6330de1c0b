from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fergi.stages.perception.container_files import fault_in_container, what_is_found


def _box(kind: bytes, content: bytes, *, stated: int | None = None, is_long: bool = False) -> bytes:
    """Write a box of an mp4, whose size may be a lie, or in 64 bits."""
    size = len(content) + (16 if is_long else 8) if stated is None else stated
    if is_long:
        return (1).to_bytes(4, "big") + kind + size.to_bytes(8, "big") + content
    return size.to_bytes(4, "big") + kind + content


def _element(name: bytes, content: bytes, *, is_unknown: bool = False) -> bytes:
    """Write an element of matroska, with a size of eight bytes."""
    size = b"\x01" + (b"\xff" * 7 if is_unknown else len(content).to_bytes(7, "big"))
    return name + size + content


HEADER = _element(b"\x1a\x45\xdf\xa3", b"\x42\x82\x84webm")
BLOCK = _element(b"\xa3", bytes(30))
FTYP = _box(b"ftyp", b"isom0000")


def _segment(*clusters: bytes, is_unknown: bool = True) -> bytes:
    content = b"".join(
        _element(b"\x1f\x43\xb6\x75", cluster, is_unknown=is_unknown) for cluster in clusters
    )
    return _element(b"\x18\x53\x80\x67", content, is_unknown=is_unknown)


WHOLE = {
    "mp4": FTYP + _box(b"moov", bytes(50)) + _box(b"mdat", bytes(900)),
    "mp4 of 64 bits": FTYP + _box(b"mdat", bytes(900), is_long=True) + _box(b"moov", bytes(50)),
    "mp4 whose last box reaches to the end": FTYP + _box(b"mdat", bytes(900), stated=0),
    "mp4 with padding behind it": FTYP + _box(b"mdat", bytes(900)) + bytes(5),
    "avi": b"RIFF" + (900).to_bytes(4, "little") + bytes(900),
    "avi in two parts": (b"RIFF" + (101).to_bytes(4, "little") + bytes(102)) * 2,
    "avi without its padding": b"RIFF" + (101).to_bytes(4, "little") + bytes(101),
    "avi of a writer that could not go back": b"RIFF" + bytes(4) + bytes(900),
    "webm": HEADER + _segment(BLOCK * 10, BLOCK * 10, is_unknown=False),
    "live webm": HEADER + _segment(BLOCK * 10, BLOCK * 10),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_file_has_no_fault(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_bytes(WHOLE[kind])
    assert fault_in_container(tmp_path / "file") is None


@pytest.mark.parametrize(
    ("kind", "stated"),
    [
        ("mp4", 16 + 58 + 908),
        ("mp4 of 64 bits", 16 + 916),
        ("avi", 908),
        ("webm", len(WHOLE["webm"])),
    ],
)
def test_a_file_that_is_cut_off_says_how_much_is_there(
    tmp_path: Path, kind: str, stated: int
) -> None:
    (tmp_path / "file").write_bytes(WHOLE[kind][:700])
    fault = fault_in_container(tmp_path / "file")
    assert fault == f"is cut off: it has 700 of {stated:,} bytes"


@pytest.mark.parametrize("begun", range(4, 8))
def test_an_mp4_that_ends_within_the_head_of_a_box_is_cut_off(tmp_path: Path, begun: int) -> None:
    # Fewer bytes could be zeros of a size as well as zeros that pad the file.
    whole = WHOLE["mp4"]
    (tmp_path / "file").write_bytes(whole + _box(b"moof", bytes(50))[:begun])
    assert "is cut off" in (fault_in_container(tmp_path / "file") or "")


@pytest.mark.parametrize("missing", range(1, 39))
def test_a_live_webm_that_is_cut_off_within_a_block_has_a_fault(
    tmp_path: Path, missing: int
) -> None:
    # A block has 39 bytes; without all of them, the file would only be shorter.
    (tmp_path / "file").write_bytes(WHOLE["live webm"][:-missing])
    assert fault_in_container(tmp_path / "file") is not None


def test_an_element_that_matroska_does_not_know_is_damage(tmp_path: Path) -> None:
    content = HEADER + _segment(BLOCK * 3, b"\x99" + BLOCK)
    (tmp_path / "file").write_bytes(content)
    place = content.index(b"\x99")
    assert fault_in_container(tmp_path / "file") == f"is damaged at byte {place:,}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([b"", *(content[:40] for content in WHOLE.values())]),
    st.binary(max_size=200),
)
def test_whatever_the_bytes_something_is_said(tmp_path: Path, start: bytes, rest: bytes) -> None:
    (tmp_path / "file").write_bytes(start + rest)
    assert what_is_found(tmp_path / "file")
    fault = fault_in_container(tmp_path / "file")
    assert fault is None or fault.startswith("is ")
