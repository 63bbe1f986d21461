"""Why a database cannot be used, in the same words for both; `translations` has each in every language."""

from __future__ import annotations

LOCKED = "another program has locked it"
FULL = "the disk is full"
READ_ONLY = "it is read-only"
NO_PERMISSION = "permission is denied"
IS_FOLDER = "it is a folder, not a file"
NO_FOLDER = "a part of its path is a file, not a folder"
NOT_SQLITE = "it is not an SQLite database"
DAMAGED = "it is damaged"
NOT_OPENED = "it cannot be opened"
NO_CREDENTIALS = "there are no credentials for Google Cloud"
NO_ANSWER = "it does not answer"
MISSING = "it does not exist"
