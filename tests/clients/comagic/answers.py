"""Answers of CoMagic as the client decodes them."""

from __future__ import annotations

import json
from typing import Any

from crm_bridge.clients.comagic import wire

TOKEN = "t0p-secret"


def answer(error: Any = None, **body: Any) -> wire.Answer:
    """Decode the answer to a request; raise what the client would raise."""
    asked = wire.request("m", {}, token=TOKEN, user_id=None)
    content: dict[str, Any] = {"jsonrpc": "2.0", "id": asked.id, **body}
    if error is not None:
        content["error"] = error
    return wire.answer(asked, json.dumps(content).encode(), secrets=(TOKEN,))


def failure(mnemonic: str | None, code: int = -32602, message: str = "Text", **data: Any) -> dict[str, Any]:
    """Return the `error` of an answer."""
    return {"code": code, "message": message, "data": {"mnemonic": mnemonic, "params": {}, **data}}
