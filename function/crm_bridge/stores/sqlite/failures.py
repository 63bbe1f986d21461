"""What SQLite and the system report about a file, as errors of ours."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from crm_bridge.errors import StoreUnavailable
from crm_bridge.redaction import redact
from crm_bridge.stores import causes

OURS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)
"""Errors that a statement of ours makes on a file in order."""

_OF_SQLITE = {
    sqlite3.SQLITE_BUSY: causes.LOCKED,
    sqlite3.SQLITE_PROTOCOL: causes.LOCKED,  # too many began to read at once
    sqlite3.SQLITE_FULL: causes.FULL,
    sqlite3.SQLITE_READONLY: causes.READ_ONLY,
    sqlite3.SQLITE_PERM: causes.NO_PERMISSION,
    sqlite3.SQLITE_NOTADB: causes.NOT_SQLITE,
    sqlite3.SQLITE_CORRUPT: causes.DAMAGED,
}

_OF_SYSTEM = {
    errno.EACCES: causes.NO_PERMISSION,
    errno.EPERM: causes.NO_PERMISSION,
    errno.ENOSPC: causes.FULL,
    errno.EDQUOT: causes.FULL,
    errno.EROFS: causes.READ_ONLY,
    errno.EISDIR: causes.IS_FOLDER,
    errno.ENOTDIR: causes.NO_FOLDER,
    errno.EEXIST: causes.NO_FOLDER,  # a file stands where a folder is to be made
}


def is_busy(exc: sqlite3.Error) -> bool:
    """Return whether a statement met another connection's lock."""
    return _code_of(exc) == sqlite3.SQLITE_BUSY


def unavailable(path: str, exc: sqlite3.Error | OSError, *, retry_after: int) -> StoreUnavailable:
    """Make our error of a failure of the file.

    Args:
        path: Of the file.
        exc: None of OURS.
        retry_after: Seconds after which another try may succeed, if the cause passes by itself.
    """
    place = Path(path).absolute()
    cause = _OF_SYSTEM.get(exc.errno or 0) if isinstance(exc, OSError) else _cause_of(exc, place)
    text = (exc.strerror or str(exc)) if isinstance(exc, OSError) else str(exc)
    return StoreUnavailable(
        redact(str(place)),
        cause or redact(text),
        retry_after=retry_after if cause == causes.LOCKED else None,
    )


def _cause_of(exc: sqlite3.Error, place: Path) -> str | None:
    code = _code_of(exc)
    if code != sqlite3.SQLITE_CANTOPEN:
        return _OF_SQLITE.get(code)
    if place.is_dir():
        return causes.IS_FOLDER
    # SQLite also writes `-wal` and `-shm` beside the file.
    may_open = os.access(place, os.R_OK | os.W_OK) and os.access(place.parent, os.W_OK | os.X_OK)
    return causes.NOT_OPENED if may_open else causes.NO_PERMISSION


def _code_of(exc: sqlite3.Error) -> int:
    """Return SQLite's code; the higher bits only say more about it. Errors of Python's module have none."""
    return getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
