"""What anybody may ask for: models, pages, whether the studio is there."""

from typing import Annotated

from fastapi import APIRouter, Header
from pydantic import BaseModel
from starlette.responses import Response

from fergi.provenance import fergi_version
from fergi.studio.routes.context import problems
from fergi.studio.served_models import served_model

router = APIRouter(prefix="/api", responses=problems())


class Health(BaseModel):
    """That the studio is there."""

    status: str
    version: str


@router.get("/health")
def health() -> Health:
    """Say that the studio is there."""
    return Health(status="ok", version=fergi_version())


@router.get(
    "/models/{name}",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The file"},
        304: {"description": "The browser has it"},
        **problems(404),
    },
)
def model(name: str, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """Give a model to the browser."""
    found = served_model(name)
    headers = {"ETag": f'"{found.sha256}"', "Cache-Control": "no-cache"}
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type="application/octet-stream", headers=headers)
