"""Event files, as TensorBoard reads them, written without TensorBoard.

A file is a row of records: length, its checksum, an `Event` message of protocol buffers, and
that one's checksum.

Source: tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto; the framing
of tensorflow/core/lib/io/record_writer.h.
"""

import struct
from collections.abc import Mapping

_POLYNOMIAL = 0x82F63B78  # of CRC-32C, with its bits reversed
_VERSION = b"brain.Event:2"


def version_record(wall_time: float) -> bytes:
    """Give the record that begins an event file.

    Args:
        wall_time: Seconds since 1970.
    """
    return _record(_double(1, wall_time) + _bytes(3, _VERSION))


def scalars_record(wall_time: float, step: int, scalars: Mapping[str, float]) -> bytes:
    """Give the record that adds one point to each of some curves.

    Args:
        wall_time: Seconds since 1970.
        step: Where on the x axis.
        scalars: Name of a curve → its value.
    """
    values = b"".join(
        _bytes(1, _bytes(1, name.encode()) + _float(2, value)) for name, value in scalars.items()
    )
    return _record(_double(1, wall_time) + _integer(2, step) + _bytes(5, values))


def _record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + _checksum(length) + content + _checksum(content)


def _checksum(content: bytes) -> bytes:
    """Give the masked CRC-32C of some bytes."""
    crc = crc32c(content)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return struct.pack("<I", masked)


def crc32c(content: bytes) -> int:
    """Give the CRC-32C of some bytes.

    Example:
        >>> hex(crc32c(b"123456789"))
        '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _table_entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = [_table_entry(byte) for byte in range(256)]


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Write an integer seven bits at a time."""
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
