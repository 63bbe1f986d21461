"""Documents as messages of Firestore's protocol, and back.

`AsyncClient` would copy every document into a snapshot and wrap every message twice: more than half of the CPU of a run
with many phones. The protocol's messages are public types (https://cloud.google.com/firestore/docs/reference/rpc).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.cloud.firestore_v1 import types

from crm_bridge.stores.documents import Document

_DocumentMessage = types.Document.pb()
_PreconditionMessage = types.Precondition.pb()
_ValueMessage = types.Value.pb()
_WriteMessage = types.Write.pb()


def id_of(message: Any) -> str:
    """Return the id of a document message: the last part of its full name."""
    id_: str = message.name.rpartition("/")[2]
    return id_


def decode(fields: Mapping[str, Any]) -> Document:
    """Return the fields of a document message as plain values; times are aware, UTC."""
    return {name: _decode_value(value) for name, value in fields.items()}


def write(name: str, document: Document | None, *, only_if: Any = None) -> Any:
    """Make the write message that sets a document whole, or deletes it.

    Args:
        name: The document's full name.
        document: None deletes it.
        only_if: What must hold of the stored document: see `unchanged`.

    Raises:
        TypeError: A value has a type that no document of ours has.
    """
    if document is None:
        return _WriteMessage(delete=name, current_document=only_if)
    values = {field: _encode_value(value) for field, value in document.items()}
    return _WriteMessage(update=_DocumentMessage(name=name, fields=values), current_document=only_if)


def unchanged(found: Any) -> Any:
    """Make the precondition that a document still is as it was found, or that it still does not exist.

    Args:
        found: The document message; None when there was no document.
    """
    return _PreconditionMessage(exists=False) if found is None else _PreconditionMessage(update_time=found.update_time)


def _decode_value(value: Any) -> Any:
    match kind := value.WhichOneof("value_type"):
        case "null_value":
            return None
        case "timestamp_value":
            return value.timestamp_value.ToDatetime(UTC)
        case "map_value":
            return decode(value.map_value.fields)
        case "array_value":
            return [_decode_value(item) for item in value.array_value.values]
        case _:
            return getattr(value, kind)


def _encode_value(value: object) -> Any:
    match value:
        case None:
            return _ValueMessage(null_value=0)
        case str():
            return _ValueMessage(string_value=value)
        case bool():  # before int: a bool is an int as well
            return _ValueMessage(boolean_value=value)
        case int():
            return _ValueMessage(integer_value=value)
        case float():
            return _ValueMessage(double_value=value)
        case bytes():
            return _ValueMessage(bytes_value=value)
        case datetime():
            return _ValueMessage(timestamp_value=value)
        case dict():
            return _ValueMessage(map_value={"fields": {name: _encode_value(item) for name, item in value.items()}})
        case list():
            return _ValueMessage(array_value={"values": [_encode_value(item) for item in value]})
        case _:
            raise TypeError(f"A document of Firestore has no {type(value).__name__}")
