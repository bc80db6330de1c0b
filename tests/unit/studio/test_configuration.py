from collections.abc import Callable
from pathlib import Path

import pytest

from fergi.errors import StudyError, UsageError
from fergi.studio.configuration import read_configuration, text_hash
from fergi.studio.example import write_example
from fergi.studio.plan import planned_sessions


def _change(old: str, new: str) -> Callable[[Path], None]:
    def change(study: Path) -> None:
        path = study / "study.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


def test_the_example_speaks_both_languages_and_shows_pictures(study: Path) -> None:
    found = read_configuration(study)
    assert found.languages == ["en", "zh"]
    assert set(found.consent.text) == {"en", "zh"}
    assert [len(prompt.stimuli) for prompt in found.prompts] == [3, 3]
    assert found.timing.reaction_seconds == 5


def test_the_example_is_made_once(study: Path) -> None:
    with pytest.raises(UsageError, match="not empty"):
        write_example(study)


def test_the_hash_of_a_consent_text_is_that_of_its_words(study: Path) -> None:
    found = read_configuration(study)
    described = found.consent_description().texts["zh"]
    assert described.sha256 == text_hash(found.consent.text["zh"])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda study: (study / "study.toml").unlink(), "fergi studio init"),
        (lambda study: (study / "study.toml").write_bytes(b"[["), "cannot be read"),
        (lambda study: (study / "study.toml").write_bytes(b"\xff"), "cannot be read"),
        (_change("[timing]", "[times]"), "times"),
        (_change("reaction_seconds = 5", "reaction_seconds = 20"), "limits.clip_seconds"),
        (_change("days = 365", "days = 0"), "retention.days"),
        (_change('folder = "stimuli/fox"', 'folder = "stimuli/owl"'), "is no folder"),
        (_change('folder = "stimuli/fox"', 'folder = "../"'), "is no folder in the study"),
        (_change('folder = "stimuli/fox"', 'stimuli = ["../study.toml"]'), "stimuli"),
        (
            _change('folder = "stimuli/fox"', 'stimuli = ["../a.png", "../b.png"]'),
            "lies outside",
        ),
        (
            _change('folder = "stimuli/fox"', 'stimuli = ["study.toml", "study.toml"]'),
            "cannot be shown",
        ),
        (
            _change('folder = "stimuli/fox"', 'stimuli = ["a.png", "b.png"]'),
            "is missing",
        ),
        (_change('languages = ["en", "zh"]', 'languages = ["de", "en"]'), "no text in 'de'"),
        (_change('reactions = ["disappointed"', 'reactions = ["dizzy"'), "dizzy"),
        (
            _change('# [generator]\n# kind = "endpoint"', '[generator]\nkind = "endpoint"'),
            "address",
        ),
    ],
)
def test_a_description_that_is_wrong_is_refused_with_its_place(
    study: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(study)
    with pytest.raises(StudyError, match=reason):
        read_configuration(study)


def _prompts(study: Path, place: int, participant: str = "p1") -> list[str | None]:
    sessions, _ = planned_sessions(read_configuration(study), participant, place)
    return [session.prompt for session in sessions]


def test_a_fixed_order_is_that_of_the_file(study: Path) -> None:
    _change('prompts = "random"', 'prompts = "fixed"')(study)
    expected = ["a lighthouse in the fog", "a fox made of paper"]
    assert _prompts(study, 0) == _prompts(study, 1, "p2") == expected


def test_a_rotated_order_moves_by_one_from_participant_to_participant(study: Path) -> None:
    _change('prompts = "random"', 'prompts = "rotated"')(study)
    _change('stimuli = "random"', 'stimuli = "rotated"')(study)
    assert _prompts(study, 0) == _prompts(study, 1)[::-1] == _prompts(study, 2)
    firsts = [
        planned_sessions(read_configuration(study), "p1", place)[1][0].source for place in range(6)
    ]
    assert len({name for name in firsts if name and "lighthouse" in name}) == 3


def test_each_participant_may_see_a_part_of_the_prompts(study: Path) -> None:
    _change("sessions = 0", "sessions = 1")(study)
    seen = {_prompts(study, 0, f"p{number}")[0] for number in range(20)}
    assert len(_prompts(study, 0)) == 1
    assert len(seen) == 2


def test_the_same_participant_gets_the_same_order(study: Path) -> None:
    assert _prompts(study, 0, "p7") == _prompts(study, 5, "p7")
