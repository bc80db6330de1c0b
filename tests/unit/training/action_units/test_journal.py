import struct
from pathlib import Path

import pytest

from fergi.training.action_units.event_file import crc32c, scalars_record, version_record
from fergi.training.action_units.journal import EVENT_FILE, LOG_FILE, Journal, LogRow, read_log


def _row(step: int) -> LogRow:
    return LogRow(step, step / 10, 3.5, 1.5, 1.0, 1.0, 100.0, step * 2.0)


def _records(content: bytes) -> list[bytes]:
    """Read the records of an event file, checking each checksum."""
    found = []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        assert struct.unpack("<I", content[8:12])[0] == _masked(content[:8])
        record = content[12 : 12 + length]
        assert struct.unpack("<I", content[12 + length : 16 + length])[0] == _masked(record)
        found.append(record)
        content = content[16 + length :]
    return found


def _masked(content: bytes) -> int:
    crc = crc32c(content)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32


def test_a_checksum_is_the_one_of_rfc_3720() -> None:
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(bytes([0xFF] * 32)) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_a_record_is_the_message_of_protocol_buffers() -> None:
    content = version_record(1.0) + scalars_record(2.0, 300, {"loss": 0.5})
    version, scalars = _records(content)
    assert version == b"\x09" + struct.pack("<d", 1.0) + b"\x1a\x0dbrain.Event:2"
    value = b"\x0a\x04loss\x15" + struct.pack("<f", 0.5)
    expected = b"\x09" + struct.pack("<d", 2.0) + b"\x10\xac\x02"  # 300 is 0x2ac, seven bits each
    assert scalars == expected + b"\x2a\x0d\x0a\x0b" + value


def test_rows_are_seen_at_once_in_both_files(tmp_path: Path) -> None:
    with Journal(tmp_path, 0) as journal:
        journal.write(_row(1))
        assert read_log(tmp_path / LOG_FILE) == [_row(1)]
        assert len(_records((tmp_path / EVENT_FILE).read_bytes())) == 2


def test_a_resumed_log_forgets_what_will_come_again(tmp_path: Path) -> None:
    with Journal(tmp_path, 0) as journal:
        for step in range(1, 5):
            journal.write(_row(step))
    with Journal(tmp_path, 2) as journal:
        assert journal.seconds == 4.0
        journal.write(_row(3))
    assert [row.step for row in read_log(tmp_path / LOG_FILE)] == [1, 2, 3]
    assert len(_records((tmp_path / EVENT_FILE).read_bytes())) == 4


def test_a_last_row_that_was_cut_off_does_not_count(tmp_path: Path) -> None:
    with Journal(tmp_path, 0) as journal:
        journal.write(_row(1))
        journal.write(_row(2))
    content = (tmp_path / LOG_FILE).read_bytes()
    (tmp_path / LOG_FILE).write_bytes(content[:-25])
    assert read_log(tmp_path / LOG_FILE) == [_row(1)]


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_log(tmp_path / LOG_FILE) == []


@pytest.mark.parametrize("step", [0, 127, 128, 20_000])
def test_steps_of_any_size_can_be_written(step: int) -> None:
    (record,) = _records(scalars_record(0.0, step, {}))
    number = sum((byte & 127) << 7 * place for place, byte in enumerate(record[10:-2]))
    assert number == step
