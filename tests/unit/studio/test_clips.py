import base64
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fergi.datasets.feature_files import read_feature_files
from fergi.records.action_units import ActionUnitSeries


def _kind(answer: Any) -> str:
    return str(answer.json()["type"].rpartition(":")[2])


def _hidden(study: Path) -> list[Path]:
    return list((study / ".studio" / "uploads").iterdir())


def test_a_series_is_confirmed_by_the_hash_of_what_was_sent(visitor: Any, record: Any) -> None:
    body = json.dumps(record()).encode()
    answer = visitor.ask(
        "PUT", "/clips/1/1/reaction", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.json() == {
        "state": "confirmed",
        "record_sha256": hashlib.sha256(body).hexdigest(),
        "video_sha256": None,
        "valid_share": 1.0,
    }


def test_a_series_becomes_the_feature_file_that_fergi_reads(
    visitor: Any, record: Any, study: Path
) -> None:
    sent = record(rise=2.5)
    sent["series"]["face_confidence"][3] = None
    sent["series"]["intensities"][3] = None
    assert visitor.send("1/2/reaction", sent).is_success
    path = study / visitor.name / "session_1" / "reaction_clip_2_features.csv"
    (found,) = read_feature_files([path])
    assert isinstance(found, ActionUnitSeries)
    # Files keep 3 decimals.
    np.testing.assert_allclose(found.times, sent["series"]["times"], atol=0.0005)
    expected = [[math.nan] * 12 if row is None else row for row in sent["series"]["intensities"]]
    np.testing.assert_allclose(found.intensities, expected, atol=0.0005)
    assert np.flatnonzero(np.isnan(found.face_confidence)).tolist() == [3]


def test_what_was_recorded_and_by_what_lies_beside_the_features(
    visitor: Any, record: Any, study: Path
) -> None:
    visitor.send("1/1/reaction", record())
    folder = study / visitor.name / "session_1"
    facts = json.loads((folder / "reaction_clip_1_recording.json").read_text(encoding="utf-8"))
    assert facts["events"] == [{"name": "stimulus-onset", "seconds": 0.0}]
    assert "series" not in facts
    origin = json.loads((folder / "reaction_clip_1_features.csv.json").read_text(encoding="utf-8"))
    assert origin["models"] == {"mesh": "0" * 64}
    assert origin["summary"]["scale"] == "proxy"


def test_the_image_that_was_seen_lies_beside_the_clip(
    visitor: Any, record: Any, study: Path
) -> None:
    visitor.send("1/2/reaction", record())
    shown = visitor.study()["sessions"][0]["images"][1]["address"].removeprefix(visitor.home)
    folder = study / visitor.name / "session_1"
    assert (folder / "image2.png").read_bytes() == visitor.ask("GET", shown).content
    assert not (folder / "image1.png").exists()


def test_a_clip_sent_again_gets_the_same_receipt(visitor: Any, record: Any) -> None:
    first = visitor.send("1/1/reaction", record())
    assert visitor.send("1/1/reaction", record()).json() == first.json()


def test_a_confirmed_clip_is_never_replaced(visitor: Any, record: Any, study: Path) -> None:
    visitor.send("1/1/reaction", record(rise=1.0))
    path = study / visitor.name / "session_1" / "reaction_clip_1_features.csv"
    before = path.read_bytes()
    assert _kind(visitor.send("1/1/reaction", record(rise=2.0))) == "conflict"
    assert path.read_bytes() == before


def test_a_video_is_confirmed_by_the_hash_of_what_was_written(
    filmed_visitor: Any, film: Any, study: Path
) -> None:
    video = film()
    receipt = filmed_visitor.film("1/1/reaction", video).json()
    path = study / filmed_visitor.name / "session_1" / "reaction_clip_1.webm"
    assert receipt["state"] == "confirmed"
    assert receipt["video_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.read_bytes() == video
    assert _hidden(study) == []


def test_a_clip_without_its_video_counts_nowhere(
    filmed_visitor: Any, record: Any, film: Any, study: Path
) -> None:
    answer = filmed_visitor.send("1/1/reaction", record(video=film()))
    assert answer.json()["state"] == "awaiting-video"
    clip = {"image": 1, "kind": "reaction", "state": "awaiting-video"}
    assert filmed_visitor.progress()["sessions"][0]["clips"] == [clip]
    assert not (study / filmed_visitor.name).exists()


def test_a_clip_that_awaits_its_video_may_be_recorded_again(
    filmed_visitor: Any, record: Any, film: Any
) -> None:
    filmed_visitor.send("1/1/reaction", record(video=film(seed=1)))
    second = film(seed=2)
    assert filmed_visitor.film("1/1/reaction", second).is_success
    assert filmed_visitor.film("1/1/reaction", second).is_success


def test_a_video_sent_again_gets_the_same_receipt(filmed_visitor: Any, film: Any) -> None:
    first = filmed_visitor.film("1/1/reaction", film())
    assert filmed_visitor.send_video("1/1/reaction", film()).json() == first.json()


def test_mp4_is_taken_too(filmed_visitor: Any, film: Any, record: Any, study: Path) -> None:
    video = film(kind="mp4")
    sent = record(video=video)
    sent["video"]["type"] = "video/mp4"
    assert filmed_visitor.send("1/1/reaction", sent).is_success
    answer = filmed_visitor.send_video("1/1/reaction", video, {"Content-Type": "video/mp4"})
    assert answer.is_success, answer.text
    assert (study / filmed_visitor.name / "session_1" / "reaction_clip_1.mp4").exists()


def test_a_video_that_was_not_announced_is_refused(filmed_visitor: Any, film: Any) -> None:
    assert _kind(filmed_visitor.send_video("1/1/reaction", film())) == "unknown"


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda video: video[:-1], "bad-request"),
        (lambda video: video + b"\0", "bad-request"),
        (lambda video: bytes([*video[:-1], video[-1] ^ 1]), "bad-request"),
    ],
    ids=["cut off", "longer", "altered"],
)
def test_a_video_that_is_not_the_announced_one_leaves_nothing(
    filmed_visitor: Any, record: Any, film: Any, study: Path, spoil: Any, kind: str
) -> None:
    video = film()
    filmed_visitor.send("1/1/reaction", record(video=video))
    answer = filmed_visitor.send_video("1/1/reaction", spoil(video))
    assert _kind(answer) == kind
    assert not (study / filmed_visitor.name).exists()
    assert _hidden(study) == []
    assert filmed_visitor.send_video("1/1/reaction", video).json()["state"] == "confirmed"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"#EXTM3U\nfile:///etc/passwd\n" * 50, "wrong-type"),
        (b"\x1a\x45\xdf\xa3webm" + bytes(500), "wrong-type"),
        (b"\0\0\0\x20ftypisom" + bytes(500), "wrong-type"),
        (b"<html><script>" * 50, "wrong-type"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "wrong-type"),
    ],
    ids=["playlist", "empty webm", "empty mp4", "page", "picture"],
)
def test_bytes_that_are_no_video_are_refused(
    filmed_visitor: Any, record: Any, study: Path, content: bytes, kind: str
) -> None:
    filmed_visitor.send("1/1/reaction", record(video=content))
    answer = filmed_visitor.send_video("1/1/reaction", content)
    assert answer.status_code == 415
    assert _kind(answer) == kind
    assert not (study / filmed_visitor.name).exists()


