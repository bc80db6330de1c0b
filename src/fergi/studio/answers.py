"""Answers that are no JSON of their own: problems, and bytes with ranges."""

import math
import re

from starlette.responses import JSONResponse, Response

from fergi.studio.refusals import RequestRefusedError

PROBLEM_TYPE = "application/problem+json"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class ProblemResponse(JSONResponse):
    """A problem, as RFC 9457 has it."""

    media_type = PROBLEM_TYPE


def problem_answer(refusal: RequestRefusedError) -> Response:
    """Answer with what was wrong."""
    headers = {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    if refusal.kind == "token-needed":
        headers["WWW-Authenticate"] = "Cookie"
    content = refusal.details().model_dump(exclude_none=True)
    return ProblemResponse(content, status_code=refusal.status, headers=headers)


def bytes_answer(content: bytes, content_type: str, range_header: str | None) -> Response:
    """Answer with bytes, or with the part of them that is asked for.

    Raises:
        RequestRefusedError: If there is no such part.
    """
    headers = {"Accept-Ranges": "bytes"}
    match = _RANGE.fullmatch(range_header or "")
    if match is None or match[0] == "bytes=-":  # several ranges, or none: all of it
        return Response(content, media_type=content_type, headers=headers)
    start, end = _bounds(match[1], match[2], len(content))
    if start >= end:
        raise RequestRefusedError("range", f"There are {len(content)} bytes.")
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
    return Response(content[start:end], status_code=206, media_type=content_type, headers=headers)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size
