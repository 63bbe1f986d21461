"""Entry points of the two cloud functions; one source, deployed twice.

Each imports what it needs in its first request, so that neither pays for the other's cold start.
"""

from collections.abc import Awaitable, Callable
from functools import cache, partial

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

Handle = Callable[[Request], Awaitable[Response]]


@functions_framework.aio.http
async def sync(request: Request) -> Response:
    """Carry sales from the CRM into CoMagic."""
    return await _sync()(request)


@functions_framework.aio.http
async def exchange(request: Request) -> Response:
    """Keep callers' cards for an hour."""
    return await _exchange()(request)


@cache
def _sync() -> Handle:
    from crm_bridge.handlers.sync import handle  # noqa: PLC0415
    from crm_bridge.wiring import build_sync_services  # noqa: PLC0415

    return partial(handle, services_factory=build_sync_services)


@cache
def _exchange() -> Handle:
    from crm_bridge.handlers.exchange import handle  # noqa: PLC0415
    from crm_bridge.wiring import build_exchange_services  # noqa: PLC0415

    return partial(handle, services_factory=build_exchange_services)
