"""Secrets that open something, and names that say nothing."""

import hashlib
import secrets

_LETTERS = "23456789abcdefghjkmnpqrstvwxyz"  # none that look alike, no vowels but a and e


def new_token() -> str:
    """Draw 256 random bits, as 43 characters that may stand in an address."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Give what is kept of a token.

    A plain SHA-256 is enough: 256 random bits cannot be guessed one by one.
    """
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def new_participant_name() -> str:
    """Draw a name that says nothing of its bearer and may name a folder."""
    return "p" + _letters(9)


def new_link_id() -> str:
    """Draw the name under which a link is listed; it opens nothing."""
    return "l" + _letters(9)


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))
