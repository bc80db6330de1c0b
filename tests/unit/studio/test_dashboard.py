import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from fergi.records.preference import ANNOTATION_SCHEMA
from fergi.studio.studio import Studio


def test_the_overview_counts_what_is_there(
    make_visitor: Callable[..., Any], researcher: Any, film: Any
) -> None:
    make_visitor(None)
    visitor = make_visitor("video")
    video = film()
    visitor.film("1/1/reaction", video)
    visitor.ask("POST", "/finish")
    shown = researcher.get("/study")
    assert shown["counts"] == {
        "participants": 2,
        "consented": 1,
        "finished": 1,
        "withdrawn": 0,
        "clips": 1,
        "videos": 1,
        "bytes": len(video),
    }
    assert shown["prompts"][0] == {"text": "a lighthouse in the fog", "stimuli": 3}
    assert "/" not in shown["folder"]


def test_progress_and_quality_of_each_participant_are_shown(
    visitor: Any, researcher: Any, record: Any
) -> None:
    visitor.do_session(1)
    dim = record()
    dim["quality"] = {"frames": 30, "dropped_frames": 10, "light": 0.1}
    dim["series"]["yaw_ratio"] = [0.9] * 15 + [0.5] * 15
    visitor.send("2/1/reaction", dim)
    (shown,) = researcher.get("/participants")["participants"]
    assert shown["participant"] == visitor.name
    assert (shown["sessions"], shown["sessions_complete"]) == (2, 1)
    assert (shown["clips"], shown["clips_expected"]) == (7, 12)
    # Three whole reactions and one that is half valid.
    assert shown["valid_share"] == pytest.approx(3.5 / 4)
    assert shown["dropped_share"] == pytest.approx(0.25 / 4)
    assert shown["light"] == pytest.approx((3 * 0.5 + 0.1) / 4)
    assert shown["frame_rate"] == pytest.approx(30.0)


def test_the_reaction_player_gets_curves_events_and_what_they_say(
    visitor: Any, researcher: Any, record: Any
) -> None:
    sent = record(rise=2.0)
    sent["series"]["face_confidence"][0] = None
    visitor.send("1/1/reaction", sent)
    shown = researcher.get(f"/participants/{visitor.name}/clips/1/1/reaction")
    assert shown["events"] == [{"name": "stimulus-onset", "seconds": 0.0}]
    assert shown["series"]["intensities"][0] is None
    assert shown["series"]["intensities"][20][6] == pytest.approx(2.1)
    assert shown["is_valid"] == [False] + [True] * 29
    assert shown["activation"]["AU12"] == pytest.approx(2.0)
    assert shown["activation"]["AU4"] == 0
    assert isinstance(shown["valence"], float)
    assert shown["video"] is None


def test_a_smile_pleases_more_than_no_smile(visitor: Any, researcher: Any, record: Any) -> None:
    visitor.send("1/1/reaction", record(rise=3.0))
    visitor.send("1/2/reaction", record(rise=0.0))
    smiled, unmoved = (
        researcher.get(f"/participants/{visitor.name}/clips/1/{image}/reaction")["valence"]
        for image in (1, 2)
    )
    assert smiled > unmoved


