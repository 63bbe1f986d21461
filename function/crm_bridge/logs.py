"""Logs: one JSON object a line on stdout, in the field names of Cloud Logging.

`set_up` is called at the start of every request, not at import: with LOG_EXECUTION_ID the framework runs
`logging.config.dictConfig` after it has imported us, which replaces the root's handlers and disables every logger
that exists by then.
"""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar

from crm_bridge.redaction import redact

run_id: ContextVar[str | None] = ContextVar("run_id", default=None)
"""The run that the present task works for; every line it logs has this id."""

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_NOISY = ("httpx", "httpcore", "google", "grpc", "urllib3", "asyncio")


class CloudHandler(logging.Handler):
    """Writes a record as one line; the stream is looked up at each line, because the framework swaps it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line: dict[str, object] = {
                "severity": record.levelname,
                "message": redact(record.getMessage()),
                "logger": record.name,
            }
            for key, value in record.__dict__.items():
                if key not in _STANDARD:
                    line[key] = _redacted(value)
            if current := run_id.get():
                line.setdefault("run_id", current)
            if record.exc_info:
                line["exception"] = redact(logging.Formatter().formatException(record.exc_info))
            sys.stdout.write(json.dumps(line, ensure_ascii=False, default=lambda value: redact(str(value))) + "\n")
            sys.stdout.flush()
        except Exception:
            self.handleError(record)


def _redacted(value: object) -> object:
    match value:
        case str():
            return redact(value)
        case dict():
            return {redact(str(key)): _redacted(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted(item) for item in value]
    return value


def set_up(level: str) -> None:
    """Make every logger write through us; cheap when that is already so."""
    root = logging.getLogger()
    if not (len(root.handlers) == 1 and isinstance(root.handlers[0], CloudHandler)):
        root.handlers[:] = [CloudHandler()]
        for logger in logging.Logger.manager.loggerDict.values():
            if isinstance(logger, logging.Logger):
                logger.disabled = False
        for name in _NOISY:  # httpx logs whole URLs at INFO, with Agbis's session in them
            logging.getLogger(name).setLevel(logging.WARNING)
    if logging.getLevelName(root.level) != level:  # to set it empties every logger's cache
        root.setLevel(level)
