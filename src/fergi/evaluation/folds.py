"""Folds of people: nobody is in two of them."""

from collections.abc import Sequence

from fergi.datasets.disfa_protocol import published_folds
from fergi.errors import UsageError
from fergi.seeds import random_stream


def person_folds(people: Sequence[str], count: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Split people into folds.

    Three folds of people of DISFA are the published ones; as many folds as people leave one
    person out each. Otherwise people are shuffled and dealt.

    Args:
        people: Names; a person who is in two data sets has one name.
        count: How many folds.
        seed: Of the shuffling.

    Returns:
        The people of each fold, in order.

    Raises:
        UsageError: If there are fewer people than folds, or fewer than two folds.

    Example:
        >>> person_folds(["c", "a", "b"], 3)
        [('a',), ('b',), ('c',)]
    """
    names = sorted(set(people))
    if not 2 <= count <= len(names):
        raise UsageError(
            f"{len(names)} people cannot be split into {count} folds; choose 2 to {len(names)}"
            if len(names) > 1
            else "one person cannot be split"
        )
    if count == len(names):
        return [(name,) for name in names]
    known = [tuple(name for name in fold if name in names) for fold in published_folds()]
    if count == len(known) and all(known) and sum(map(len, known)) == len(names):
        return known
    shuffled = random_stream(seed, "folds", count).permutation(names).tolist()
    return [tuple(sorted(shuffled[start::count])) for start in range(count)]
