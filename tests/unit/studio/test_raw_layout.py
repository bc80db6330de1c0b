"""What the studio writes is what `fergi annotate` reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fergi.datasets.fergi_study import read_study
from fergi.pipeline import annotate_study
from fergi.records.clip import ClipKind
from fergi.settings import AnnotationSettings


def test_a_study_that_was_run_reads_without_a_problem(visitor: Any, study: Path) -> None:
    visitor.do_session(1)
    visitor.do_session(2)
    found = read_study(study)
    assert found.problems == ()
    assert found.participants == [visitor.name]
    assert len(found.images) == 6
    assert len(found.clips) == 12
    assert found.images.filter(session=1)["rank"].to_list() == [3, 2, 1]
    assert found.images["overall_rating"].to_list() == [1, 2, 3] * 2
    assert found.images["alignment_rating"].null_count() == 6
    assert found.images["amused"].to_list() == [True] * 6
    assert found.images["scared"].to_list() == [False] * 6
    prompts = [session["prompt"] for session in visitor.progress()["sessions"]]
    assert found.images["prompt"].unique(maintain_order=True).to_list() == prompts
    assert all((study / path).is_file() for path in found.images["path"])


def test_annotating_it_finds_what_the_faces_say(visitor: Any, study: Path) -> None:
    visitor.do_session(1)
    run = annotate_study(study, AnnotationSettings())
    assert run.problems == ()
    # In every pair the second image raised the smile more.
    assert run.annotations["preferred"].to_list() == [1, 1, 1]
    assert run.annotations["source"].to_list() == ["face"] * 3


def test_a_session_that_was_left_in_the_middle_is_read_as_far_as_it_went(
    visitor: Any, record: Any, study: Path
) -> None:
    for image in (1, 2):
        for kind in ClipKind:
            visitor.send(f"1/{image}/{kind.value}", record(rise=float(image)))
    visitor.ask("PUT", "/sessions/1/images/1/survey", json={"overall_rating": 5})
    found = read_study(study)
    assert found.problems == ()
    assert found.images["image"].to_list() == [1, 2]
    assert found.images["overall_rating"].to_list() == [5, None]
    assert found.images["rank"].to_list() == [None, None]


def test_answers_may_come_before_their_clips(
    visitor: Any, record: Any, session_record: Callable[..., Any]
) -> None:
    for image in (1, 2, 3):
        path = f"/sessions/1/images/{image}/survey"
        assert visitor.ask("PUT", path, json={"overall_rating": image}).is_success
    assert visitor.ask("PUT", "/sessions/1/ranking", json={"best_first": [2, 1, 3]}).is_success
    for image in (1, 2, 3):
        visitor.send(f"1/{image}/reaction", record())
    content = session_record(visitor.name, 1)
    assert content["ranking"] == [{"id": 1}, {"id": 0}, {"id": 2}]
    assert [one["overallRating"] for one in content["survey"]] == [1, 2, 3]
    assert visitor.progress()["sessions"][0]["complete"]


def test_videos_lie_where_extraction_looks_for_them(
    filmed_visitor: Any, film: Any, study: Path
) -> None:
    for image in (1, 2):
        filmed_visitor.film(f"1/{image}/reaction", film(seed=image), series=False)
    found = read_study(study)
    assert [clip.video_name for clip in found.clips] == [
        "reaction_clip_1.webm",
        "reaction_clip_2.webm",
    ]


def test_each_participant_sees_an_order_of_their_own(make_visitor: Callable[..., Any]) -> None:
    orders = {
        tuple(session["prompt"] for session in make_visitor().progress()["sessions"])
        for _ in range(12)
    }
    assert len(orders) == 2  # both orders of two prompts; the chance of missing one is 1 in 2,048


def test_the_file_says_which_stimulus_each_image_was(
    visitor: Any, session_record: Callable[..., Any], study: Path
) -> None:
    visitor.do_session(1)
    folder = study / visitor.name / "session_1"
    for image, source in enumerate(session_record(visitor.name, 1)["stimuli"], start=1):
        assert (folder / f"image{image}.png").read_bytes() == (study / source).read_bytes()


@pytest.mark.parametrize(
    ("ranking", "status"),
    [
        ([1, 2], 422),
        ([1, 2, 3, 4], 422),
        ([1, 1, 2], 422),
        ([0, 1, 2], 422),
        ([3, 1, 2], 204),
    ],
)
def test_a_ranking_names_each_image_once(visitor: Any, ranking: list[int], status: int) -> None:
    answer = visitor.ask("PUT", "/sessions/1/ranking", json={"best_first": ranking})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({"overall_rating": 0}, 422),
        ({"overall_rating": 8}, 422),
        ({"overall_rating": True}, 422),
        ({"issues": ["unknown"]}, 422),
        ({"extra": {"unasked": 1}}, 422),
        ({"reactions": ["amused", "scared"], "fidelity_rating": 7}, 204),
        ({}, 204),
    ],
)
def test_only_what_is_asked_is_taken_for_an_answer(
    visitor: Any, answers: dict[str, Any], status: int
) -> None:
    answer = visitor.ask("PUT", "/sessions/1/images/1/survey", json=answers)
    assert answer.status_code == status, answer.text


def test_the_last_answer_counts(
    visitor: Any, record: Any, session_record: Callable[..., Any]
) -> None:
    visitor.send("1/1/reaction", record())
    for rating in (2, 6):
        path = "/sessions/1/images/1/survey"
        visitor.ask("PUT", path, json={"overall_rating": rating})
    assert session_record(visitor.name, 1)["survey"][0]["overallRating"] == 6


def test_two_participants_never_mix(make_visitor: Callable[..., Any], study: Path) -> None:
    first, second = make_visitor(), make_visitor()
    first.do_session(1)
    second.do_session(2)
    counts = read_study(study).images.group_by("participant", "session").len()
    assert set(counts.rows()) == {(first.name, 1, 3), (second.name, 2, 3)}
    assert isinstance(counts, pl.DataFrame)
