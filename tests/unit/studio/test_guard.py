"""What holds for every address: tokens, headers, lengths, no traces."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from fergi.studio.application import application
from fergi.studio.example import write_example
from fergi.studio.rate_limits import RateLimit
from fergi.studio.studio import open_studio

PUBLIC = {
    ("GET", "/api/health"),
    ("GET", "/api/models/{name}"),
    ("POST", "/api/participants"),
    ("POST", "/api/admin/session"),
}
METHODS = {"GET", "PUT", "POST", "DELETE"}


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[str, str]]]:
    """Every method and address of the studio's own description."""
    root = tmp_path_factory.mktemp("studies") / "study"
    write_example(root)
    studio = open_studio(root)
    described = application(studio).openapi()["paths"]
    yield [
        (method.upper(), path)
        for path, operations in described.items()
        for method in operations
        if method.upper() in METHODS
    ]
    studio.close()


def _filled(path: str, participant: str) -> str:
    values = {
        "participant": participant,
        "session": "1",
        "image": "1",
        "kind": "reaction",
        "link_id": "l234567892",
        "name": "mesh.safetensors",
    }
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], path)


def test_every_address_but_a_few_needs_a_token(
    routes: list[tuple[str, str]], visitor: Any, client: TestClient
) -> None:
    assert set(routes) > PUBLIC
    for method, path in set(routes) - PUBLIC:
        answer = client.request(method, _filled(path, visitor.name))
        assert answer.status_code == 401, (method, path, answer.text)


def test_no_participant_s_cookie_opens_another_s_data_or_the_researcher_s(
    routes: list[tuple[str, str]], make_visitor: Callable[..., Any], client: TestClient
) -> None:
    visitor, other = make_visitor(), make_visitor()
    visitor.do_session(1)
    for method, path in set(routes) - PUBLIC:
        cookies = f"fergi_participant={other.cookie}; fergi_admin={other.cookie}"
        answer = client.request(method, _filled(path, visitor.name), headers={"Cookie": cookies})
        assert answer.status_code == 401, (method, path, answer.text)


def test_the_researcher_s_cookie_is_no_participant_s(
    visitor: Any, researcher: Any, client: TestClient
) -> None:
    headers = {"Cookie": f"fergi_participant={researcher.cookie}"}
    assert client.get(visitor.home, headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/api/health", "/api/participants/x", "/nowhere", "/try", "/"])
def test_every_answer_has_the_headers_that_protect(client: TestClient, path: str) -> None:
    headers = client.get(path, follow_redirects=False).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "connect-src 'self'" in policy
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy
    assert "camera=(self)" in headers["permissions-policy"]
    assert "microphone=()" in headers["permissions-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_nothing_private_is_cached(visitor: Any) -> None:
    assert visitor.ask("GET").headers["cache-control"] == "no-store"
    picture = visitor.ask("GET", "/sessions/1/images/1/stimulus")
    assert picture.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Host", "evil.example"),
        ("Host", ""),
        ("Origin", "http://evil.example"),
        ("Origin", "http://127.0.0.1:9999"),
        ("Origin", "null"),
    ],
)
def test_other_sites_are_refused(client: TestClient, header: str, value: str) -> None:
    answer = client.get("/api/health", headers={header: value})
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:fergi:studio:foreign-origin"


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765"])
def test_its_own_names_are_not(client: TestClient, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert client.get("/api/health", headers=headers).status_code == 200


def test_a_body_of_unknown_length_is_refused(visitor: Any) -> None:
    answer = visitor.ask("PUT", "/clips/1/1/reaction", content=iter([b"{}"]))
    assert answer.status_code == 411


def test_a_body_that_is_too_long_is_refused_before_it_is_read(visitor: Any) -> None:
    answer = visitor.ask("PUT", "/clips/1/1/reaction", content=b" " * (2 * 2**20 + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 5000, b""])
def test_a_body_that_is_no_json_is_no_failure_of_ours(visitor: Any, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = visitor.ask("PUT", "/clips/1/1/reaction", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_mistake_of_ours_shows_no_trace(
    visitor: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mistaken(*_: object) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr("fergi.studio.routes.participants.participant_progress", mistaken)
    answer = visitor.ask("GET")
    assert answer.status_code == 500
    assert answer.json() == {
        "type": "urn:fergi:studio:failed",
        "title": "The studio failed",
        "status": 500,
        "detail": "The studio made a mistake; try again.",
    }
    assert "the secret reason" in caplog.text  # for the researcher


def test_a_full_disk_is_said_to_be_so_and_loses_nothing(
    visitor: Any, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fergi.studio.clip_contents.flush", full)
        answer = visitor.send("1/1/reaction", record())
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "10"
    assert visitor.send("1/1/reaction", record()).json()["state"] == "confirmed"


@pytest.mark.parametrize(
    "name",
    [
        "%2e%2e",
        "%2e%2e%2f%2e%2e%2fstudy.toml",
        "..%5c..%5cstudy.toml",
        "P2345678b2",
        "p2345678b2%0a",
        "p%0000000000",
        "ü",
    ],
)
def test_names_never_become_paths(client: TestClient, study: Path, name: str) -> None:
    before = sorted(study.parent.rglob("*"))
    for method in ("GET", "DELETE"):
        answer = client.request(method, f"/api/participants/{name}")
        assert answer.status_code in (401, 403, 404, 405, 422)
    assert client.get(f"/api/models/{name}").status_code == 404
    assert client.get(f"/assets/{name}").status_code == 404
    assert sorted(study.parent.rglob("*")) == before


def _limit(client: TestClient, per_minute: int) -> None:
    """Lower the limit of requests, and stop its clock."""
    state = client.app.state  # type: ignore[attr-defined]
    limit = RateLimit(per_minute, clock=lambda: 0.0)
    state.context = dataclasses.replace(state.context, requests=limit)


def test_too_many_requests_are_slowed_down_and_slow_nobody_else(
    make_visitor: Callable[..., Any], client: TestClient
) -> None:
    first, second = make_visitor(), make_visitor()
    _limit(client, 10)
    answers = [first.ask("GET") for _ in range(12)]
    assert [one.status_code for one in answers] == [200] * 10 + [429] * 2
    assert answers[-1].headers["retry-after"] == "6"
    assert second.ask("GET").status_code == 200


def test_guessing_is_slowed_down(client: TestClient) -> None:
    bodies = [{"token": f"{number:043d}"} for number in range(40)]
    statuses = [client.post("/api/admin/session", json=body).status_code for body in bodies]
    assert set(statuses) == {401, 429}


def test_the_description_of_the_api_names_no_place_of_this_machine(
    client: TestClient, study: Path
) -> None:
    described = client.get("/api/openapi.json")
    assert described.status_code == 200
    assert str(study) not in json.dumps(described.json())


def test_no_page_of_somebody_else_documents_the_api(client: TestClient) -> None:
    assert client.get("/docs").status_code == 404
    assert client.get("/redoc").status_code == 404