def test_a_face_that_was_hardly_seen_has_no_valence(
    visitor: Any, researcher: Any, record: Any
) -> None:
    sent = record()
    sent["series"]["intensities"] = [None] * 30
    visitor.send("1/1/reaction", sent)
    shown = researcher.get(f"/participants/{visitor.name}/clips/1/1/reaction")
    assert (shown["activation"], shown["valence"]) == (None, None)
    assert shown["valid_share"] == 0


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=10-", slice(10, None)),
        ("bytes=-5", slice(-5, None)),
        ("bytes=0-99999999", slice(0, None)),
    ],
)
def test_a_part_of_a_video_can_be_asked_for(
    filmed_visitor: Any, researcher: Any, film: Any, asked: str, expected: slice
) -> None:
    video = film()
    filmed_visitor.film("1/1/reaction", video)
    shown = researcher.get(f"/participants/{filmed_visitor.name}/clips/1/1/reaction")
    path = shown["video"].removeprefix("/api/admin")
    answer = researcher.ask("GET", path, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == video[expected]
    assert answer.headers["content-range"].endswith(f"/{len(video)}")
    beyond = researcher.ask("GET", path, headers={"Range": f"bytes={len(video)}-"})
    assert beyond.status_code == 416


def test_a_participant_s_answers_and_ranking_are_shown(visitor: Any, researcher: Any) -> None:
    visitor.do_session(1)
    shown = researcher.get(f"/participants/{visitor.name}")
    session = shown["session_details"][0]
    assert session["ranking"] == [3, 2, 1]
    assert session["complete"]
    assert session["images"][1]["survey"]["overall_rating"] == 2
    assert session["images"][1]["reaction"]["state"] == "confirmed"
    picture = researcher.ask(
        "GET", session["images"][1]["stimulus"]["address"].removeprefix("/api/admin")
    )
    assert picture.content.startswith(b"\x89PNG")


def test_annotations_so_far_are_those_of_the_pipeline(visitor: Any, researcher: Any) -> None:
    visitor.do_session(1)
    shown = researcher.get("/annotations")
    assert [row["preferred"] for row in shown["annotations"]] == [1, 1, 1]
    assert set(shown["annotations"][0]) == set(ANNOTATION_SCHEMA)
    assert shown["facts"]["pairs"] == 3
    assert shown["problems"] == []


def test_without_a_clip_there_are_no_annotations_and_no_failure(researcher: Any) -> None:
    assert researcher.get("/annotations")["annotations"] == []


def test_the_study_can_be_taken_away_without_its_videos(
    filmed_visitor: Any, researcher: Any, film: Any, tmp_path: Any
) -> None:
    filmed_visitor.film("1/1/reaction", film())
    filmed_visitor.do_session(2)
    answer = researcher.ask("GET", "/export?contents=study")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert f"{filmed_visitor.name}/session_1/reaction_clip_1_features.csv" in names
    assert f"{filmed_visitor.name}/session_2/data.json" in names
    assert not [name for name in names if name.endswith((".webm", ".sqlite", ".toml"))]


def test_annotations_can_be_taken_away_with_their_provenance(
    visitor: Any, researcher: Any, study: Any
) -> None:
    visitor.do_session(1)
    answer = researcher.ask("GET", "/export?contents=annotations")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        table = pl.read_csv(archive.read("annotations.csv"))
        record = json.loads(archive.read("annotations.csv.json"))
    assert len(table) == 3
    assert record["models"]
    # Nothing is left of the archive on the server.
    assert list((study / ".studio" / "uploads").iterdir()) == []


def test_links_are_made_listed_and_revoked(researcher: Any, client: TestClient) -> None:
    made = researcher.ask("POST", "/links", json={"count": 2, "label": "lab"})
    assert made.status_code == 201
    addresses = [one["address"] for one in made.json()["links"]]
    assert all(one.startswith("http://127.0.0.1:8765/join#") for one in addresses)
    listed = researcher.get("/links")["links"]
    assert {one["state"] for one in listed} == {"open"}
    assert addresses[0].partition("#")[2] not in json.dumps(listed)
    gone = made.json()["links"][0]
    assert researcher.ask("DELETE", f"/links/{gone['link_id']}").status_code == 204
    body = {"link": gone["address"].partition("#")[2], "key": "L" * 43}
    assert client.post("/api/participants", json=body).status_code == 410
    assert researcher.ask("DELETE", "/links/l234567892").status_code == 404


def test_a_link_for_nobody_is_refused(researcher: Any) -> None:
    body = {"participant": "p234567892"}
    assert researcher.ask("POST", "/links", json=body).status_code == 404


def test_who_is_unknown_is_not_shown(researcher: Any) -> None:
    for path in ("", "/clips/1/1/reaction", "/clips/neutral", "/clips/1/1/reaction/video"):
        assert researcher.ask("GET", f"/participants/p234567892{path}").status_code == 404


def test_when_somebody_was_last_seen_is_known_to_the_minute(
    visitor: Any, researcher: Any, clock: Any, studio: Studio
) -> None:
    clock.pass_by(minutes=5)
    visitor.ask("GET")
    (shown,) = researcher.get("/participants")["participants"]
    assert shown["last_seen"] == "2026-01-01T00:05:00Z"
