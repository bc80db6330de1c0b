"""What every route needs: the study, who asks, and how often."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Request, Security
from fastapi.security import APIKeyCookie

from fergi.studio.generation import Generation
from fergi.studio.joining import require_participant, require_researcher
from fergi.studio.messages import ProblemDetails
from fergi.studio.places import ClipPlace, clip_place
from fergi.studio.rate_limits import RateLimit
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.studio import Studio

PARTICIPANT_COOKIE = "fergi_participant"
RESEARCHER_COOKIE = "fergi_admin"
_PARTICIPANT_KEY = APIKeyCookie(
    name=PARTICIPANT_COOKIE, scheme_name="participant", auto_error=False
)
_RESEARCHER_KEY = APIKeyCookie(name=RESEARCHER_COOKIE, scheme_name="researcher", auto_error=False)


@dataclass(frozen=True, slots=True)
class Context:
    """What the application holds while it runs.

    Attributes:
        studio: The study.
        generation: Pictures in the making.
        has_tls: Whether browsers reach it by https.
        origin: Its own address, as participants are told; None: as the request has it.
        requests: Limit on the requests of each cookie.
        failures: Limit on the failed attempts of each address to come in.
    """

    studio: Studio
    generation: Generation
    has_tls: bool
    origin: str | None
    requests: RateLimit
    failures: RateLimit


def context_of(request: Request) -> Context:
    """Give the application's context."""
    context: Context = request.app.state.context
    return context


InContext = Annotated[Context, Depends(context_of)]
ParticipantName = Annotated[str, Path(pattern=r"^p[0-9a-z]{9}$")]
SessionNumber = Annotated[int, Path(ge=1, le=10_000)]
ImageNumber = Annotated[int, Path(ge=1, le=10_000)]


def named_clip(
    participant: ParticipantName,
    session: SessionNumber,
    image: ImageNumber,
    kind: Literal["baseline", "reaction"],
) -> ClipPlace:
    """Tell which clip an address names."""
    return clip_place(participant, session, image, kind)


NamedClip = Annotated[ClipPlace, Depends(named_clip)]


def sender(request: Request) -> str:
    """Name the machine that asks."""
    return request.client.host if request.client else "unknown"


def admitted_participant(
    request: Request,
    context: InContext,
    participant: ParticipantName,
    cookie: Annotated[str | None, Security(_PARTICIPANT_KEY)],
) -> str:
    """Let a participant pass to data of their own."""
    with counting_failures(request, context):
        require_participant(context.studio, participant, cookie)
    context.requests.take(participant)
    return participant


def admitted_researcher(
    request: Request,
    context: InContext,
    cookie: Annotated[str | None, Security(_RESEARCHER_KEY)],
) -> str:
    """Let a researcher pass."""
    with counting_failures(request, context):
        require_researcher(context.studio, cookie)
    context.requests.take("researcher")
    return str(cookie)


@contextmanager
def counting_failures(request: Request, context: Context) -> Iterator[None]:
    """Run what needs a secret, and count it against the sender if the secret was wrong.

    Raises:
        RequestRefusedError: If it was, or too many were.
    """
    try:
        yield
    except RequestRefusedError as refusal:
        if refusal.status in (401, 410):
            context.failures.take(sender(request))
        raise


Admitted = Annotated[str, Depends(admitted_participant)]
AdmittedResearcher = Annotated[str, Depends(admitted_researcher)]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the refusals of a route."""
    return {
        status: {
            "model": ProblemDetails,
            "description": "Refused",
            "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}},
        }
        for status in sorted({400, 403, 422, 429, 500, 503, *statuses})
    }


PROBLEM_SCHEMA = {"$ref": "#/components/schemas/ProblemDetails"}
