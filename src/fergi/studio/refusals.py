"""Requests that are refused: what kind of refusal, and what the person reads."""

from collections.abc import Sequence
from http import HTTPStatus

from fergi.studio.messages import ProblemDetails, WrongField

TITLES = {
    "bad-request": (400, "The request cannot be read"),
    "token-needed": (401, "No valid token"),
    "consent-needed": (403, "Not covered by the consent given"),
    "foreign-origin": (403, "The request comes from another site"),
    "unknown": (404, "There is no such thing"),
    "model-missing": (404, "The model is not here"),
    "stimulus-missing": (404, "The stimulus is not here"),
    "wrong-method": (405, "This address does not do that"),
    "timeout": (408, "The body came too slowly"),
    "conflict": (409, "Already confirmed with other contents"),
    "finished": (409, "Already finished"),
    "consent-changed": (409, "The consent text has changed"),
    "study-full": (409, "The study has all its participants"),
    "nothing-yet": (409, "There is nothing yet"),
    "elsewhere": (409, "The clips are stored elsewhere"),
    "link-used": (410, "Link already used"),
    "link-revoked": (410, "Link revoked"),
    "link-expired": (410, "Link expired"),
    "length-needed": (411, "The length must be announced"),
    "too-large": (413, "Too large"),
    "wrong-type": (415, "Not a type that is taken here"),
    "range": (416, "No such range"),
    "invalid": (422, "Values that cannot be"),
    "too-many-requests": (429, "Too many requests"),
    "failed": (500, "The studio failed"),
    "busy": (503, "The studio is busy"),
}
"""The last part of a problem's type → its status and title."""


class RequestRefusedError(Exception):
    """A request that is refused.

    Attributes:
        kind: A key of `TITLES`.
        detail: What was found, what was needed, what to do.
        errors: The fields that are wrong.
        retry_after: After how many seconds to try again.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        errors: Sequence[WrongField] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail = kind, detail
        self.errors, self.retry_after = tuple(errors), retry_after

    @property
    def status(self) -> int:
        """The HTTP status."""
        return TITLES[self.kind][0]

    def details(self) -> ProblemDetails:
        """Give the body of the answer."""
        status, title = TITLES[self.kind]
        return ProblemDetails(
            type=f"urn:fergi:studio:{self.kind}",
            title=title,
            status=HTTPStatus(status),
            detail=self.detail,
            errors=list(self.errors) or None,
        )
