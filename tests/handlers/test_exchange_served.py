"""The exchange as functions-framework serves it: over sockets, in a process of its own."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from tests.handlers import bad_requests
from tests.handlers.bad_requests import KEY, InvalidInput
from tests.handlers.exchange_harness import JOHN
from tests.support.databases import locked
from tests.support.function_process import Function, running_function
from tests.support.waiting import PATIENCE, fastest

WHOLE = json.dumps(JOHN).encode()
HEADERS = {"X-API-Key": KEY}


class Served:
    """A running exchange, its log and its file."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.file = folder / "cards.db"

    @contextmanager
    def run(self) -> Iterator[Function]:
        env = {"STORE_URL": f"sqlite:///{self.file}", "EXCHANGE_API_KEY": KEY, "LOG_LEVEL": "DEBUG"}
        with self.log.open("ab") as log, running_function("exchange", env, output=log) as function:
            yield function

    def ids(self) -> list[str]:
        with closing(sqlite3.connect(self.file)) as connection:
            return [row[0] for row in connection.execute("SELECT id FROM cards ORDER BY id")]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(tmp_path_factory.mktemp("exchange"))


@pytest.fixture(scope="module")
def function(served: Served) -> Iterator[Function]:
    with served.run() as function:
        httpx.get(f"{function.url}/api/first", headers=HEADERS, timeout=PATIENCE)  # opens the file
        yield function


def raw(function: Function, sent: bytes | Iterable[bytes]) -> bytes:
    """Send bytes as they are, and return what comes until the server closes."""
    address = urlsplit(function.url)
    with socket.create_connection((address.hostname, address.port), PATIENCE) as connection:
        try:
            for piece in [sent] if isinstance(sent, bytes) else sent:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it need not read all of what it refuses
        answer = b""
        try:
            while got := connection.recv(65_536):
                answer += got
        except ConnectionResetError:
            pass
        return answer


