"""Entry points of the two cloud functions; one source, deployed twice.

Each imports what it needs in its first request, so that neither pays for the other's cold start.
"""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response


@functions_framework.aio.http
async def sync(request: Request) -> Response:
    """Carry sales from the CRM into CoMagic."""
    from crm_bridge.handlers.sync import handle  # noqa: PLC0415
    from crm_bridge.wiring import sync_services  # noqa: PLC0415

    return await handle(request, sync_services)


@functions_framework.aio.http
async def exchange(request: Request) -> Response:
    """Keep callers' cards for an hour."""
    from crm_bridge.handlers.exchange import handle  # noqa: PLC0415
    from crm_bridge.wiring import exchange_services  # noqa: PLC0415

    return await handle(request, exchange_services)
