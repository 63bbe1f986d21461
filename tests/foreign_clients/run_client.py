"""Run calls of a foreign client, and print what comes of each; started by the interpreter of its environment.

Standard input has JSON: where the sandbox is, how to log in, and the calls. The client itself is not touched; only the
address, a constant in its source, is replaced on the way out.
"""

import contextlib
import importlib
import json
import sys
from datetime import datetime
from types import ModuleType
from typing import Any

_REAL = "https://dataapi.comagic.ru/v2.0"


def redirect(sessions: ModuleType, url: str) -> None:
    """Send the requests that are meant for the real address to another one."""
    original = sessions.Session.request

    def request(self: Any, method: str, address: str, **details: Any) -> Any:
        return original(self, method, address.replace(_REAL, url), **details)

    sessions.Session.request = request


def plain(value: Any) -> Any:
    """Return what the client gave as JSON can have it; lazy rows are read, as a caller would."""
    if isinstance(value, map):
        return [plain(row) for row in value]
    if hasattr(value, "fields") and hasattr(value, "__dict__"):
        return dict(vars(value))
    return value


def argument(value: Any, kept: dict[str, Any]) -> Any:
    """Return an argument: a moment, the id that an earlier call has made, or what stands there."""
    if isinstance(value, dict) and "moment" in value:
        return datetime.fromisoformat(value["moment"])
    return kept[value["kept"]] if isinstance(value, dict) and "kept" in value else value


def outcome(client: Any, call: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Make one call: `sites.get` or `get_sites`, with its arguments."""
    arguments = {name: argument(value, kept) for name, value in call["arguments"].items()}
    target = client
    try:
        for part in call["call"].split("."):
            target = getattr(target, part)
        value = plain(target(**arguments))
        if "keep" in call:
            kept[call["keep"]] = value["id"]
        return {"value": value}
    except Exception as error:
        known = getattr(error, "error_data", None)
        data = known.get("data") if isinstance(known, dict) else None
        return {"raised": type(error).__name__, "mnemonic": (data or {}).get("mnemonic"), "text": str(error)}


def main() -> None:
    """Answer with a JSON list, one outcome for each call."""
    order = json.load(sys.stdin)
    redirect(importlib.import_module("requests.sessions"), order["url"])
    comagic = importlib.import_module("comagic")
    with contextlib.redirect_stdout(sys.stderr):  # one of the clients prints its rows
        client = comagic.Comagic(**order["login"])
        kept: dict[str, Any] = {}
        outcomes = [outcome(client, call, kept) for call in order["calls"]]
    json.dump(outcomes, sys.stdout, default=str)


if __name__ == "__main__":
    main()
