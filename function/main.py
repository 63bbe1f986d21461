"""Entry points of the two cloud functions; one source, deployed twice.

Each function imports what it needs in its first request, so that neither pays for the cold start of the other.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import TYPE_CHECKING

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from crm_bridge.services import ExchangeServices

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
    from crm_bridge.usecases.run_context import stop_runs_on_sigterm  # noqa: PLC0415
    from crm_bridge.wiring import build_sync_services, sync_api_key  # noqa: PLC0415

    stop_runs_on_sigterm()
    return partial(handle, services_factory=build_sync_services, api_key=sync_api_key())


@cache
def _exchange() -> Handle:
    from crm_bridge.handlers.exchange import handle  # noqa: PLC0415
    from crm_bridge.wiring import build_exchange_services  # noqa: PLC0415

    @cache
    def services_factory() -> ExchangeServices:
        services = build_exchange_services()
        _keep_imports_out_of_garbage_collection()
        return services

    return partial(handle, services_factory=services_factory)


def _keep_imports_out_of_garbage_collection() -> None:
    """Keep the collector from looking through the imported modules again and again: a tenth of every request.

    What is garbage by now stays too: looking for it would take 10 ms of the first request.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