def test_a_webm_that_is_called_mp4_is_refused(filmed_visitor: Any, record: Any, film: Any) -> None:
    sent = record(video=film())
    sent["video"]["type"] = "video/mp4"
    filmed_visitor.send("1/1/reaction", sent)
    answer = filmed_visitor.send_video("1/1/reaction", film(), {"Content-Type": "video/mp4"})
    assert _kind(answer) == "wrong-type"


def test_a_video_of_another_type_than_announced_is_refused_before_it_is_read(
    filmed_visitor: Any, record: Any, film: Any
) -> None:
    filmed_visitor.send("1/1/reaction", record(video=film()))
    answer = filmed_visitor.send_video("1/1/reaction", film(), {"Content-Type": "text/html"})
    assert _kind(answer) == "wrong-type"


def test_a_video_that_lasts_too_long_is_refused(
    filmed_visitor: Any, record: Any, film: Any
) -> None:
    video = film(frames=30 * 17)
    filmed_visitor.send("1/1/reaction", record(video=video))
    answer = filmed_visitor.send_video("1/1/reaction", video)
    assert _kind(answer) == "invalid"
    assert "17.0 s" in answer.json()["detail"]


def test_a_video_that_is_too_large_is_refused_when_it_is_announced(
    filmed_visitor: Any, record: Any, film: Any
) -> None:
    sent = record(video=film())
    sent["video"]["bytes"] = 33 * 2**20
    answer = filmed_visitor.send("1/1/reaction", sent)
    assert answer.status_code == 413
    assert _kind(answer) == "too-large"


