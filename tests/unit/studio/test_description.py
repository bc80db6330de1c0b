"""The OpenAPI description is true: schemathesis sends what it allows, and what it does not."""

import contextlib
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis import GenerationMode, checks
from starlette.testclient import TestClient

_EXAMPLES = 8
_CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
]


@schemathesis.serializer("video/webm", "video/mp4")
def _bytes(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _try(operation: Any, mode: GenerationMode, cookie: str, participant: str) -> int:
    """Send some requests, and check every answer; tell how many were sent."""
    sent = 0

    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    def tries(case: Any) -> None:
        nonlocal sent
        if "participant" in (case.path_parameters or {}):
            case.path_parameters["participant"] = participant
        answer = case.call(headers={"Cookie": cookie, "Host": "localhost"})
        case.validate_response(answer, checks=_CHECKS)
        sent += 1

    with contextlib.suppress(hypothesis.errors.Unsatisfiable):  # nothing in it can be wrong
        tries()
    return sent


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_as_described(
    client: TestClient, researcher: Any, visitor: Any, mode: GenerationMode
) -> None:
    headers = {"Host": "localhost"}
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", client.app, headers=headers)
    cookie = f"fergi_participant={visitor.cookie}; fergi_admin={researcher.cookie}"
    sent = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.method.upper() == "DELETE" and not operation.path.endswith("{link_id}"):
            continue  # else the rest would meet nothing but 401
        if mode is GenerationMode.NEGATIVE and not _has_input(operation):
            continue
        sent[operation.label] = _try(operation, mode, cookie, visitor.name)
    assert sum(count > 0 for count in sent.values()) >= 20, sent


def _has_input(operation: Any) -> bool:
    return bool(operation.body or operation.query or operation.path_parameters)
