"""Copies of an SQLite database, made while others work on it, and put back: `backup.py make`, `backup.py restore`.

Only the standard library is used.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

_PATTERN = "bridge-*.db"
_SIDES = ("-wal", "-shm", "-journal")


class BackupError(Exception):
    """Nothing was made or put back; the message says why."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="backup.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="copy a database into a folder, as it is at this moment")
    making.add_argument("database", type=Path)
    making.add_argument("folder", type=Path)
    making.add_argument("--keep", type=int, default=14, help="how many copies stay (default: %(default)s)")
    restoring = commands.add_parser("restore", help="put a copy in the place of a database that nothing uses")
    restoring.add_argument("copy", type=Path)
    restoring.add_argument("database", type=Path)
    args = parser.parse_args()
    try:
        if args.command == "make":
            print(make(args.database, args.folder, keep=args.keep))
        else:
            for line in restore(args.copy, args.database):
                print(line)
    except (BackupError, sqlite3.Error, OSError) as exc:
        print(f"backup.py: {exc}", file=sys.stderr)
        return 1
    return 0


def make(database: Path, folder: Path, *, keep: int) -> Path:
    """Copy a database, whole as of one moment, whoever writes to it meanwhile; then delete the oldest copies.

    Returns:
        The copy. It appears under its name only when it is complete and sound.

    Raises:
        BackupError: There is no database, or the copy is damaged.
    """
    if keep < 1:
        raise BackupError("--keep must be 1 or more")
    if not database.is_file():
        raise BackupError(f"there is no database {database}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"bridge-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.db"
    unfinished = folder / f".{name}"
    try:
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL, 0o600))  # before there is anything to read in it
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, timeout=60)) as connection:
            connection.execute("VACUUM INTO ?", (str(unfinished),))  # one reading transaction; deleted data stay out
        _check(unfinished)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.rename(folder / name)
    finally:
        unfinished.unlink(missing_ok=True)
    for old in sorted(folder.glob(_PATTERN))[:-keep]:
        old.unlink()
    return folder / name


def restore(copy: Path, database: Path) -> list[str]:
    """Put a copy in the place of a database; what was there is kept beside it.

    Returns:
        What was done, a line each.

    Raises:
        BackupError: The copy is damaged, or somebody uses the database.
    """
    if not copy.is_file():
        raise BackupError(f"there is no copy {copy}")
    _check(copy)
    done = []
    if database.exists():
        _fold_in_the_log(database)
        aside = database.with_name(f"{database.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        database.rename(aside)
        done.append(f"the database that was there is now {aside}")
    for side in _SIDES:
        database.with_name(database.name + side).unlink(missing_ok=True)
    unfinished = database.with_name(f".{database.name}.restoring")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL, 0o600))
    with unfinished.open("wb") as file, copy.open("rb") as source:
        shutil.copyfileobj(source, file)
        file.flush()
        os.fsync(file.fileno())
    if os.geteuid() == 0:  # the service's user owns the folder, and must own the file
        owner = database.parent.stat()
        os.chown(unfinished, owner.st_uid, owner.st_gid)
    unfinished.rename(database)
    done.append(f"{database} is now {copy}")
    return done


def _check(file: Path) -> None:
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if found != ["ok"] or not tables:
        raise BackupError(f"{file} is damaged or empty")


def _fold_in_the_log(database: Path) -> None:
    """Make the file whole without its log, and make sure that nobody uses it."""
    with closing(sqlite3.connect(database, timeout=1, isolation_level=None)) as connection:
        try:
            mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]  # needs the file for itself
        except sqlite3.OperationalError as exc:
            raise BackupError(f"{database} is in use: stop the service first ({exc})") from exc
    if mode != "delete":
        raise BackupError(f"{database} is in use: stop the service first")


if __name__ == "__main__":
    sys.exit(main())
