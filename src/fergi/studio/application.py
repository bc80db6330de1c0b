"""The application: the study behind its addresses."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fergi.provenance import fergi_version
from fergi.studio.answers import problem_answer
from fergi.studio.deletion import recover
from fergi.studio.generation import Generation
from fergi.studio.generators import Generator
from fergi.studio.guard import Guard
from fergi.studio.messages import WrongField
from fergi.studio.rate_limits import RateLimit
from fergi.studio.refusals import TITLES, RequestRefusedError
from fergi.studio.routes import participants, public, researchers
from fergi.studio.routes.context import Context
from fergi.studio.routes.pages import Assets, page_router, pages_folder
from fergi.studio.studio import Studio

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FAILURES_PER_MINUTE = 30
_WRONG_FIELDS_TOLD = 20
_KIND_OF_STATUS = {404: "unknown", 405: "wrong-method", 408: "timeout", 413: "too-large"}


def application(
    studio: Studio,
    *,
    hosts: Collection[str] = LOOPBACK,
    has_tls: bool = False,
    origin: str | None = None,
    maker: Generator | None = None,
    pages: Path | None = None,
) -> FastAPI:
    """Build the application of a study.

    Args:
        studio: The study; what a sudden end left behind is put in order at the start.
        hosts: Names by which browsers may call it.
        has_tls: Whether they come by https.
        origin: The address that links begin with; by default that of the request.
        maker: A generator in place of the one that the study describes.
        pages: Where the built pages are; by default in the package.
    """
    folder = pages or pages_folder()
    app = FastAPI(
        title="fergi studio",
        version=fergi_version(),
        openapi_url="/api/openapi.json",
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.context = Context(
        studio=studio,
        generation=Generation(studio, maker),
        has_tls=has_tls,
        origin=origin,
        requests=RateLimit(studio.configuration.limits.requests_per_minute),
        failures=RateLimit(_FAILURES_PER_MINUTE),
    )
    for router in (public.router, participants.router, researchers.router):
        app.include_router(router)
    app.mount("/assets", Assets(directory=folder / "assets", check_dir=False))
    app.include_router(page_router(folder))
    _handle_errors(app)
    app.add_middleware(Guard, hosts=hosts, has_tls=has_tls)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    recover(context.studio)
    yield
    context.generation.close()
    context.studio.close()


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestRefusedError)
    def refused(_: Request, error: RequestRefusedError) -> Response:
        return problem_answer(error)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:
        return problem_answer(_refusal(error))

    @app.exception_handler(HTTPException)
    def unknown(_: Request, error: HTTPException) -> Response:
        kind = _KIND_OF_STATUS.get(error.status_code, "bad-request")
        answer = problem_answer(RequestRefusedError(kind, TITLES[kind][1] + "."))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(OperationalError)
    def busy(_: Request, __: OperationalError) -> Response:
        return problem_answer(
            RequestRefusedError("busy", "The database is busy or full.", retry_after=2.0)
        )

    @app.exception_handler(OSError)
    def disk(_: Request, __: OSError) -> Response:
        return problem_answer(
            RequestRefusedError("busy", "The storage cannot be written.", retry_after=10.0)
        )


def _refusal(error: RequestValidationError) -> RequestRefusedError:
    found = list(error.errors())
    if any(one["type"] == "json_invalid" for one in found):
        return RequestRefusedError("bad-request", "The body is no JSON.")
    wrong = [WrongField(where=_place(one), problem=one["msg"]) for one in found]
    return RequestRefusedError(
        "invalid", "Some values cannot be; see errors.", errors=wrong[:_WRONG_FIELDS_TOLD]
    )


def _place(error: dict[str, Any]) -> str:
    return ".".join(str(part) for part in error["loc"])
