import pytest
from hypothesis import given
from hypothesis import strategies as st

from fergi.datasets.disfa_protocol import published_folds
from fergi.errors import UsageError
from fergi.evaluation.folds import person_folds

NAMES = st.lists(st.text("abcdef", min_size=1), min_size=2, max_size=30, unique=True)


@given(NAMES, st.data())
def test_everyone_is_in_one_fold_and_folds_are_even(names: list[str], data: st.DataObject) -> None:
    count = data.draw(st.integers(2, len(names)))
    folds = person_folds(names, count)
    assert len(folds) == count
    assert sorted(person for fold in folds for person in fold) == sorted(names)
    assert max(map(len, folds)) - min(map(len, folds)) <= 1


def test_three_folds_of_disfa_are_the_published_ones() -> None:
    people = sorted(person for fold in published_folds() for person in fold)
    assert person_folds(people, 3) == list(published_folds())
    assert person_folds(people[3:], 3) == [
        tuple(person for person in fold if person in people[3:]) for fold in published_folds()
    ]


def test_nine_people_in_nine_folds_are_left_out_one_by_one() -> None:
    people = [f"SN{number:03d}" for number in (1, 3, 4, 7, 9, 10, 13, 25, 27)]
    assert person_folds(people, 9) == [(person,) for person in people]


def test_the_order_of_the_names_does_not_matter() -> None:
    names = list("abcdefgh")
    assert person_folds(names, 3) == person_folds(names[::-1], 3)


def test_another_seed_gives_other_folds() -> None:
    names = list("abcdefghijkl")
    assert person_folds(names, 3, seed=0) != person_folds(names, 3, seed=1)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_number_of_folds_that_makes_no_sense_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match="3 people cannot be split"):
        person_folds(["a", "b", "c"], count)
