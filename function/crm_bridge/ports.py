"""What the use cases need from the outside world, as promises.

Implementations fit by shape: `clients/agbis` is a Crm, `clients/comagic` a CallTracking, `stores` hold the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import Struct

if TYPE_CHECKING:  # promises only name values: `exchange` does not pay for those of `sync`
    from crm_bridge.deals_port import Deals
    from crm_bridge.domain.aggregate import ChangedOrders, Client, Order, UnreadableOrder
    from crm_bridge.domain.alert import Alert
    from crm_bridge.domain.card import Card
    from crm_bridge.domain.communication import (
        Communication,
        CommunicationKey,
        CommunicationRef,
        CommunicationType,
        FoundCommunications,
        Site,
    )
    from crm_bridge.domain.deal import DealContact
    from crm_bridge.domain.payment_check import OrderDetails, OrderPayment
    from crm_bridge.domain.phone import PhoneRecord
    from crm_bridge.domain.quota import Quota
    from crm_bridge.domain.run import Lease, Run
    from crm_bridge.domain.sale import Sale, SaleEvent
    from crm_bridge.domain.state import State

S = TypeVar("S", bound="State")


class Crm(Protocol):
    """The Agbis side. Every method raises RemoteError and its subclasses, nothing else.

    Attributes:
        requests: Calls made so far, per command, retries included.
        warnings: What the CRM does not give, and why, each once.
    """

    requests: Counter[str]
    warnings: list[str]

    async def orders_changed(self, since: datetime, until: datetime) -> ChangedOrders:
        """Return the orders entered or changed from `since` to `until`, to the minute, both included.

        Their `phone` is not filled. Of a window that is too wide for the CRM, or holds more than should be in memory
        at once, it is a first part; the next begins at its `until`.

        Raises:
            RemoteProtocolError: Among others when so many rows are unreadable that the CRM's format has changed.
        """

    async def clients_changed(self, since: datetime, until: datetime) -> list[Client]:
        """Return the clients changed from `since` to `until`, to the minute, both included."""

    async def client(self, client_id: str) -> Client | None:
        """Look one client up; None when the CRM does not know it."""

    async def payments(self, day: date) -> list[OrderPayment] | None:
        """Return the payments of a local day; None, and a warning, when the CRM refuses the list or has none."""

    async def order(self, order_id: str) -> OrderDetails | None:
        """Look one order up; None when the CRM does not know it, or, with a warning, does not show it readably."""

    async def check_login(self) -> None:
        """Make sure that the CRM admits us; a person waits for the answer, so there are no long waits.

        The session that is kept is used where it is still good; a login is tried at most once.
        """


class CallTracking(Protocol):
    """The CoMagic side. Every method raises RemoteError and its subclasses, nothing else.

    Attributes:
        requests: Calls made so far, per method, retries included.
        quota: As CoMagic's last answer reported it.
        warnings: Sources that the settings name and CoMagic does not give, each once.
    """

    requests: Counter[str]
    warnings: list[str]

    @property
    def quota(self) -> Quota: ...

    @property
    def deals(self) -> Deals:
        """The account's deals; their calls count among `requests` and use the same quota."""

    def keep_points(self, count: int) -> None:
        """Leave so many of the day's points to what comes later in the run; 0 gives them free."""

    async def sale_tag_id(self) -> int:
        """Find the id of the system tag «Продажа» (or "Sale").

        Raises:
            RemoteProtocolError: There is not exactly one; the message names COMAGIC_SALE_TAG_ID.
        """

    def communications(
        self, since: datetime, until: datetime, *, sale_tag_id: int
    ) -> AsyncIterator[list[Communication]]:
        """Read every communication of the interval with a usable phone, lost ones too, page by page.

        No communication comes twice, and none is missed because rows moved between pages.
        """

    async def get_communications(
        self, communications: Collection[CommunicationRef], *, sale_tag_id: int
    ) -> dict[CommunicationKey, Communication]:
        """Read some communications again, each named by its key and start; one CoMagic no longer has is left out."""

    async def communications_of_phones(
        self, phones: Collection[str], kind: CommunicationType, since: datetime, until: datetime, *, sale_tag_id: int
    ) -> FoundCommunications:
        """Read the communications of some phones and one kind, lost ones too, in a single request.

        A kind that CoMagic does not give has none, and is named in `warnings`.

        Args:
            phones: E.164 digits.
            kind: Calls, chats or site forms.
            since, until: At most 89 days apart.
            sale_tag_id: 0 when it is not known; a sale is then known by its sum or its date.
        """

    async def sites(self) -> list[Site]:
        """Return the account's sites, and whether each takes sales."""

    async def account_zone(self) -> str:
        """Return the IANA name of the account's time zone."""

    async def check_tag_permission(self) -> None:
        """Make sure that the key may change tags, without changing anything.

        Raises:
            RemoteRejected: It may not (`forbidden`).
        """

    async def set_sale(self, sale: Sale) -> int | None:
        """Set a sale, once, without repeating anything but a call refused for the minute's quota.

        Returns:
            CoMagic's id of the sale, when the answer has one.

        Raises:
            QuotaSpent, RemoteRejected: It was not set.
            RemoteUnavailable, RemoteProtocolError: It may have been set.
        """

    async def unset_sale(self, key: CommunicationKey, *, sale_tag_id: int) -> None:
        """Take the sale off a communication; raises like `set_sale`."""

    def reserve_quota(self, count: int) -> AbstractAsyncContextManager[None]:
        """Hold `count` points of the quota for the calls made inside, waiting for the next minute when spent.

        Raises:
            QuotaSpent: The day's points are spent, or the wait would last beyond the run's deadline.
        """


