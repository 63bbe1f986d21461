"""How a value of the domain becomes a document of a database, the same on both.

A document is the value's fields as a mapping of plain values; times in it are aware, UTC. The limits are Firestore's,
kept on SQLite as well, so that what would break in the cloud breaks on a laptop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import unquote

import msgspec
from msgspec import Struct

T = TypeVar("T")

Document = dict[str, Any]

DOCUMENT_LIMIT = 1_048_576
"""Bytes of one document (https://firebase.google.com/docs/firestore/quotas)."""

BATCH_WRITES = 400
BATCH_BYTES = 3 * 1_048_576
"""What one commit takes: the service ends at 10 MiB and its emulator at 4, the protocol's overhead included."""


class DocumentTooLarge(ValueError):
    """A value does not fit into one document; the message never shows the value."""


class DocumentCollection(Struct, Generic[T], frozen=True, kw_only=True):
    """A collection of values of one type.

    Attributes:
        key: The name of a value within its collection, in the domain's words.
    """

    name: str
    type: type[T]
    key: Callable[[T], str]


class Write(NamedTuple):
    """One document to set whole, or to delete when `document` is None."""

    collection: str
    document_id: str
    document: Document | None
    size: int


def put(collection: DocumentCollection[T], value: T) -> Write:
    """Set the document of a value.

    Raises:
        DocumentTooLarge: It is over Firestore's limit.
    """
    return put_document(collection.name, collection.key(value), to_document(value))


def put_document(collection: str, key: str, document: Document) -> Write:
    """Set a document.

    Raises:
        DocumentTooLarge: It is over Firestore's limit.
    """
    write = Write(collection, document_id(key), document, _size(document) + len(key) + len(collection) + 50)
    if write.size > DOCUMENT_LIMIT:
        raise DocumentTooLarge(f"A document of {collection} has {write.size} bytes; {DOCUMENT_LIMIT} are possible")
    return write


def delete(collection: DocumentCollection[Any], key: str) -> Write:
    """Delete the document of a value, if there is one."""
    return Write(collection.name, document_id(key), None, len(key) + len(collection.name) + 50)


def to_document(value: object) -> Document:
    """Return a value as a document.

    Raises:
        ValueError: A time in it is naive: the databases would read it as UTC, which nobody has meant.
    """
    document: Document = _in_utc(msgspec.to_builtins(value, builtin_types=(datetime, bytes)))
    return document


def from_document(document: Mapping[str, Any], type_: type[T]) -> T:
    """Return a document as a value of a type; fields that it does not have are ignored."""
    return msgspec.convert(document, type_)


def document_id(key: str) -> str:
    """Return a key as an id that Firestore takes: no `/`, not empty, `.`, `..` nor `__x__`. `key_of` undoes it.

    Ids of orders and clients come from the CRM and may be anything; `__all__` is a valid id of a card.
    """
    text = key.replace("%", "%25").replace("/", "%2F")
    if text in {"", ".", ".."}:
        return text.replace(".", "%2E") or "%"
    if text.startswith("__") and text.endswith("__"):
        return "%5F" + text[1:]
    return text


def key_of(document_id: str) -> str:
    """Return the key that an id stands for."""
    return "" if document_id == "%" else unquote(document_id, errors="strict")


def pack(groups: Iterable[list[Write]]) -> Iterator[list[Write]]:
    """Join groups of writes, in their order, into goes that a database commits at once; no group is split.

    Of two writes of the same document in one go the later wins. A group that is over the limits by itself goes alone.
    """
    go: dict[tuple[str, str], Write] = {}
    size = 0
    for group in groups:
        group_size = sum(write.size for write in group)
        if go and (len(go) + len(group) > BATCH_WRITES or size + group_size > BATCH_BYTES):
            yield list(go.values())
            go, size = {}, 0
        go.update({(write.collection, write.document_id): write for write in group})
        size += group_size
    if go:
        yield list(go.values())


def _in_utc(value: Any) -> Any:
    match value:
        case str() | int() | None:  # nearly all of them
            return value
        case datetime():
            if value.tzinfo is None:
                raise ValueError("A time without a time zone cannot be stored")
            return value.astimezone(UTC)
        case dict():
            return {name: _in_utc(item) for name, item in value.items()}
        case list() | tuple():
            return [_in_utc(item) for item in value]
        case _:
            return value


def _size(value: Any) -> int:
    """Count bytes as Firestore bills them, and the protocol's few per value on top."""
    match value:
        case str():
            return len(value) + 5 if value.isascii() else len(value.encode()) + 5
        case bytes():
            return len(value) + 5
        case dict():
            return sum(len(name) + 8 + _size(item) for name, item in value.items())
        case list():
            return sum(4 + _size(item) for item in value)
        case _:
            return 14  # a timestamp is the longest of the rest