def head(method: str, target: str, *headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", f"X-API-Key: {KEY}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def test_a_card_goes_round(function: Function) -> None:
    with httpx.Client(base_url=function.url, headers=HEADERS, timeout=PATIENCE) as client:
        posted = client.post("/api/round/", json=JOHN | {"name": "Ёлкина Жанна"})
        got = client.get("/api/round/")

    assert (posted.status_code, posted.content) == (200, b'{"result": "OK"}')
    assert got.status_code == 200
    assert got.headers["content-type"] == "application/json; charset=utf-8"
    assert got.headers["cache-control"] == "no-store"
    assert got.json() | JOHN | {"name": "Ёлкина Жанна", "id": "round"} == got.json()


def test_head_options_and_other_verbs(function: Function) -> None:
    with httpx.Client(base_url=function.url, headers=HEADERS, timeout=PATIENCE) as client:
        client.post("/api/verbs", json=JOHN)
        got = client.get("/api/verbs")
        asked = client.head("/api/verbs")
        options = client.options("/api/verbs")
        put = client.put("/api/verbs", json=JOHN)
        health = client.get("/check_health", headers={"X-API-Key": ""})
        deleted = client.delete("/api/verbs")
        gone = client.get("/api/verbs")

    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["content-length"] == got.headers["content-length"]
    assert (options.status_code, options.content) == (204, b"")
    assert put.status_code == 405
    assert options.headers["allow"] == put.headers["allow"] == "GET, HEAD, POST, DELETE, OPTIONS"
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert (deleted.status_code, deleted.json()) == (200, {"result": "OK"})
    assert gone.status_code == 400


def test_without_the_key_nothing_is_answered(function: Function) -> None:
    with httpx.Client(base_url=function.url, timeout=PATIENCE) as client:
        client.post("/api/secret", json=JOHN, headers=HEADERS)
        answers = [client.get("/api/secret"), client.get("/api/nobody"), client.post("/api/a.b", content=b"{")]

    assert {(answer.status_code, answer.content) for answer in answers} == {(401, b'{"Error": "Unauthorized"}')}


@pytest.mark.parametrize("size", [4097, 100_000, 3_000_000])
def test_too_much_is_refused_and_the_answer_is_readable(function: Function, size: int) -> None:
    whole = raw(function, [head("POST", "/api/big", f"Content-Length: {size}"), WHOLE.ljust(size)])
    chunks = [f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in [b" " * 1000] * (size // 1000 + 1)]
    chunked = raw(function, [head("POST", "/api/big", "Transfer-Encoding: chunked"), *chunks, b"0\r\n\r\n"])

    for answer in (whole, chunked):
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.endswith(b'{"result": "Invalid form submission, must be at most 4096 bytes"}')


def test_a_client_that_cannot_count_or_finish_stores_nothing(function: Function, served: Served) -> None:
    before = served.ids()
    raw(function, head("POST", "/api/short", f"Content-Length: {len(WHOLE) - 1}") + WHOLE)
    address = urlsplit(function.url)
    for sent in (
        head("POST", "/api/cut", f"Content-Length: {len(WHOLE) + 10}") + WHOLE,
        head("POST", "/api/cut", "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (len(WHOLE), WHOLE),
    ):
        with socket.create_connection((address.hostname, address.port), PATIENCE) as connection:
            connection.sendall(sent)
    for lie in ("-1", "4_0", "1, 2", "1e3", ""):
        assert raw(function, head("POST", "/api/lie", f"Content-Length: {lie}") + WHOLE).startswith(b"HTTP/1.1 400 ")

    assert served.ids() == before


def test_a_waiting_panel_has_the_card_within_300_milliseconds(function: Function) -> None:
    ids = count()

    def hand_over(client: httpx.Client, pause: float) -> float:
        card_id = f"panel_{next(ids)}"
        answered: list[tuple[float, int]] = []

        def wait() -> None:
            status = httpx.get(f"{function.url}/api/{card_id}?wait=20", headers=HEADERS, timeout=PATIENCE).status_code
            answered.append((time.monotonic(), status))

        panel = threading.Thread(target=wait)
        panel.start()
        time.sleep(pause)
        posted = time.monotonic()
        client.post(f"/api/{card_id}", json=JOHN)
        panel.join()
        ((at, status),) = answered
        assert status == 200
        return at - posted

    with httpx.Client(base_url=function.url, headers=HEADERS, timeout=PATIENCE) as client:
        client.get("/api/warm")  # the connection
        for n in range(5):
            assert fastest(partial(hand_over, client, 0.5 + n / 70), within=0.3) < 0.3


def test_behind_a_lock_posts_are_answered_within_five_seconds_and_gets_at_once(
    function: Function, served: Served
) -> None:
    """A caller is on the line; another program may hold the file for as long as it likes."""
    with httpx.Client(base_url=function.url, headers=HEADERS, timeout=PATIENCE) as client:
        client.post("/api/before_lock", json=JOHN)

        def post_all() -> float:
            started = time.monotonic()
            with locked(served.file), ThreadPoolExecutor(10) as pool:
                posts = [pool.submit(client.post, f"/api/behind_{n}", json=JOHN) for n in range(10)]
                time.sleep(0.5)
                got = client.get("/api/before_lock")
                assert (got.status_code, any(each.done() for each in posts)) == (200, False)
                answers = [each.result() for each in posts]
            took = time.monotonic() - started
            for answer in answers:
                assert answer.status_code == 503
                assert answer.json() == {"Error": "The database cannot be used: another program has locked it"}
                assert answer.headers["retry-after"] == "5"
            return took

        assert 4.5 < fastest(post_all, within=6.5) < 6.5
        assert client.post("/api/after_lock", json=JOHN).status_code == 200


def test_a_restart_keeps_the_cards_and_a_gone_panel_does_not_delay_it(tmp_path: Path) -> None:
    """A stopping server lets its requests finish: a wait for nobody would hold it up for 25 seconds."""
    served = Served(tmp_path)
    with served.run() as function:
        httpx.post(f"{function.url}/api/kept", json=JOHN, headers=HEADERS, timeout=PATIENCE)
        before = httpx.get(f"{function.url}/api/kept", headers=HEADERS, timeout=PATIENCE)
        address = urlsplit(function.url)
        with socket.create_connection((address.hostname, address.port), PATIENCE) as connection:
            connection.sendall(head("GET", "/api/nobody?wait=25"))
            time.sleep(0.5)
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 20

    with served.run() as function:
        after = httpx.get(f"{function.url}/api/kept", headers=HEADERS, timeout=PATIENCE)

    assert after.status_code == 200
    assert after.content == before.content


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    bad=bad_requests.with_a_bad_id()
    | bad_requests.with_a_bad_path()
    | bad_requests.with_a_bad_body()
    | bad_requests.with_a_bad_verb_query_or_key()
)
def test_bad_requests_are_refused_by_the_whole_server(function: Function, served: Served, bad: InvalidInput) -> None:
    body = b"".join(bad.body)
    headers = [(name, value) for name, value in bad.headers if name != b"content-length"]
    headers += [(b"host", b"localhost"), (b"connection", b"close"), (b"content-length", str(len(body)).encode())]
    lines = [bad.method.encode() + b" " + bad.target + b" HTTP/1.1", *(b"%s: %s" % header for header in headers)]
    before = served.ids()

    answer = raw(function, b"\r\n".join(lines) + b"\r\n\r\n" + body)

    # The framework's own routing knows no line feed before a slash: it redirects to the path without the slash.
    refusals = (b"HTTP/1.1 4", b"HTTP/1.1 307 ") if b"%0a" in bad.target.lower() else b"HTTP/1.1 4"
    assert answer.startswith(refusals)
    assert served.ids() == before


@pytest.mark.parametrize("target", ["/api/%0A", "/api/a%0A", "/api/%0Aa", "/api/%0A/", "/api/a%0Ab/"])
def test_line_feeds_that_the_framework_stumbles_over_are_refused(function: Function, target: str) -> None:
    answer = httpx.get(function.url + target, headers=HEADERS, timeout=PATIENCE, follow_redirects=True)

    assert answer.status_code in {400, 404}


def test_nothing_of_all_this_reached_the_log(function: Function, served: Served) -> None:
    """Stands last: it reads what the requests above have left."""
    httpx.post(f"{function.url}/api/logged_79261234567", json=JOHN, headers=HEADERS, timeout=PATIENCE)
    text = served.log.read_text()

    assert '"exchange_answered"' in text
    for word in (*JOHN.values(), "Ёлкина", KEY, "logged_", "79261234567", "Traceback"):
        assert word not in text