class AlertSender(Protocol):
    """Sends messages to the people of ALERT_URLS."""

    async def send(self, alert: Alert) -> list[bool]:
        """Send a message to every address, within seconds; return whether each address took it. Never raises."""


class Changes(Struct, frozen=True, kw_only=True):
    """What must be stored together or not at all.

    Attributes:
        orders: New versions, linked to their phones.
        phones: New contents of phones.
        deleted_phones: Phones that leave the database.
        clients: What we now know of clients.
        events: Lines of the sales' history.
        unreadable: Orders that are put aside.
        readable: Ids of orders that no longer are.
        deal_contacts: Contacts as CoMagic has them.
        state: New contents of the bridge's own state.
    """

    orders: Sequence[Order] = ()
    phones: Sequence[PhoneRecord] = ()
    deleted_phones: Sequence[str] = ()
    clients: Sequence[Client] = ()
    events: Sequence[SaleEvent] = ()
    unreadable: Sequence[UnreadableOrder] = ()
    readable: Sequence[str] = ()
    deal_contacts: Sequence[DealContact] = ()
    state: Sequence[State] = ()


class SalesStore(Protocol):
    """Everything `sync` remembers.

    Reads see everything written before. Writes of a run are fenced: `write` raises LeaseLost, and writes nothing,
    when `run_id` does not hold the lease at that moment.
    """

    async def take_lease(self, lease: Lease, *, now: datetime) -> Lease | None:
        """Take the lease unless another run's stands at `now`; one that has ended counts as none.

        A lease of the same id and start is the caller's own, and is taken again.
        A standing lease that ends later than LEASE_TTL from `now` is shortened to that: its holder renews it if alive.

        Returns:
            None when it was taken, else the lease that stands. Of any number of runs at once one takes it.
        """

    async def renew_lease(self, lease: Lease) -> bool:
        """Prolong our lease to its `until`; False when it is another run's by now."""

    async def release_lease(self, run_id: str) -> None:
        """Give the lease back; nothing happens when it is not ours."""

    async def lease(self) -> Lease | None:
        """Return the lease that stands, also one that has ended; for those who only look."""

    async def clients(self, client_ids: Collection[str]) -> dict[str, Client]: ...

    async def clients_with_numbers(self, numbers: Collection[str]) -> list[Client]:
        """Return the clients who have one of the numbers as their phone or among their further numbers."""

    async def orders(self, order_ids: Collection[str]) -> dict[str, Order]: ...

    async def orders_of_clients(self, client_ids: Collection[str]) -> list[Order]: ...

    async def orders_of_phones(self, phones: Collection[str]) -> list[Order]: ...

    def all_orders(self) -> AsyncIterator[list[Order]]:
        """Read every order once, in pages."""

    async def orders_due(self, since: datetime, until: datetime, limit: int) -> list[Order]:
        """Return the orders whose `deal_due` lies between two moments, both included, the earliest first."""

    async def deal_contacts(self, client_ids: Collection[str]) -> dict[str, DealContact]: ...

    async def unreadable_orders(self) -> list[UnreadableOrder]:
        """Return every order that is put aside."""

    async def phones(self, phones: Collection[str]) -> dict[str, PhoneRecord]: ...

    async def phones_on_communications(self, communication_ids: Collection[int]) -> list[PhoneRecord]:
        """Return the phones whose recorded sale or change under way is on one of these communications, of any type."""

    def all_phones(self) -> AsyncIterator[list[PhoneRecord]]:
        """Read every phone once, in pages."""

    async def has_phones(self) -> bool: ...

    async def events(self, phone: str) -> list[SaleEvent]:
        """Return the history of a phone's sale, oldest first."""

    async def events_between(self, since: datetime, until: datetime, limit: int) -> list[SaleEvent]:
        """Return the changes of all sales between two moments, both included, the earliest first."""

    async def state(self, kind: type[S]) -> S | None:
        """Return one of the bridge's own notes, e.g. `await store.state(Watermark)`."""

    async def save_state(self, state: State) -> None:
        """Save a note that needs no lease (the CRM's session)."""

    async def write(self, changes: Iterable[Changes], *, run_id: str) -> None:
        """Write changes in their order, each whole, in batches as large as one commit takes.

        Raises:
            LeaseLost: `run_id` does not hold the lease; nothing of the batch was written.
        """

    async def save_run(self, run: Run) -> None:
        """Save a run and its journal, of whatever size."""

    async def run(self, run_id: str) -> Run | None: ...

    async def run_of_tick(self, tick: str) -> Run | None:
        """Return the newest run that a Scheduler tick started and that succeeded."""

    async def runs(self, limit: int) -> list[Run]:
        """Return the newest runs, newest first, without their journals."""


class CardStore(Protocol):
    """Callers' cards of the exchange."""

    async def put(self, card: Card) -> None:
        """Save a card whole, replacing an older one of its id."""

    async def get(self, card_id: str, *, now: datetime) -> Card | None:
        """Return the card, or None when there is none or it has expired at `now`."""

    async def delete(self, card_id: str) -> None:
        """Delete the card, if there is one."""

    async def wait(self, card_id: str, *, now: Callable[[], datetime], seconds: float) -> Card | None:
        """Return the card as soon as it is there, or None after `seconds`; it must be valid when it is found."""
