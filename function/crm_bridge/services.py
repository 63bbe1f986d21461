"""What each function works with: its settings, its clock, its database and its remote systems."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from crm_bridge.clock import Clock, RunTime
from crm_bridge.ports import AlertSender, CallTracking, CardStore, Crm, SalesStore

if TYPE_CHECKING:
    from crm_bridge.domain.alert import AlertNotes
    from crm_bridge.settings import Settings


class Alerts:
    """Alerts of one process.

    Attributes:
        sender: Sends them.
        lock: Held while messages are on their way.
        known: What the database remembered last.
        unsaved: `known` is newer than what the database has: it could not be written.
    """

    def __init__(self, sender: AlertSender) -> None:
        self.sender = sender
        self.lock = asyncio.Lock()
        self.known: AlertNotes | None = None
        self.unsaved = False


class SyncServices(Struct, frozen=True, kw_only=True):
    """What `sync` works with.

    Attributes:
        crm: Makes a Crm for one run, with counters of its own.
        call_tracking: Makes a CallTracking for one run, with counters of its own.
        alerts: None without ALERT_URLS.
    """

    settings: Settings
    clock: Clock
    store: SalesStore
    crm: Callable[[RunTime], Crm]
    call_tracking: Callable[[RunTime], CallTracking]
    alerts: Alerts | None = None


ServicesFactory = Callable[[tuple[str, ...]], SyncServices]
"""Gives the services; its argument names the settings that a request cannot do without."""


class ExchangeServices(Struct, frozen=True, kw_only=True):
    """What `exchange` works with."""

    settings: Settings
    clock: Clock
    cards: CardStore
