"""Values of the domain as documents, the same on both databases.

A document maps the value's fields to plain values; its times are aware, UTC. The limits are Firestore's, kept on SQLite
as well, so that a value too large for the cloud fails on a laptop too.
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
"""Limits of one commit: the service takes 10 MiB and its emulator 4, the protocol's overhead included."""


class DocumentTooLarge(ValueError):
    """A value is over the limit of one document; the message never shows the value."""


class DocumentCollection(Struct, Generic[T], frozen=True, kw_only=True):
    """A collection of values of one type.

    Attributes:
        key: Returns the key of a value within its collection.
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
        DocumentTooLarge: The document is over Firestore's limit.
    """
    return put_document(collection.name, collection.key(value), to_document(value))


def put_document(collection: str, key: str, document: Document) -> Write:
    """Set a document.

    Raises:
        DocumentTooLarge: The document is over Firestore's limit.
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
        ValueError: The value has a naive time: the databases would take it for UTC, which may be wrong.
    """
    document: Document = _in_utc(msgspec.to_builtins(value, builtin_types=(datetime, bytes)))
    return document


def from_document(document: Mapping[str, Any], type_: type[T]) -> T:
    """Return a document as a value of a type; fields that the type does not have are ignored."""
    return msgspec.convert(document, type_)


def document_id(key: str) -> str:
    """Return a key as an id that Firestore takes: no `/`, not empty, `.`, `..` nor `__x__`; `key_of` reverses this.

    Ids of orders and clients come from the CRM and may be any text; `__all__` is a valid id of a card.
    """
    text = key.replace("%", "%25").replace("/", "%2F")
    if text in {"", ".", ".."}:
        return text.replace(".", "%2E") or "%"
    if text.startswith("__") and text.endswith("__"):
        return "%5F" + text[1:]
    return text


def key_of(document_id: str) -> str:
    """Return the key of an id."""
    return "" if document_id == "%" else unquote(document_id, errors="strict")


def commit_batches(groups: Iterable[list[Write]]) -> Iterator[list[Write]]:
    """Pack groups of writes, in order, into batches of one commit; a group is never split.

    Of two writes of one document in a batch the later wins. A group over the limits is a batch of its own.
    """
    batch: dict[tuple[str, str], Write] = {}
    size = 0
    for group in groups:
        group_size = sum(write.size for write in group)
        if batch and (len(batch) + len(group) > BATCH_WRITES or size + group_size > BATCH_BYTES):
            yield list(batch.values())
            batch, size = {}, 0
        batch.update({(write.collection, write.document_id): write for write in group})
        size += group_size
    if batch:
        yield list(batch.values())


def _in_utc(value: Any) -> Any:
    match value:
        case str() | int() | None:  # most values
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
    """Count bytes as Firestore bills them, plus the few that the protocol adds to each value."""
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
