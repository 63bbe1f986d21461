"""`/_sandbox/`: people, and tests in other processes, read the world there and change it."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tests.sandbox.agbis.commands import COMMANDS
from tests.sandbox.comagic.params import SPECS
from tests.sandbox.faults import Fault
from tests.sandbox.money import roubles
from tests.sandbox.population import populate
from tests.sandbox.simulator import Simulator

if TYPE_CHECKING:
    from tests.sandbox.world import World

AGBIS_EVENTS = (
    "add_client", "change_phone", "delete_client", "add_order", "late_order", "pay", "refund", "cancel",
    "move_order", "set_status", "change_price", "touch", "spoil", "mend", "delete_order", "expire_sessions",
)  # fmt: skip
COMAGIC_EVENTS = (
    "add_call", "add_chat", "add_message", "add_goal", "add_site", "add_tag_name", "add_tag",
    "sell_by_hand", "unsell_by_hand", "delete_communication",
)  # fmt: skip
REQUESTS = {
    "GET /_sandbox/state": "sales, history, deals, orders, clients, quota, switches, "
    "and the expected results of a first run",
    "GET /_sandbox/requests": "every request so far, without secrets",
    "GET /_sandbox/faults": "the faults that wait for their request",
    "POST /_sandbox/faults": 'makes requests fail: `{"method": "set.tag_sales", "kind": "http_503", "times": 2}`',
    "DELETE /_sandbox/faults": "ends all faults",
    "POST /_sandbox/switches": 'moves switches: `{"comagic": {"duplicate_set": "add"}}`; those of deals are `deals`',
    "POST /_sandbox/clock": '`{"advance_seconds": 86400}`',
    "POST /_sandbox/limits": '`{"minute_limit": 60, "spend_day": true}`',
    "POST /_sandbox/events": "what clients and people do: "
    '`{"event": "add_call", "phone": "79261234567", "at": "2026-06-15T12:00"}`, or a list of such',
    "POST /_sandbox/reset": 'empties it; `{"seed": 2, "phones": 10}` fills it again',
}


class Control:
    """Answers under `/_sandbox/`, which is no part of the simulated systems and has no faults."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "state"): self._state,
            ("GET", "requests"): self._requests,
            ("GET", "faults"): self._list_faults,
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._drop_faults,
            ("POST", "switches"): self._switches,
            ("POST", "clock"): self._clock,
            ("POST", "limits"): self._limits,
            ("POST", "events"): self._events,
            ("POST", "reset"): self._reset,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        name = request.url.path.removeprefix("/_sandbox").strip("/")
        route = self._routes.get((request.method, name))
        if route is None:
            known = sorted(f"{verb} /_sandbox/{path}" for verb, path in self._routes)
            response: Response = JSONResponse({"error": "unknown", "known": known}, 404)
        else:
            try:
                body = await request.body()
                response = JSONResponse(route(json.loads(body) if body else None))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                response = JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        await response(scope, receive, send)

    def _systems(self) -> dict[str, Simulator]:
        return {"agbis": self._world.agbis, "comagic": self._world.comagic}

    def _state(self, _body: Any) -> dict[str, Any]:
        agbis, comagic = self._world.agbis, self._world.comagic
        truth = self._world.truth
        sales = {
            f"{kind}/{key}": [
                {
                    "amount": str(roubles(sale.amount_kopecks)),
                    "date_time": sale.date_time.isoformat(),
                    "comment": sale.comment,
                    "sale_id": sale.sale_id,
                    "set_by": sale.set_by,
                }
                for sale in standing
            ]
            for (kind, key), standing in comagic.sales.items()
        }
        return {
            "now": self._world.clock.now().isoformat(),
            "sales": sales,
            "history": [asdict(entry) | {"at": entry.at.isoformat()} for entry in comagic.history],
            "requests": {
                name: dict(Counter(record.method for record in system.requests))
                for name, system in self._systems().items()
            },
            "orders": {
                order.id: {"client_id": order.client_id, "status": order.status}
                | {"net": str(roubles(order.net_kopecks))}
                for order in list(agbis.orders.values())
            },
            "clients": {c.id: {"phone": c.phone, "landline": c.landline} for c in list(agbis.clients.values())},
            "deals": {
                key: {"stage": deal.last.stage.name, "revenue": str(roubles(deal.last.revenue_kopecks or 0))}
                | {"name": deal.last.name, "comments": deal.last.comments}
                | {"communications": [row.communication_id for row in comagic.deals.communications_of(key)]}
                for key, deal in list(comagic.deals.deals.items())
            },
            "points_used": comagic.points_used,
            "limits": comagic.quota.limits(),
            "sale_tag_id": comagic.sale_tag_id,
            "switches": self._positions(),
            "truth": asdict(truth) if truth else None,
        }

    def _requests(self, _body: Any) -> dict[str, Any]:
        return {
            name: [asdict(record) | {"at": record.at.isoformat()} for record in system.requests]
            for name, system in self._systems().items()
        }

    def _list_faults(self, _body: Any) -> dict[str, Any]:
        return {name: [asdict(fault) for fault in system.faults] for name, system in self._systems().items()}

    def _add_faults(self, body: Any) -> dict[str, Any]:
        """Add faults; `system` is needed only for a method that both systems have."""
        for fields in body if isinstance(body, list) else [body]:
            details = dict(fields)
            method = details.get("method", "*")
            named = details.pop("system", None)
            for name, known in (("agbis", COMMANDS), ("comagic", SPECS)):
                if named == name or (named is None and (method == "*" or method in known)):
                    self._systems()[name].fail(Fault(**details))
        return self._list_faults(None)

    def _drop_faults(self, _body: Any) -> dict[str, Any]:
        for system in self._systems().values():
            system.faults.clear()
        return self._list_faults(None)

    def _switches(self, body: Any) -> dict[str, Any]:
        agbis, comagic = self._world.agbis, self._world.comagic
        agbis.switches = replace(agbis.switches, **body.get("agbis", {}))
        comagic.switches = replace(comagic.switches, **body.get("comagic", {}))
        comagic.deal_switches = replace(comagic.deal_switches, **body.get("deals", {}))
        return self._positions()

    def _positions(self) -> dict[str, Any]:
        agbis, comagic = self._world.agbis, self._world.comagic
        return {
            "agbis": asdict(agbis.switches),
            "comagic": asdict(comagic.switches),
            "deals": asdict(comagic.deal_switches),
        }

    def _clock(self, body: Any) -> dict[str, Any]:
        self._world.clock.advance(timedelta(seconds=body["advance_seconds"]))
        return {"now": self._world.clock.now().isoformat()}

    def _limits(self, body: Any) -> dict[str, Any]:
        """Set `minute_limit` and `day_limit`; `"spend_day": true` uses up the rest of the day."""
        comagic = self._world.comagic
        for name, points in body.items():
            if name == "spend_day":
                continue
            if name not in ("minute_limit", "day_limit"):
                raise KeyError(name)
            setattr(comagic.quota, name, points)
        if body.get("spend_day"):
            comagic.quota.spend_rest_of_day()
        return dict(comagic.quota.limits())

    def _events(self, body: Any) -> list[Any]:
        """Play events in their order and return the result of each."""
        return [self._event(dict(event)) for event in (body if isinstance(body, list) else [body])]

    def _event(self, event: dict[str, Any]) -> Any:
        name = event.pop("event")
        if name in AGBIS_EVENTS:
            system: Any = self._world.agbis
        elif name in COMAGIC_EVENTS:
            system = self._world.comagic
        else:
            msg = f"no event {name!r}; there are {', '.join(AGBIS_EVENTS + COMAGIC_EVENTS)}"
            raise ValueError(msg)
        return getattr(system, name)(**{key: self._value(key, value) for key, value in event.items()})

    def _value(self, key: str, value: Any) -> Any:
        if key in ("at", "at_update") and value is not None:
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=self._world.agbis.zone)
        if key == "doc_date" and value is not None:
            return date.fromisoformat(value)
        if key in ("services", "goods"):
            return [(name, price) for name, price in value]
        return value

    def _reset(self, body: Any) -> dict[str, Any]:
        """Empty the world; with `{"seed": 1, ...}` populate it again."""
        self._world.reset()
        if body:
            populate(self._world, **body)
        return self._state(None)
