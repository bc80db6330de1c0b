"""What the researcher's pages ask for."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.responses import StreamingResponse

from fergi.errors import UsageError
from fergi.stages.valence import Valence
from fergi.studio.answers import bytes_answer
from fergi.studio.dashboard import overview, participant_detail, participant_summaries
from fergi.studio.dashboard_messages import (
    AnnotationTable,
    ClipDetail,
    Entering,
    LinkList,
    LinkSummary,
    LinksWanted,
    NewLinkMessage,
    NewLinks,
    Overview,
    ParticipantDetail,
    ParticipantList,
)
from fergi.studio.deletion import delete_participant
from fergi.studio.joining import (
    RESEARCHER_HOURS,
    enter_researcher,
    leave_researcher,
    link_address,
    links,
    make_links,
    revoke_link,
)
from fergi.studio.places import neutral_place
from fergi.studio.reaction_player import clip_detail, clip_video
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.routes.context import (
    RESEARCHER_COOKIE,
    AdmittedResearcher,
    Context,
    ImageNumber,
    InContext,
    NamedClip,
    ParticipantName,
    SessionNumber,
    counting_failures,
    problems,
    sender,
)
from fergi.studio.stimuli import stimulus_content
from fergi.studio.study_export import (
    annotation_archive,
    annotations_so_far,
    pieces,
    study_archive,
)

router = APIRouter(prefix="/api/admin", responses=problems(401))
_PARTICIPANT = "/participants/{participant}"
_CLIP = f"{_PARTICIPANT}/clips/{{session}}/{{image}}/{{kind}}"
_NEUTRAL = f"{_PARTICIPANT}/clips/neutral"
Range = Annotated[str | None, Header(alias="range")]
_BYTES = {
    200: {"description": "The bytes", "content": {"*/*": {}}},
    206: {"description": "A part of them", "content": {"*/*": {}}},
    **problems(404, 416),
}


@router.post("/session", status_code=204)
def enter(request: Request, response: Response, context: InContext, entering: Entering) -> None:
    """Exchange the researcher's token for a cookie."""
    context.failures.require(sender(request))
    with counting_failures(request, context):
        cookie = enter_researcher(context.studio, entering.token)
    response.set_cookie(
        RESEARCHER_COOKIE,
        cookie,
        max_age=int(timedelta(hours=RESEARCHER_HOURS).total_seconds()),
        path="/api/admin",
        secure=context.has_tls,
        httponly=True,
        samesite="strict",
    )


@router.delete("/session", status_code=204)
def leave(context: InContext, cookie: AdmittedResearcher, response: Response) -> None:
    """Go out."""
    leave_researcher(context.studio, cookie)
    response.delete_cookie(RESEARCHER_COOKIE, path="/api/admin")


@router.get("/study")
def study(request: Request, context: InContext, _: AdmittedResearcher) -> Overview:
    """Show the study at a glance."""
    return overview(context.studio, _origin(request, context))


@router.get("/participants")
def participants(context: InContext, _: AdmittedResearcher) -> ParticipantList:
    """List participants, with progress and quality."""
    return ParticipantList(participants=participant_summaries(context.studio))


@router.get(_PARTICIPANT, responses=problems(404))
def one_participant(
    context: InContext, _: AdmittedResearcher, participant: ParticipantName
) -> ParticipantDetail:
    """Show a participant, and everything recorded."""
    return participant_detail(context.studio, participant)


@router.delete(_PARTICIPANT, status_code=204, responses=problems(404))
def delete_one(context: InContext, _: AdmittedResearcher, participant: ParticipantName) -> None:
    """Delete a participant altogether."""
    if not delete_participant(context.studio, participant, "deleted by the researcher"):
        raise RequestRefusedError("unknown", "There is no such participant.")


@router.get(_NEUTRAL, responses=problems(404))
def neutral(context: InContext, _: AdmittedResearcher, participant: ParticipantName) -> ClipDetail:
    """Show the neutral recording, with its curves."""
    return clip_detail(context.studio, neutral_place(participant))


@router.get(_CLIP, responses=problems(404))
def clip(
    context: InContext,
    _: AdmittedResearcher,
    place: NamedClip,
) -> ClipDetail:
    """Show a clip, with its curves."""
    return clip_detail(context.studio, place)


@router.get(f"{_NEUTRAL}/video", response_class=Response, responses=_BYTES)
def neutral_video(
    context: InContext,
    _: AdmittedResearcher,
    participant: ParticipantName,
    range_header: Range = None,
) -> Response:
    """Give the video of the neutral recording."""
    return bytes_answer(*clip_video(context.studio, neutral_place(participant)), range_header)


@router.get(f"{_CLIP}/video", response_class=Response, responses=_BYTES)
def video(
    context: InContext,
    _: AdmittedResearcher,
    place: NamedClip,
    range_header: Range = None,
) -> Response:
    """Give the video of a clip."""
    return bytes_answer(*clip_video(context.studio, place), range_header)


@router.get(
    f"{_PARTICIPANT}/sessions/{{session}}/images/{{image}}/stimulus",
    response_class=Response,
    responses=_BYTES,
)
def stimulus(
    context: InContext,
    _: AdmittedResearcher,
    participant: ParticipantName,
    session: SessionNumber,
    image: ImageNumber,
    range_header: Range = None,
) -> Response:
    """Give what the participant saw."""
    content, content_type = stimulus_content(context.studio, participant, session, image)
    return bytes_answer(content, content_type, range_header)


@router.get("/annotations", responses=problems(409))
def annotations(
    context: InContext, _: AdmittedResearcher, valence: Valence = Valence.FAU_NET
) -> AnnotationTable:
    """Annotate what is there now."""
    return annotations_so_far(context.studio, valence.value)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {"description": "An archive", "content": {"application/zip": {}}},
        **problems(409),
    },
)
def export(
    context: InContext,
    _: AdmittedResearcher,
    contents: Annotated[Literal["study", "annotations"], Query()] = "study",
) -> StreamingResponse:
    """Give the study without its videos, or its annotations, as a zip."""
    make = study_archive if contents == "study" else annotation_archive
    return StreamingResponse(
        pieces(make(context.studio)),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{contents}.zip"'},
    )


@router.get("/links")
def list_links(context: InContext, _: AdmittedResearcher) -> LinkList:
    """List links and their states."""
    return LinkList(links=[LinkSummary.model_validate(one) for one in links(context.studio)])


@router.post("/links", status_code=201, responses=problems(404))
def new_links(
    request: Request, context: InContext, _: AdmittedResearcher, wanted: LinksWanted
) -> NewLinks:
    """Make links; their addresses are told this once."""
    count = 1 if wanted.participant else wanted.count
    made = make_links(context.studio, count, label=wanted.label, participant=wanted.participant)
    origin = _origin(request, context)
    return NewLinks(
        links=[
            NewLinkMessage(link_id=one.link_id, address=link_address(origin, one.token))
            for one in made
        ]
    )


@router.delete("/links/{link_id}", status_code=204, responses=problems(404))
def revoke(
    context: InContext,
    _: AdmittedResearcher,
    link_id: Annotated[str, Path(pattern=r"^l[0-9a-z]{9}$")],
) -> None:
    """Revoke a link, and shut out who came in by it."""
    try:
        revoke_link(context.studio, link_id)
    except UsageError as error:
        raise RequestRefusedError("unknown", "There is no such link.") from error


def _origin(request: Request, context: Context) -> str:
    return context.origin or str(request.base_url).rstrip("/")
