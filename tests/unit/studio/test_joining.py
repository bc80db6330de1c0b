import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from fergi.errors import UsageError
from fergi.studio.joining import links, make_links, researcher_token, revoke_link
from fergi.studio.studio import Studio


def _kind(answer: Any) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"].rpartition(":")[2])


def test_a_link_lets_one_browser_in_again_and_again(make_visitor: Callable[..., Any]) -> None:
    visitor = make_visitor(None)
    first, cookie = visitor.name, visitor.cookie
    again = visitor.join()
    assert again.status_code == 200
    assert visitor.name == first
    assert visitor.cookie != cookie


def test_a_used_link_lets_no_second_browser_in(make_visitor: Callable[..., Any]) -> None:
    visitor = make_visitor(None)
    visitor.key = "A" * 43
    answer = visitor.join()
    assert answer.status_code == 410
    assert _kind(answer) == "link-used"


def test_the_cookie_is_hidden_from_scripts_and_only_for_its_participant(
    client: TestClient, studio: Studio
) -> None:
    link = make_links(studio, 1)[0].token
    answer = client.post("/api/participants", json={"link": link, "key": "B" * 43})
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"]
    name = answer.json()["participant"]
    assert f"Path=/api/participants/{name};" in cookie + ";"
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


def test_no_token_is_kept_anywhere_as_it_is(
    make_visitor: Callable[..., Any], studio: Studio, study: Path
) -> None:
    visitor = make_visitor()
    token = researcher_token(studio)
    assert token is not None
    content = b"".join(path.read_bytes() for path in (study / ".studio").rglob("*.sqlite*"))
    for secret in (visitor.link, visitor.key, visitor.cookie, token):
        assert secret.encode() not in content


def test_an_unknown_link_is_refused(client: TestClient) -> None:
    answer = client.post("/api/participants", json={"link": "C" * 43, "key": "D" * 43})
    assert answer.status_code == 401


def test_a_revoked_link_shuts_out_who_came_in_by_it_and_keeps_their_data(
    visitor: Any, studio: Studio, study: Path
) -> None:
    visitor.do_session(1)
    (link,) = links(studio)
    revoke_link(studio, str(link["link_id"]))
    assert visitor.ask("GET").status_code == 401
    assert _kind(visitor.join()) == "link-revoked"
    assert (study / visitor.name / "session_1" / "data.json").exists()


def test_an_unknown_link_cannot_be_revoked(studio: Studio) -> None:
    with pytest.raises(UsageError, match="no link 'l234567892'"):
        revoke_link(studio, "l234567892")


def test_a_link_expires_unless_it_has_been_used(
    make_visitor: Callable[..., Any], client: TestClient, studio: Studio, clock: Any
) -> None:
    unused = make_links(studio, 1)[0].token
    visitor = make_visitor()
    clock.pass_by(days=91)
    late = client.post("/api/participants", json={"link": unused, "key": "E" * 43})
    assert _kind(late) == "link-expired"
    assert visitor.join().status_code == 200


def test_a_cookie_expires(visitor: Any, clock: Any) -> None:
    clock.pass_by(days=31)
    assert visitor.ask("GET").status_code == 401


def test_a_link_for_a_participant_lets_them_go_on_in_another_browser(
    visitor: Any, client: TestClient, studio: Studio
) -> None:
    visitor.do_session(1)
    link = make_links(studio, 1, participant=visitor.name)[0].token
    answer = client.post("/api/participants", json={"link": link, "key": "F" * 43})
    assert answer.status_code == 200
    assert answer.json() == visitor.progress()


def test_a_full_study_says_so(client: TestClient, studio: Studio, study: Path) -> None:
    limits = studio.configuration.limits.model_copy(update={"participants": 0})
    object.__setattr__(studio.configuration, "limits", limits)
    link = make_links(studio, 1)[0].token
    answer = client.post("/api/participants", json={"link": link, "key": "G" * 43})
    assert _kind(answer) == "study-full"
    assert [one["state"] for one in links(studio)] == ["open"]


def test_the_researchers_token_is_told_once(studio: Studio) -> None:
    assert researcher_token(studio) is not None
    assert researcher_token(studio) is None


def test_a_new_researchers_token_makes_the_old_one_and_its_cookies_worthless(
    researcher: Any, client: TestClient, studio: Studio
) -> None:
    assert researcher.ask("GET", "/participants").status_code == 200
    renewed = researcher_token(studio, renew=True)
    assert researcher.ask("GET", "/participants").status_code == 401
    assert client.post("/api/admin/session", json={"token": renewed}).status_code == 204


def test_a_researcher_who_leaves_is_out(researcher: Any) -> None:
    assert researcher.ask("DELETE", "/session").status_code == 204
    assert researcher.ask("GET", "/participants").status_code == 401


def test_a_researchers_cookie_lasts_half_a_day(researcher: Any, clock: Any) -> None:
    clock.pass_by(hours=13)
    assert researcher.ask("GET", "/participants").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"link": "short", "key": "H" * 43},
        {"link": "I" * 43, "key": "J" * 43, "more": 1},
        {"link": 7, "key": "K" * 43},
        [],
    ],
    ids=["empty", "short", "with more", "number", "list"],
)
def test_a_body_that_is_no_joining_is_refused(client: TestClient, body: Any) -> None:
    answer = client.post("/api/participants", content=json.dumps(body).encode())
    assert answer.status_code == 422
    assert _kind(answer) == "invalid"
