import socket
from pathlib import Path

import pytest

from fergi.errors import UsageError
from fergi.studio.routes.pages import missing_pages
from fergi.studio.server import Place, serve
from fergi.studio.studio import Studio

EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 (never bound to)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and a key, as far as the command looks at them."""
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()
    return tmp_path / "cert.pem", tmp_path / "key.pem"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_this_machine_alone_needs_no_encryption(host: str) -> None:
    Place(host).require_safe()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (Place("192.168.1.5"), "unencrypted"),
        (Place("studio.example"), "unencrypted"),
        (Place(EVERY_INTERFACE), "unencrypted"),
        (Place(EVERY_INTERFACE, is_insecure_allowed=True), "--address"),
        (Place(tls_cert=Path("cert.pem")), "belong together"),
        (Place(tls_cert=Path("no.pem"), tls_key=Path("no.pem")), "is no file"),
        (Place(address="study.example"), "https://NAME"),
    ],
)
def test_a_place_that_is_not_safe_is_refused(place: Place, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        place.require_safe()


def test_others_may_come_where_it_is_encrypted(files: tuple[Path, Path]) -> None:
    place = Place("192.168.1.5", tls_cert=files[0], tls_key=files[1])
    place.require_safe()
    assert place.has_tls
    assert place.origin(8765) == "https://192.168.1.5:8765"
    assert "192.168.1.5" in place.hosts()


def test_others_may_come_where_a_proxy_encrypts() -> None:
    place = Place(EVERY_INTERFACE, is_insecure_allowed=True, address="https://study.example/")
    place.require_safe()
    assert place.has_tls  # so cookies are for https alone
    assert place.origin(8765) == "https://study.example"
    assert set(place.hosts()) >= {"study.example", "127.0.0.1"}


@pytest.mark.enable_socket
def test_a_port_that_is_taken_is_named(studio: Studio) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(UsageError, match="choose another --port"):
            serve(studio, Place(port=port), lambda _: None)


@pytest.mark.enable_socket
def test_a_study_is_served_once_at_a_time(studio: Studio) -> None:
    def serve_again(_: str) -> None:
        with pytest.raises(UsageError, match="is served already"):
            serve(studio, Place(port=0), lambda _: None)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve(studio, Place(port=0), serve_again)


def test_pages_that_are_not_built_are_named(tmp_path: Path) -> None:
    (tmp_path / "try.html").touch()
    assert missing_pages(tmp_path) == ["join", "admin"]
