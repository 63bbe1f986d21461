"""The key of `sync`: needed on every path and for every verb, before anything else is looked at."""

from __future__ import annotations

import hmac
from base64 import b64encode

import pytest

from crm_bridge.handlers import keys, sync
from crm_bridge.handlers.sync import ROUTES
from tests.handlers.test_sync import answered, never

pytestmark = pytest.mark.anyio

KEY = "k3y-of-sync: and more"
UNAUTHORIZED = b'{"success":false,"message":"ERROR: Unauthorized"}'
PATHS = [path.replace("<run_id>", "7") for path in ROUTES] + ["/nothing", "//", "/start"]


def basic(user_and_password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(user_and_password.encode()).decode()}"}


RIGHT: dict[str, dict[str, str]] = {
    "X-API-Key": {"X-API-Key": KEY},
    "Bearer": {"Authorization": f"Bearer {KEY}"},
    "small letters": {"authorization": f"bearer  {KEY} "},
    "Basic": basic(f"admin:{KEY}"),
    "Basic with another user": basic(f"кто-то:{KEY}"),
    "Basic without a user": basic(f":{KEY}"),
    "beside the cloud's own token": {"X-API-Key": KEY, "Authorization": "Bearer eyJhbGciOiJSUzI1NiJ9.e30.x"},
}

WRONG: dict[str, dict[str, str]] = {
    "nothing": {},
    "another key": {"X-API-Key": "k3y"},
    "an empty key": {"X-API-Key": ""},
    "the key and more": {"X-API-Key": f"{KEY}x"},
    "half of the key": {"Authorization": f"Bearer {KEY[:5]}"},
    "another scheme": {"Authorization": f"Token {KEY}"},
    "no scheme": {"Authorization": KEY},
    "the key as the user": basic(f"{KEY.replace(':', '')}:"),
    "Basic that is no base64": {"Authorization": f"Basic {KEY}"},
    "Basic without a colon": basic(KEY.replace(":", "")),
    "a cookie": {"Cookie": f"key={KEY}"},
}


@pytest.mark.parametrize("headers", RIGHT.values(), ids=RIGHT)
async def test_the_key_admits_however_it_is_shown(headers: dict[str, str]) -> None:
    answer = await answered("", headers, path="/nothing", api_key=KEY)

    assert answer.status_code == 404


async def test_a_key_may_have_any_letters() -> None:
    answer = await answered("", basic("admin:Ключ"), path="/nothing", api_key="Ключ")

    assert answer.status_code == 404


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
async def test_anything_else_does_not(headers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "run_sync", never)

    answer = await answered("", headers, api_key=KEY)

    assert (answer.status_code, answer.body) == (401, UNAUTHORIZED)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
async def test_every_path_and_verb_needs_it_and_all_answer_the_same(path: str, method: str) -> None:
    plain = await answered("log=wrong", {}, path=path, method=method, body=b"dry_run=1", api_key=KEY)
    page = await answered("", {"Accept": "text/html", "Accept-Language": "ru"}, path=path, method=method, api_key=KEY)

    for answer in (plain, page):
        assert (answer.status_code, answer.body) == (401, UNAUTHORIZED)
        assert answer.headers["WWW-Authenticate"].startswith("Basic "), "a browser asks for it"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Allow" not in answer.headers


async def test_without_a_key_of_ours_nobody_is_asked() -> None:
    assert (await answered("", {}, path="/nothing")).status_code == 404


async def test_every_credential_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    class Hmac:
        @staticmethod
        def compare_digest(shown: bytes, wanted: bytes) -> bool:
            compared.append((shown, wanted))
            return hmac.compare_digest(shown, wanted)

    monkeypatch.setattr(keys, "hmac", Hmac)
    await answered("", RIGHT["beside the cloud's own token"], path="/nothing", api_key=KEY)

    assert compared == [(KEY.encode(), KEY.encode()), (b"eyJhbGciOiJSUzI1NiJ9.e30.x", KEY.encode())]
