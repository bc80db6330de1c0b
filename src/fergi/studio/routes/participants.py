"""What a participant's browser asks for and sends."""

from datetime import timedelta
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Body, Depends, Header, Request, Response

from fergi.studio.answers import bytes_answer
from fergi.studio.clip_messages import ClipReceipt, ClipRecord
from fergi.studio.clips import put_record, put_video, require_announced
from fergi.studio.consent import give_consent
from fergi.studio.deletion import delete_participant
from fergi.studio.joining import COOKIE_DAYS, join
from fergi.studio.messages import (
    ConsentGiven,
    ConsentRecord,
    Joining,
    Progress,
    PromptWritten,
    Ranking,
    Survey,
)
from fergi.studio.places import ClipPlace, neutral_place
from fergi.studio.progress import finish, participant_progress, put_prompt, put_ranking, put_survey
from fergi.studio.routes.context import (
    PARTICIPANT_COOKIE,
    Admitted,
    Context,
    ImageNumber,
    InContext,
    NamedClip,
    SessionNumber,
    counting_failures,
    problems,
    sender,
)
from fergi.studio.stimuli import stimulus_content
from fergi.studio.study_description import study_description
from fergi.studio.study_messages import StimulusState, StudyDescription
from fergi.studio.uploading import received_video

router = APIRouter(prefix="/api/participants", responses=problems(401))
_OWN = "/{participant}"
_IMAGE = "/{participant}/sessions/{session}/images/{image}"
_CLIP = "/{participant}/clips/{session}/{image}/{kind}"
_NEUTRAL = "/{participant}/clips/neutral"
VIDEO_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "video/webm": {"schema": {"type": "string", "format": "binary"}},
            "video/mp4": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


async def _body(request: Request) -> bytes:
    return await request.body()


RawBody = Annotated[bytes, Depends(_body)]


def _path(participant: str) -> str:
    return f"/api/participants/{participant}"


@router.post("", status_code=201, responses={200: {"model": Progress}, **problems(401, 409, 410)})
def come_in(request: Request, response: Response, context: InContext, joining: Joining) -> Progress:
    """Exchange a link for a cookie."""
    context.failures.require(sender(request))
    with counting_failures(request, context):
        joined = join(context.studio, joining)
    response.status_code = 201 if joined.is_new else 200
    response.set_cookie(
        PARTICIPANT_COOKIE,
        joined.cookie,
        max_age=int(timedelta(days=COOKIE_DAYS).total_seconds()),
        path=_path(joined.participant),
        secure=context.has_tls,
        httponly=True,
        samesite="strict",
    )
    return participant_progress(context.studio, joined.participant)


@router.get(_OWN)
def progress(context: InContext, participant: Admitted) -> Progress:
    """Tell how far the participant has come."""
    return participant_progress(context.studio, participant)


@router.delete(_OWN, status_code=204)
def withdraw(context: InContext, participant: Admitted, response: Response) -> None:
    """Delete everything about the participant, at once."""
    delete_participant(context.studio, participant, "withdrawn")
    response.delete_cookie(PARTICIPANT_COOKIE, path=_path(participant))


@router.get(f"{_OWN}/study")
def study(context: InContext, participant: Admitted) -> StudyDescription:
    """Describe the study as this participant sees it."""
    return study_description(context.studio, participant)


@router.put(f"{_OWN}/consent", responses=problems(409))
def consent(context: InContext, participant: Admitted, given: ConsentGiven) -> ConsentRecord:
    """Record a choice of what is kept, and delete what it does not cover."""
    return give_consent(context.studio, participant, given)


@router.post(f"{_OWN}/finish")
def come_to_the_end(context: InContext, participant: Admitted) -> Progress:
    """Note the end."""
    finish(context.studio, participant)
    return participant_progress(context.studio, participant)


@router.put(f"{_OWN}/sessions/{{session}}/prompt", status_code=204, responses=problems(404, 409))
def prompt(
    context: InContext, participant: Admitted, session: SessionNumber, written: PromptWritten
) -> None:
    """Keep a prompt of the participant's own."""
    put_prompt(context.studio, participant, session, written.prompt)


@router.put(f"{_OWN}/sessions/{{session}}/ranking", status_code=204, responses=problems(404, 409))
def ranking(
    context: InContext, participant: Admitted, session: SessionNumber, ranking: Ranking
) -> None:
    """Keep the order in which the participant likes the images."""
    put_ranking(context.studio, participant, session, ranking)


@router.put(f"{_IMAGE}/survey", status_code=204, responses=problems(404, 409))
def survey(
    context: InContext,
    participant: Admitted,
    session: SessionNumber,
    image: ImageNumber,
    survey: Survey,
) -> None:
    """Keep what is said of an image."""
    put_survey(context.studio, participant, session, image, survey)


@router.post(f"{_IMAGE}/stimulus", responses=problems(404))
def ask_for_stimulus(
    context: InContext, participant: Admitted, session: SessionNumber, image: ImageNumber
) -> StimulusState:
    """Have a stimulus made, if it is not there yet."""
    return context.generation.request(participant, session, image)


@router.get(
    f"{_IMAGE}/stimulus",
    response_class=Response,
    responses={
        200: {"description": "The stimulus", "content": {"*/*": {}}},
        206: {"description": "A part of it", "content": {"*/*": {}}},
        **problems(404, 416),
    },
)
def stimulus(
    context: InContext,
    participant: Admitted,
    session: SessionNumber,
    image: ImageNumber,
    range_header: Annotated[str | None, Header(alias="range")] = None,
) -> Response:
    """Give a stimulus."""
    content, content_type = stimulus_content(context.studio, participant, session, image)
    return bytes_answer(content, content_type, range_header)


@router.put(_NEUTRAL, responses=problems(409, 413))
def neutral_record(
    context: InContext, participant: Admitted, record: Annotated[ClipRecord, Body()], body: RawBody
) -> ClipReceipt:
    """Take in the neutral recording."""
    return put_record(context.studio, neutral_place(participant), record, body)


@router.put(_CLIP, responses=problems(404, 409, 413))
def clip_record(
    context: InContext,
    _: Admitted,
    place: NamedClip,
    record: Annotated[ClipRecord, Body()],
    body: RawBody,
) -> ClipReceipt:
    """Take in all of a clip but its video."""
    return put_record(context.studio, place, record, body)


_VIDEO_PROBLEMS = problems(404, 408, 409, 411, 413, 415)


@router.put(f"{_NEUTRAL}/video", openapi_extra=VIDEO_BODY, responses=_VIDEO_PROBLEMS)
async def neutral_video(request: Request, context: InContext, participant: Admitted) -> ClipReceipt:
    """Take in the video of the neutral recording."""
    return await _video(request, context, neutral_place(participant))


@router.put(f"{_CLIP}/video", openapi_extra=VIDEO_BODY, responses=_VIDEO_PROBLEMS)
async def clip_video(
    request: Request,
    context: InContext,
    _: Admitted,
    place: NamedClip,
) -> ClipReceipt:
    """Take in the video of a clip."""
    return await _video(request, context, place)


async def _video(request: Request, context: Context, place: ClipPlace) -> ClipReceipt:
    announced = await to_thread.run_sync(require_announced, context.studio, place)
    received = await received_video(request, context.studio.uploads, announced)
    try:
        return await to_thread.run_sync(put_video, context.studio, place, received)
    finally:
        received.path.unlink(missing_ok=True)
