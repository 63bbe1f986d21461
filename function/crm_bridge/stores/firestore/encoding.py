"""Documents as messages of Firestore's protocol, and back.

The library does this with snapshots that are deep copies and messages wrapped twice: more than half of the CPU of a run
with many phones. Its protocol classes are its public types (https://cloud.google.com/firestore/docs/reference/rpc).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.cloud.firestore_v1.types import Document as _Document
from google.cloud.firestore_v1.types import Value as _Value
from google.cloud.firestore_v1.types import Write as _Write

from crm_bridge.stores.documents import Document

_DocumentMessage = _Document.pb()
_ValueMessage = _Value.pb()
_WriteMessage = _Write.pb()


def fields(message: Mapping[str, Any]) -> Document:
    """Return the fields of a document message as plain values; times are aware, UTC."""
    return {name: _read(value) for name, value in message.items()}


def write(name: str, document: Document | None) -> _Write:
    """Make the write that sets a document whole, or deletes it.

    Args:
        name: Of the document, with its database.
        document: None deletes it.

    Raises:
        TypeError: A value is of no kind that a document of ours has.
    """
    if document is None:
        message = _WriteMessage(delete=name)
    else:
        values = {field: _written(value) for field, value in document.items()}
        message = _WriteMessage(update=_DocumentMessage(name=name, fields=values))
    wrapped: _Write = _Write.wrap(message)
    return wrapped


def _read(value: Any) -> Any:
    match kind := value.WhichOneof("value_type"):
        case "null_value":
            return None
        case "timestamp_value":
            return value.timestamp_value.ToDatetime(UTC)
        case "map_value":
            return fields(value.map_value.fields)
        case "array_value":
            return [_read(item) for item in value.array_value.values]
        case _:
            return getattr(value, kind)


def _written(value: object) -> Any:
    match value:
        case None:
            return _ValueMessage(null_value=0)
        case str():
            return _ValueMessage(string_value=value)
        case bool():  # before int, of which it is a kind
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
            return _ValueMessage(map_value={"fields": {name: _written(item) for name, item in value.items()}})
        case list():
            return _ValueMessage(array_value={"values": [_written(item) for item in value]})
        case _:
            raise TypeError(f"A document of Firestore has no {type(value).__name__}")
