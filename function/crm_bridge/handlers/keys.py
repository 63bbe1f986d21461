"""The keys that callers show: `SYNC_API_KEY` and `EXCHANGE_API_KEY`."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from collections.abc import Iterator

from starlette.requests import Request


def has_key(request: Request, key: str, *, basic: bool = False) -> bool:
    """Return whether one of the headers holds the key; the time it takes says nothing about the key.

    One is enough: `Authorization` may hold the cloud's own token while `X-API-Key` holds our key.

    Args:
        request: The request.
        key: What the caller must show.
        basic: Also admit the key as a password of Basic, with any user name: browsers can ask for that.
    """
    wanted = key.encode()
    matches = [hmac.compare_digest(each, wanted) for each in _shown(request, basic=basic)]  # each one is compared
    return any(matches)


def _shown(request: Request, *, basic: bool) -> Iterator[bytes]:
    for value in request.headers.getlist("x-api-key"):
        yield value.encode("latin-1")
    for value in request.headers.getlist("authorization"):
        scheme, _, token = value.partition(" ")
        credential = token.strip().encode("latin-1")
        if scheme.lower() == "bearer":
            yield credential
        elif scheme.lower() == "basic" and basic:
            yield _password(credential)


def _password(credential: bytes) -> bytes:
    try:
        user_and_password = b64decode(credential, validate=True)
    except binascii.Error:
        return b""
    return user_and_password.partition(b":")[2]
