"""Every pair of a study with planted truth, as a page lists them: what was planted, what found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl


@dataclass(frozen=True, slots=True)
class PairRow:
    """One pair.

    Attributes:
        images: The numbers of both in their session.
        planted: The number of the one that was planted as the better.
        found: The number of the one that was found to be preferred; None for neither.
        confidence: The probability with which it was; None where none was found.
        source: What judged.
        is_right: Whether both are the same; None where none was found.
    """

    images: tuple[int, int]
    planted: int
    found: int | None
    confidence: float | None
    source: str
    is_right: bool | None


@dataclass(frozen=True, slots=True)
class SessionPairs:
    """The pairs of one session."""

    number: int
    prompt: str | None
    pairs: list[PairRow]


@dataclass(frozen=True, slots=True)
class ParticipantPairs:
    """The pairs of one participant that are listed, session by session."""

    name: str
    sessions: list[SessionPairs]

    @property
    def listed(self) -> int:
        """How many pairs."""
        return sum(len(session.pairs) for session in self.sessions)

    @property
    def right(self) -> int:
        """How many of them were found as they were planted."""
        return sum(bool(pair.is_right) for session in self.sessions for pair in session.pairs)


def pair_lists(
    pairs: pl.DataFrame, numbers: Mapping[str, int], *, most: int
) -> list[ParticipantPairs]:
    """List the pairs of a study.

    Args:
        pairs: What `fergi.evaluation.truth.planted_pairs` gives.
        numbers: Path of an image → its number in its session.
        most: How many pairs at most; the first session that would exceed it and all after it
            are left out.

    Returns:
        The participants in the order of `pairs`.
    """
    listed: dict[str, list[SessionPairs]] = {}
    for (participant, session), own in pairs.group_by(
        "participant", "session", maintain_order=True
    ):
        if len(own) > most:
            break
        most -= len(own)
        found = SessionPairs(int(str(session)), own["prompt"][0], pair_rows(own, numbers))
        listed.setdefault(str(participant), []).append(found)
    return [ParticipantPairs(name, sessions) for name, sessions in listed.items()]


def pair_rows(pairs: pl.DataFrame, numbers: Mapping[str, int]) -> list[PairRow]:
    """Say of each pair which image was planted as the better, and which one was found.

    Args:
        pairs: What `fergi.evaluation.truth.planted_pairs` gives.
        numbers: Path of an image → its number in its session.
    """
    return [_pair_row(pair, numbers) for pair in pairs.iter_rows(named=True)]


def _pair_row(pair: Mapping[str, Any], numbers: Mapping[str, int]) -> PairRow:
    images = numbers[pair["image_0"]], numbers[pair["image_1"]]
    return PairRow(
        images=images,
        planted=images[int(pair["truth_1"] > pair["truth_0"])],
        found=None if pair["preferred"] is None else images[pair["preferred"]],
        confidence=pair["confidence"],
        source=pair["source"],
        is_right=pair["is_right"],
    )
