"""What holds for every request and every answer: hosts, origins, lengths, headers, no traces."""

import logging
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fergi.studio.answers import problem_answer
from fergi.studio.patience import TimelyBody
from fergi.studio.refusals import RequestRefusedError

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",  # the face networks are WebAssembly
        "style-src 'self'",
        "style-src-attr 'unsafe-inline'",  # jsPsych places things by style attributes
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_PERMISSIONS = ", ".join(
    (
        "camera=(self)",
        *(f"{name}=()" for name in ("microphone", "geolocation", "payment", "usb", "bluetooth")),
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": _PERMISSIONS,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
_LARGEST_JSON = 2 * 2**20
_LOGGER = logging.getLogger("fergi.studio")


class Guard:
    """Stands before the application.

    It refuses what comes from another site or under another name (a page of another site may
    point its own name at 127.0.0.1), bodies of unknown or excessive length, or that come too
    slowly, and lets nothing out without its headers, nor any trace of an error.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], has_tls: bool) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._has_tls = has_tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, if it may pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._add_headers(scope, MutableHeaders(scope=message))
            await send(message)

        try:
            length = self._allowed_length(scope)
            await self._app(scope, TimelyBody(receive, length), sending)
        except RequestRefusedError as refusal:
            await problem_answer(refusal)(scope, receive, sending)
        except Exception:
            # The log is the researcher's; the browser learns only that it was our fault.
            _LOGGER.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise
            failure = RequestRefusedError("failed", "The studio made a mistake; try again.")
            await problem_answer(failure)(scope, receive, sending)

    def _allowed_length(self, scope: Scope) -> int:
        """Check a request by its head; give the bytes that its body will have."""
        headers = Headers(scope=scope)
        if _host_of(headers.get("host", "")) not in self._hosts:
            raise RequestRefusedError("foreign-origin", "The studio does not go by this name.")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != headers["host"]:
            raise RequestRefusedError("foreign-origin", "Open the page on the studio itself.")
        return 0 if scope["method"] in _BODILESS else _body_length(headers, scope["path"])

    def _add_headers(self, scope: Scope, headers: MutableHeaders) -> None:
        for name, value in _HEADERS.items():
            headers[name] = value
        if self._has_tls:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if scope["path"].startswith("/api/"):
            headers.setdefault("Cache-Control", "no-store")


def _host_of(header: str) -> str:
    """Take the port off a host."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def _body_length(headers: Headers, path: str) -> int:
    if "transfer-encoding" in headers:
        raise RequestRefusedError("length-needed", "Send the body with Content-Length.")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise RequestRefusedError("bad-request", "Content-Length must be a number.")
    if int(length) > _LARGEST_JSON and not path.endswith("/video"):
        raise RequestRefusedError("too-large", f"At most {_LARGEST_JSON} bytes are taken here.")
    return int(length)
