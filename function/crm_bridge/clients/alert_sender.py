"""Sends alerts through Apprise: Telegram, e-mail, webhooks and a hundred other services."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from crm_bridge.domain.alert import Alert

log = logging.getLogger(__name__)

_SECONDS = 8.0
"""How long a message may take: Cloud Run kills a process ten seconds after it has asked it to end."""


class AppriseSender:
    """The port `AlertSender`."""

    def __init__(self, addresses: Sequence[str], text: Callable[[Alert], tuple[str, str]]) -> None:
        """Keep the addresses; each message is sent on a connection of its own.

        Args:
            addresses: Of ALERT_URLS. They hold passwords, so no log and no error names them.
            text: Gives the title and the body of a message.
        """
        self._addresses = addresses
        self._text = text

    async def send(self, alert: Alert) -> list[bool]:
        title, body = self._text(alert)
        return list(await asyncio.gather(*(self._send(number, title, body) for number in range(len(self._addresses)))))

    async def _send(self, number: int, title: str, body: str) -> bool:
        try:
            async with asyncio.timeout(_SECONDS):
                accepted = await asyncio.to_thread(_notify, self._addresses[number], title, body)
        except Exception as exc:  # whatever a service's plugin raises; its text may hold the address
            log.warning("alert_not_sent", extra={"address_number": number + 1, "kind": type(exc).__name__})
            return False
        if not accepted:
            log.warning("alert_not_sent", extra={"address_number": number + 1})
        return accepted


def _notify(address: str, title: str, body: str) -> bool:
    import apprise  # noqa: PLC0415 - half a second, and needed by a message only

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # its lines may hold the address
    service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="crm-bridge", app_desc="crm-bridge", app_url=""))
    return service.add(address) and bool(service.notify(title=title, body=body))
