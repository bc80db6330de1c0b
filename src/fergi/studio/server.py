"""Serving a study: on this machine alone unless it is told otherwise, and then encrypted."""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

from fergi.errors import UsageError
from fergi.studio.application import LOOPBACK, application
from fergi.studio.database import STUDIO_FOLDER
from fergi.studio.patience import ImpatientProtocol
from fergi.studio.studio import Studio
from fergi.studio.tables import StudioFact

DEFAULT_PORT = 8765
try:
    import fcntl
except ModuleNotFoundError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

_ADDRESS_FACT = "address"
_SECONDS_TO_FINISH = 10
_SECONDS_KEPT_ALIVE = 75
"""Longer than a clip lasts, lest a connection be closed just as the next clip is sent."""
_CONNECTIONS = 800
"""Fewer than the files that a process may usually open (1024)."""
_ANY = ("0.0.0.0", "::")  # noqa: S104 (compared with, not bound to)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a study is served.

    Attributes:
        host: The interface.
        port: 0 for a free one.
        tls_cert: Certificate chain, PEM.
        tls_key: Its private key, PEM.
        is_insecure_allowed: Whether others may come without encryption.
        address: What browsers call it, such as `https://study.example.org`.
    """

    host: str = LOOPBACK[0]
    port: int = DEFAULT_PORT
    tls_cert: Path | None = None
    tls_key: Path | None = None
    is_insecure_allowed: bool = False
    address: str | None = None

    @property
    def has_tls(self) -> bool:
        """Whether browsers come by https."""
        is_behind_tls = self.address is not None and self.address.startswith("https://")
        return self.tls_cert is not None or is_behind_tls

    def require_safe(self) -> None:
        """Check that faces do not travel unencrypted by mistake.

        Raises:
            UsageError: If they would.
        """
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UsageError("--tls-cert and --tls-key belong together; give both")
        for path in (self.tls_cert, self.tls_key):
            if path is not None and not path.is_file():
                raise UsageError(f"{path} is no file; give certificate and key as PEM files")
        if not _is_loopback(self.host) and self.tls_cert is None and not self.is_insecure_allowed:
            raise UsageError(
                f"--host {self.host} lets others in, and their recordings would travel "
                "unencrypted; give --tls-cert and --tls-key, or --insecure-host where something "
                "else encrypts"
            )
        if self.host in _ANY and self.address is None:
            raise UsageError(
                f"--host {self.host} is every interface; say with --address "
                "https://NAME:PORT what browsers call it"
            )
        if self.address is not None and urlsplit(self.address).scheme not in {"http", "https"}:
            raise UsageError(f"--address {self.address}: give http://NAME or https://NAME")

    def hosts(self) -> tuple[str, ...]:
        """List the names by which browsers may call it."""
        named = urlsplit(self.address).hostname if self.address else None
        return tuple({*LOOPBACK, self.host, *([named] if named else [])})

    def origin(self, port: int) -> str:
        """Give the address that links begin with."""
        if self.address is not None:
            return self.address.rstrip("/")
        scheme = "https" if self.has_tls else "http"
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{name}:{port}"


def serve(studio: Studio, place: Place, started: Callable[[str], None]) -> None:
    """Serve a study until it is interrupted.

    Args:
        studio: The study.
        place: Where.
        started: Told the address, once connections are taken.

    Raises:
        UsageError: If the place is not safe, or taken, or another process serves the study.
    """
    place.require_safe()
    with _served_once(studio), _bound(place) as listener:
        origin = place.origin(listener.getsockname()[1])
        _remember(studio, origin)
        app = application(
            studio, hosts=place.hosts(), has_tls=place.has_tls, origin=place.address and origin
        )
        started(origin)
        uvicorn.Server(server_settings(app, place)).run(sockets=[listener])


def server_settings(app: FastAPI, place: Place) -> uvicorn.Config:
    """Say how a study is served."""
    return uvicorn.Config(
        app,
        ssl_certfile=place.tls_cert,
        ssl_keyfile=place.tls_key,
        http=ImpatientProtocol,
        ws="none",
        log_level="warning",
        access_log=False,  # who came when is nobody's business
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_SECONDS_KEPT_ALIVE,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
    )


def last_address(studio: Studio) -> str:
    """Give the address at which a study was last served."""
    with studio.database.reading() as session:
        fact = session.get(StudioFact, _ADDRESS_FACT)
    return fact.value if fact else f"http://{LOOPBACK[0]}:{DEFAULT_PORT}"


def _remember(studio: Studio, origin: str) -> None:
    with studio.database.writing() as session:
        session.merge(StudioFact(name=_ADDRESS_FACT, value=origin))


@contextmanager
def _served_once(studio: Studio) -> Iterator[None]:
    """Keep a second server of this machine off a study.

    At its start it would take what the first is receiving for what a sudden end left behind.
    """
    path = studio.root / STUDIO_FOLDER / "serving"
    with path.open("a") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(
                    f"{studio.root} is served already, at {last_address(studio)}; stop that first"
                ) from error
        yield


def _bound(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((place.host, place.port))
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"{place.host}:{place.port} cannot be taken ({error.strerror}); choose another --port"
        ) from error
    return listener


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
