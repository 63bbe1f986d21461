"""A receiver of alerts on this machine: what a webhook of `json://` gets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """Gets alerts.

    Attributes:
        address: Its address for ALERT_URLS.
        messages: Title and text of each, in the order of their coming.
        refuses: It answers 500, and keeps nothing.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.messages: list[tuple[str, str]] = []
        self.refuses = False

    def take(self) -> list[str]:
        """Return the texts that have come, and forget them."""
        texts = [text for _, text in self.messages]
        self.messages.clear()
        return texts


@contextmanager
def alert_receiver() -> Iterator[Receiver]:
    """Serve a receiver on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not receiver.refuses:
                receiver.messages.append((body["title"], body["message"]))
            self.send_response(500 if receiver.refuses else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"json://127.0.0.1:{server.server_address[1]}/alerts")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
