"""Serving a simulator over real sockets."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.sandbox.faults import Dripping, FaultSignal, Hung

_START_SECONDS = 60.0


class SandboxServer(uvicorn.Server):
    """A quiet uvicorn that handles no signals and can drop a connection, as the faults want it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        config = uvicorn.Config(
            self._carry,
            log_level="critical",
            access_log=False,
            lifespan="off",
            ws="none",
            http="h11",
            loop="asyncio",
            interface="asgi3",
            proxy_headers=False,
            timeout_graceful_shutdown=2,
            # Longer than httpx keeps a connection (5 s): if both end it in the same moment, a request is lost.
            timeout_keep_alive=75,
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def stop(self) -> None:
        """Stop, from any thread or from a signal handler; open connections are aborted."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._abort_all)

    async def _carry(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Hung as signal:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_disconnected(receive), signal.seconds)
            await self._abort(scope, receive)
        except Dripping as signal:
            headers = [(b"content-type", signal.reply.content_type.encode())]
            await send({"type": "http.response.start", "status": signal.reply.status, "headers": headers})
            async for byte in signal.drips():
                await send({"type": "http.response.body", "body": byte, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except FaultSignal:
            await self._abort(scope, receive)

    async def _abort(self, scope: Scope, receive: Receive) -> None:
        for connection in list(self.server_state.connections):
            if getattr(connection, "client", None) == scope["client"]:
                connection.transport.abort()
        await _disconnected(receive)

    def _abort_all(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@contextlib.contextmanager
def serve_in_thread(world_or_app: Any) -> Iterator[str]:
    """Serve a `World`, a simulator or any ASGI app on a free loopback port; gives the base URL.

    The URL has no slash at its end: `f"{url}/v2.0"`, `url + world.agbis.base_path`.
    """
    server = SandboxServer(getattr(world_or_app, "app", world_or_app))
    # The protocol is named because asyncio sets TCP_NODELAY only then; without it every answer waits 40 ms for an ACK.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not server.started:
                if not thread.is_alive() or time.monotonic() > deadline:
                    msg = "the sandbox has not started"
                    raise RuntimeError(msg)
                time.sleep(0.002)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.stop()
            thread.join(_START_SECONDS)
