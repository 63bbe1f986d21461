"""Builds what the functions work with, once per worker; only this module knows the concrete clients and stores.

Nothing is opened at import: `main` is imported before the server forks and before an event loop runs, and a
connection made there would belong to the wrong process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from crm_bridge import logs
from crm_bridge.clock import Clock, RunTime, SystemClock
from crm_bridge.ports import CallTracking, CardStore, Crm, SalesStore
from crm_bridge.redaction import register_secrets
from crm_bridge.services import Alerts, ExchangeServices, SyncServices
from crm_bridge.settings import FirestoreStore, Settings, SqliteStore, read_sync_api_key

if TYPE_CHECKING:
    import httpx

    from crm_bridge.clients.agbis.session import AgbisSession
    from crm_bridge.domain.alert import Alert
    from crm_bridge.stores.firestore.connection import FirestoreConnection

_CONNECT_SECONDS = 60  # a new instance behind Cloud NAT may need half a minute for its first connection
_READ_SECONDS = 60  # a page of 10,000 rows, or a day of orders over a slow line


clock: Clock = SystemClock()


def build_sync_services(required: Collection[str]) -> SyncServices:
    """Return what `sync` works with.

    Raises:
        SettingsError: Names every setting that is missing of `required`, or wrong.
    """
    logs.set_up("INFO")  # so that an error of the settings can be logged
    settings = Settings.from_env(os.environ, required=required)
    logs.set_up(settings.log_level)
    return _sync_services(settings)


def sync_api_key() -> str | None:
    """Return the key that callers of `sync` must show, whatever the other settings hold."""
    key = read_sync_api_key(os.environ)
    register_secrets(key)
    return key


@lru_cache(maxsize=1)  # reading the environment takes as long as answering a card: a quarter of a millisecond
def build_exchange_services() -> ExchangeServices:
    """Return what `exchange` works with.

    Raises:
        SettingsError: Names every setting that is wrong.
    """
    logs.set_up("INFO")
    settings = Settings.from_env(os.environ)
    logs.set_up(settings.log_level)
    register_secrets(settings.exchange_api_key)
    return ExchangeServices(settings=settings, clock=clock, cards=_card_store(settings))


@lru_cache(maxsize=1)
def _sync_services(settings: Settings) -> SyncServices:
    register_secrets(settings.comagic_token, settings.agbis_password, settings.agbis_url, settings.sync_api_key)
    register_secrets(*(settings.alert_urls or ()))
    return assemble_sync_services(settings, clock=clock, http=_http, store=_sales_store(settings))


def assemble_sync_services(
    settings: Settings, *, clock: Clock, http: Callable[[], httpx.AsyncClient], store: SalesStore
) -> SyncServices:
    """Make what `sync` works with; a client is imported and made when a request asks for it first."""

    @cache  # shared by all runs of the process
    def session() -> AgbisSession:
        from crm_bridge.clients.agbis.session import AgbisSession  # noqa: PLC0415

        return AgbisSession(
            http=http(),
            url=settings.agbis_url or "",
            user=settings.agbis_user or "",
            password=settings.agbis_password or "",
            store=store,
            clock=clock,
        )

    def crm(time: RunTime) -> Crm:
        from crm_bridge.clients.agbis.client import AgbisClient  # noqa: PLC0415

        return AgbisClient(
            http=http(),
            url=settings.agbis_url or "",
            session=session(),
            time_zone=settings.time_zone,
            region=settings.phone_region,
            time=time,
        )

    def call_tracking(time: RunTime) -> CallTracking:
        from crm_bridge.clients.comagic.client import ComagicClient  # noqa: PLC0415

        return ComagicClient(
            http=http(),
            url=settings.comagic_url,
            token=settings.comagic_token or "",
            user_id=settings.comagic_user_id,
            time_zone=settings.time_zone,
            region=settings.phone_region,
            sources=settings.comagic_sources,
            concurrency=settings.comagic_concurrency,
            time=time,
        )

    return SyncServices(
        settings=settings, clock=clock, store=store, crm=crm, call_tracking=call_tracking, alerts=_alerts(settings)
    )


def _alerts(settings: Settings) -> Alerts | None:
    if settings.alert_urls is None:
        return None
    from crm_bridge.clients.alert_sender import AppriseSender  # noqa: PLC0415

    def text(alert: Alert) -> tuple[str, str]:
        from crm_bridge.presentation.alert_text import alert_text  # noqa: PLC0415 - a message is rare

        return alert_text(alert, settings.time_zone)

    return Alerts(AppriseSender(settings.alert_urls, text))


@cache
def _http() -> httpx.AsyncClient:
    import httpx  # noqa: PLC0415 - `exchange` does without

    return httpx.AsyncClient(
        timeout=httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=40),  # Cloud NAT gives an instance 64 ports
        follow_redirects=False,  # a redirected POST loses its body
    )


def _sales_store(settings: Settings) -> SalesStore:
    match settings.store_url:
        case SqliteStore(path=path):
            from crm_bridge.stores.sqlite.sales import SqliteSalesStore  # noqa: PLC0415

            return SqliteSalesStore(path)
        case FirestoreStore() as url:
            from crm_bridge.stores.firestore.sales import FirestoreSalesStore  # noqa: PLC0415

            return FirestoreSalesStore(_firestore(url))


def _card_store(settings: Settings) -> CardStore:
    match settings.store_url:
        case SqliteStore(path=path):
            from crm_bridge.stores.sqlite.cards import SqliteCardStore  # noqa: PLC0415

            return SqliteCardStore(path)
        case FirestoreStore() as url:
            from crm_bridge.stores.firestore.cards import FirestoreCardStore  # noqa: PLC0415

            return FirestoreCardStore(_firestore(url))


def _firestore(url: FirestoreStore) -> FirestoreConnection:
    from crm_bridge.stores.firestore.connection import FirestoreConnection  # noqa: PLC0415 - 0.6 s of a cold start

    emulator_host = os.environ.get("FIRESTORE_EMULATOR_HOST")
    return FirestoreConnection(project=url.project, database=url.database, emulator_host=emulator_host)
