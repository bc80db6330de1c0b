"""The pages, as Vite built them."""

from importlib import resources
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from fergi.studio.refusals import RequestRefusedError

PAGES = ("try", "join", "admin")
NOT_BUILT = "the pages of the studio are not built; in a checkout, run: make web"
_FOR_A_YEAR = "public, max-age=31536000, immutable"  # the names of assets hold their hashes


def pages_folder() -> Path:
    """Name the folder of the built pages."""
    return Path(str(resources.files("fergi.studio"))) / "pages"


def missing_pages(folder: Path) -> list[str]:
    """List the pages that are not built."""
    return [name for name in PAGES if not (folder / f"{name}.html").is_file()]


class Assets(StaticFiles):
    """Files whose names change with their contents."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """Let browsers keep them."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = _FOR_A_YEAR
        return response


def page_router(folder: Path) -> APIRouter:
    """Serve the pages of a folder."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def start() -> Response:
        return RedirectResponse("/try")

    @router.get("/{name}")
    def page(name: str) -> Response:
        if name not in PAGES:
            raise RequestRefusedError("unknown", "There is no such page.")
        if name in missing_pages(folder):
            raise RequestRefusedError("unknown", NOT_BUILT)
        return FileResponse(folder / f"{name}.html", headers={"Cache-Control": "no-cache"})

    return router
