from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def _kind(answer: Any) -> str:
    return str(answer.json()["type"].rpartition(":")[2])


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("choice", [None, "nothing"])
def test_without_consent_nothing_of_a_participant_is_taken(
    make_visitor: Callable[..., Any], record: Any, study: Path, choice: str | None
) -> None:
    visitor = make_visitor(choice)
    answers = [
        visitor.send("1/1/reaction", record()),
        visitor.send("neutral", record()),
        visitor.ask("PUT", "/sessions/1/images/1/survey", json={"overall_rating": 3}),
        visitor.ask("PUT", "/sessions/1/ranking", json={"best_first": [1, 2, 3]}),
    ]
    assert [_kind(answer) for answer in answers] == ["consent-needed"] * 4
    assert not (study / visitor.name).exists()


def test_consent_to_features_does_not_cover_a_video(visitor: Any, record: Any, film: Any) -> None:
    answer = visitor.send("1/1/reaction", record(video=film()))
    assert _kind(answer) == "consent-needed"


def test_every_choice_is_kept_with_its_text_and_time(
    make_visitor: Callable[..., Any], researcher: Any, clock: Any
) -> None:
    visitor = make_visitor("features")
    clock.pass_by(minutes=30)
    visitor.consent("video")
    kept = researcher.get(f"/participants/{visitor.name}")["consents"]
    assert [one["choice"] for one in kept] == ["features", "video"]
    assert [one["given"] for one in kept] == ["2026-01-01T00:00:00Z", "2026-01-01T00:30:00Z"]
    assert {one["sha256"] for one in kept} == {visitor.study()["consent"]["texts"]["en"]["sha256"]}


def test_the_same_choice_sent_again_is_one_choice(visitor: Any, researcher: Any) -> None:
    first = visitor.consent("features").json()
    assert visitor.consent("features").json() == first
    assert len(researcher.get(f"/participants/{visitor.name}")["consents"]) == 1


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"version": "another"}, "consent-changed"),
        ({"sha256": "1" * 64}, "consent-changed"),
        ({"language": "fr"}, "consent-changed"),
    ],
)
def test_consent_to_another_text_is_no_consent(
    make_visitor: Callable[..., Any], change: dict[str, str], kind: str
) -> None:
    visitor = make_visitor(None)
    asked = visitor.study()["consent"]
    given = {
        "version": asked["version"],
        "sha256": asked["texts"]["en"]["sha256"],
        "language": "en",
        "choice": "features",
    }
    answer = visitor.ask("PUT", "/consent", json=given | change)
    assert answer.status_code == 409
    assert _kind(answer) == kind
    assert visitor.progress()["consent"] is None


def test_a_new_consent_text_stops_uploads_until_it_is_agreed_to(
    visitor: Any, record: Any, studio: Any
) -> None:
    assert visitor.send("neutral", record()).is_success
    renewed = studio.configuration.consent.model_copy(update={"version": "2"})
    object.__setattr__(studio.configuration, "consent", renewed)
    assert _kind(visitor.send("1/1/reaction", record())) == "consent-changed"
    visitor.consent("features")
    assert visitor.send("1/1/reaction", record()).is_success


def test_a_last_choice_of_features_deletes_the_videos_and_keeps_the_numbers(
    filmed_visitor: Any, film: Any, study: Path
) -> None:
    for kind in ("baseline", "reaction"):
        assert filmed_visitor.film(f"1/1/{kind}", film()).is_success
    assert filmed_visitor.film("neutral", film()).is_success
    filmed_visitor.ask("POST", "/finish")
    assert "reaction_clip_1.webm" in _names(study / filmed_visitor.name)
    assert filmed_visitor.consent("features").is_success
    left = _names(study / filmed_visitor.name)
    assert {name for name in left if name.endswith(".webm")} == set()
    assert {"reaction_clip_1_features.csv", "neutral_clip_features.csv"} <= left
    states = {clip["state"] for clip in filmed_visitor.progress()["sessions"][0]["clips"]}
    assert states == {"confirmed"}


def test_a_clip_that_was_video_alone_is_gone_with_its_video(
    filmed_visitor: Any, film: Any, study: Path
) -> None:
    assert filmed_visitor.film("1/1/reaction", film(), series=False).is_success
    filmed_visitor.consent("features")
    assert filmed_visitor.progress()["sessions"][0]["clips"] == []
    left = _names(study / filmed_visitor.name)
    assert not [name for name in left if name.startswith("reaction_clip_1")]


def test_features_that_were_extracted_from_a_video_stay_when_it_goes(
    filmed_visitor: Any, film: Any, study: Path, record: Any
) -> None:
    assert filmed_visitor.film("1/1/reaction", film(), series=False).is_success
    extracted = study / filmed_visitor.name / "session_1" / "reaction_clip_1_features.csv"
    extracted.write_bytes(b"frame,timestamp\n")
    filmed_visitor.consent("features")
    assert extracted.exists()
    assert not extracted.with_name("reaction_clip_1.webm").exists()


def test_a_last_choice_of_nothing_leaves_only_the_record_of_it(
    filmed_visitor: Any, film: Any, study: Path, researcher: Any
) -> None:
    filmed_visitor.film("1/1/reaction", film())
    filmed_visitor.ask("PUT", "/sessions/1/images/1/survey", json={"extra": {}})
    assert filmed_visitor.consent("nothing").is_success
    assert not (study / filmed_visitor.name).exists()
    shown = researcher.get(f"/participants/{filmed_visitor.name}")
    assert [one["choice"] for one in shown["consents"]] == ["video", "nothing"]
    assert shown["clips"] == 0
    assert shown["session_details"][0]["images"][0]["survey"] is None


def test_a_study_offers_only_its_own_choices(make_visitor: Callable[..., Any], studio: Any) -> None:
    offered = studio.configuration.consent.model_copy(update={"choices": ["features"]})
    object.__setattr__(studio.configuration, "consent", offered)
    visitor = make_visitor(None)
    assert visitor.study()["consent"]["choices"] == ["features", "nothing"]
    assert _kind(visitor.consent("video")) == "consent-needed"
