"""An httpx transport into a simulator in the same process."""

from collections.abc import AsyncIterator

import httpx
from starlette.types import ASGIApp

from tests.sandbox.faults import Dripping, Dropped, Hung, Refused


class _Drips(httpx.AsyncByteStream):
    def __init__(self, signal: Dripping) -> None:
        self._signal = signal

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for byte in self._signal.drips():
            yield byte


class SandboxTransport(httpx.AsyncBaseTransport):
    """Calls an ASGI app and turns its fault signals into what httpx raises on a real network, without waiting."""

    def __init__(self, app: ASGIApp) -> None:
        self._inner = httpx.ASGITransport(app=app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._inner.handle_async_request(request)
        except Dripping as signal:
            reply = signal.reply
            headers = {"content-type": reply.content_type, **reply.headers}
            return httpx.Response(reply.status, headers=headers, stream=_Drips(signal))
        except Hung as signal:
            raise httpx.ReadTimeout("", request=request) from signal
        except Refused as signal:
            msg = "All connection attempts failed"
            raise httpx.ConnectError(msg, request=request) from signal
        except Dropped as signal:
            if signal.after:
                msg = "Server disconnected without sending a response."
                raise httpx.RemoteProtocolError(msg, request=request) from signal
            raise httpx.ReadError("", request=request) from signal

    async def aclose(self) -> None:
        await self._inner.aclose()