def test_a_digest_in_the_header_is_believed_only_if_it_is_right(
    filmed_visitor: Any, record: Any, film: Any
) -> None:
    video = film()
    filmed_visitor.send("1/1/reaction", record(video=video))
    right = base64.b64encode(hashlib.sha256(video).digest()).decode()
    wrong = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    refused = filmed_visitor.send_video(
        "1/1/reaction", video, {"Content-Digest": f"sha-256=:{wrong}:"}
    )
    assert _kind(refused) == "bad-request"
    taken = filmed_visitor.send_video(
        "1/1/reaction", video, {"Content-Digest": f"sha-256=:{right}:"}
    )
    assert taken.is_success


def _changed(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda sent: sent["series"].update(changes)


@pytest.mark.parametrize(
    "spoil",
    [
        _changed(times=[0.0] * 30),
        _changed(times=[0.1 + i / 30 for i in range(30)]),
        _changed(times=[i / 5000 for i in range(30)]),
        _changed(times=[0.0]),
        _changed(face_confidence=[0.9] * 29),
        _changed(face_confidence=[1.5] * 30),
        _changed(intensities=[[0.1] * 11] * 30),
        _changed(intensities=[[999.0] * 12] * 30),
        _changed(units=[1, 2, 3]),
        _changed(times=[i / 30 for i in range(1801)]),
        lambda sent: sent.update(series=None),
        lambda sent: sent.update(seconds=-1),
        lambda sent: sent.update(seconds="5"),
        lambda sent: sent.update(recorded="yesterday"),
        lambda sent: sent.update(recorded=0),
        lambda sent: sent["camera"].update(label="Anna's phone"),
        lambda sent: sent.update(events=[]),
        lambda sent: sent.update(events=[{"name": "../x", "seconds": 0}]),
        lambda sent: sent.update(path="../../x"),
        lambda sent: sent.update(seconds=1000.0),
    ],
)
def test_a_record_that_cannot_be_is_refused(
    visitor: Any, record: Any, study: Path, spoil: Callable[[dict[str, Any]], None]
) -> None:
    sent = record()
    spoil(sent)
    answer = visitor.send("1/1/reaction", sent)
    assert answer.status_code == 422, answer.text
    assert not (study / visitor.name).exists()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(visitor: Any, record: Any, number: str) -> None:
    body = json.dumps(record()).replace('"light": 0.5', f'"light": {number}')
    answer = visitor.ask(
        "PUT",
        "/clips/1/1/reaction",
        content=body.encode(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "path",
    ["9/1/reaction", "1/9/reaction", "0/1/reaction", "1/1/other", "1/x/reaction", "1/1/neutral"],
)
def test_a_clip_of_what_is_not_shown_is_refused(visitor: Any, record: Any, path: str) -> None:
    assert visitor.send(path, record()).status_code in (404, 422)


def test_nothing_more_is_taken_after_the_end(visitor: Any, record: Any) -> None:
    visitor.do_session(1)
    assert visitor.ask("POST", "/finish").json()["finished"] == "2026-01-01T00:00:00Z"
    assert _kind(visitor.send("2/1/reaction", record())) == "finished"
    answer = visitor.ask("PUT", "/sessions/1/ranking", json={"best_first": [1, 2, 3]})
    assert _kind(answer) == "finished"


def test_the_neutral_recording_is_no_clip_of_a_session(
    visitor: Any, record: Any, study: Path
) -> None:
    neutral = record()
    neutral["events"] = []
    assert visitor.send("neutral", neutral).is_success
    assert visitor.progress()["neutral"] == "confirmed"
    names = sorted(path.name for path in (study / visitor.name).iterdir())
    assert names == [
        "neutral_clip_features.csv",
        "neutral_clip_features.csv.json",
        "neutral_clip_recording.json",
    ]
