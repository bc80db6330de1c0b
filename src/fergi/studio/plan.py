"""What one participant will see, and in which order."""

from collections.abc import Sequence
from typing import TypeVar

from fergi.seeds import random_stream
from fergi.studio.configuration import StudyConfiguration
from fergi.studio.tables import SessionRow, StimulusRow

_Thing = TypeVar("_Thing")


def planned_sessions(
    configuration: StudyConfiguration, participant: str, place: int
) -> tuple[list[SessionRow], list[StimulusRow]]:
    """Plan the sessions of a participant.

    Args:
        configuration: The study.
        participant: The participant's name, from which random orders are drawn.
        place: How many have joined before, by which rotated orders are turned.

    Returns:
        Sessions and stimuli, both numbered from 1 in the order in which they are shown.
    """
    sessions: list[SessionRow] = []
    stimuli: list[StimulusRow] = []
    for number, (prompt, sources) in enumerate(_shown(configuration, participant, place), start=1):
        sessions.append(
            SessionRow(participant=participant, session=number, prompt=prompt, ranking=None)
        )
        stimuli += [
            _stimulus(participant, number, image, source)
            for image, source in enumerate(sources, start=1)
        ]
    return sessions, stimuli


def _shown(
    configuration: StudyConfiguration, participant: str, place: int
) -> list[tuple[str | None, Sequence[str | None]]]:
    """List prompts with the files of their stimuli; None for what is not known yet."""
    order, generator = configuration.order, configuration.generator
    if generator is not None and generator.prompts_by_participant:
        return [(None, [None] * generator.images)] * generator.sessions
    ordered = _ordered(configuration.prompts, order.prompts, configuration.seed, participant, place)
    prompts = ordered[: order.sessions or None]
    if generator is not None:
        return [(prompt.text, [None] * generator.images) for prompt in prompts]
    seed = configuration.seed
    return [
        (one.text, _ordered(one.stimuli, order.stimuli, seed, f"{participant}/{one.text}", place))
        for one in prompts
    ]


def _ordered(
    things: Sequence[_Thing], order: str, seed: int, name: str, place: int
) -> list[_Thing]:
    match order:
        case "random":
            stream = random_stream(seed, "order", name)
            return [things[index] for index in stream.permutation(len(things))]
        case "rotated":
            turn = place % len(things)
            return [*things[turn:], *things[:turn]]
        case _:
            return list(things)


def _stimulus(participant: str, session: int, image: int, source: str | None) -> StimulusRow:
    ending = None if source is None else "." + source.rsplit(".", 1)[-1].lower()
    return StimulusRow(
        participant=participant,
        session=session,
        image=image,
        source=source,
        ending=ending,
        state="waiting" if source is None else "ready",
        detail=None,
        survey=None,
    )
