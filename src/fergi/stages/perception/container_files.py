"""Whether the file of a video is whole, by the sizes that its container states.

Decoders take the end of a file for the end of the video, and say nothing of what is missing.

Source:
    ISO/IEC 14496-12 (mp4, mov), RFC 8794 and RFC 9559 (matroska, webm), Microsoft's RIFF (avi).
"""

from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_MATROSKA_ELEMENTS = {
    *(0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367),
    *(0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0x5854, 0xAF),
    *(0xEC, 0xBF, _EBML),
}
"""What a segment holds, what a cluster holds, and what both may: padding and checksums."""
_UNKNOWN_RIFF_SIZES = {0, 0xFFFFFFFF}
"""As programs leave them that cannot go back in the file."""
_FIRST_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"pnot"}
_SIGNATURES = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"PK\x03\x04": "a zip archive",
    b"%PDF": "a PDF document",
    b"OggS": "an Ogg file",
    b"#EXTM3U": "a playlist",
}


def what_is_found(path: Path) -> str:
    """Say what lies in a file that cannot be opened as a video, to follow its name."""
    if not path.is_file():
        return "is no file"
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        return "is empty: 0 bytes"
    for signature, kind in _SIGNATURES.items():
        if start.startswith(signature):
            return f"is {kind}, not a video"
    if not any(byte < 32 and byte not in b"\t\n\r\f" for byte in start):
        return "is text, not a video"
    return fault_in_container(path) or "holds no video that can be read"


def fault_in_container(path: Path) -> str | None:
    """Say what is wrong with the file of a video, if it shows.

    A live webm that was cut between two of its blocks cannot be told from a whole one.

    Args:
        path: An mp4, mov, webm, mkv or avi file.

    Returns:
        What is wrong, to follow the name of the file; None if nothing is.
    """
    with path.open("rb") as file:
        start, size = file.read(8), path.stat().st_size
        file.seek(0)
        if start[:4] == _EBML.to_bytes(4, "big"):
            return _fault_in_matroska(file, size)
        if start[:4] == b"RIFF":
            return _cut_off(_riff_end(file), size)
        return _cut_off(_last_box_end(file), size) if start[4:] in _FIRST_BOXES else None


def _cut_off(stated: int, found: int) -> str | None:
    return f"is cut off: it has {found:,} of {stated:,} bytes" if stated > found else None


def _last_box_end(file: BinaryIO) -> int:
    """Give where the last box of an mp4 should end."""
    end = 0
    while header := file.read(16):
        if len(header) < 8:  # the head of another box was begun, or zeros pad the file
            return end + 8 if any(header) else end
        size = int.from_bytes(header[:4], "big")
        if size == 1 and len(header) == 16:
            size = int.from_bytes(header[8:], "big")
        if size < 8:  # 0 reaches to the end of the file, and what else is there is no box
            break
        end += size
        file.seek(end)
    return end


def _riff_end(file: BinaryIO) -> int:
    """Give where the last part of an avi should end, but for a byte that only pads."""
    end = 0
    while (header := file.read(8))[:4] == b"RIFF":
        size = int.from_bytes(header[4:], "little")
        if size in _UNKNOWN_RIFF_SIZES:
            break
        end += 8 + size
        file.seek(end + size % 2)
    return end


def _fault_in_matroska(file: BinaryIO, found: int) -> str | None:
    """Walk over the blocks of every cluster, since a live webm states no other sizes."""
    place = 0
    while place < found:
        file.seek(place)
        header = file.read(12)
        name, name_length = _variable_integer(header, keeps_marker=True)
        size, size_length = _variable_integer(header[name_length:], keeps_marker=False)
        place += name_length + size_length
        is_unknown = size == (1 << 7 * size_length) - 1
        if not is_unknown and place + size > found:
            return _cut_off(place + size, found)
        if name in (_SEGMENT, _CLUSTER):
            continue
        if name not in _MATROSKA_ELEMENTS or is_unknown:
            return f"is damaged at byte {place - name_length - size_length:,}"
        place += size
    return None


def _variable_integer(content: bytes, *, keeps_marker: bool) -> tuple[int, int]:
    """Read an integer whose first byte tells its length; give it and that length."""
    first = content[0] if content else 0
    length = 9 - first.bit_length()
    value = int.from_bytes(content[:length], "big")
    return (value if keeps_marker else value & ((1 << 7 * length) - 1)), length
