"""Every error we raise, divided by what a caller can do. `handlers/responses.py` maps each to an HTTP status.

    BridgeError
      InvalidInput              the request or a value in it cannot be used
      SettingsError             settings are missing or wrong; the message names all of them
      EmptyDatabase             no phone has ever been read from the CRM
      RunInProgress             another run holds the lease
      PlanRefused               the guard stops the run, or the plan is not the one that was confirmed
      LeaseLost                 another run has taken over: stop writing
      RunStopped                the run's time is over, or the process is being ended
      StoreUnavailable          the database cannot be used
      RemoteError(system)       CoMagic or Agbis did not do what we asked
        RemoteUnavailable       network, timeout, 429, 5xx: repeat a read; a write may have happened, look first
          RemoteTimeout         no answer in time, or HTTP 504: the window was too wide for the other side
          QuotaSpent            refused for a quota: nothing happened, try later
        RemoteRejected(code)    understood and refused: the same call would fail again
          AccessDenied(barrier) the key, our address, the account, a right or a component stands in the way
          NotFound              what the call names does not exist
          AlreadyExists         what the call would make exists already
          InvalidDate           a date of the call is out of the range that is allowed
          RecordRefused(part)   one record of many is wrong, and nothing of the request was done
        RemoteProtocolError     the answer is not what the documentation promises; a write may have happened
          AnswerTooLarge        more bytes than we read: ask for less before asking again

A message may reach a log and an answer: it never holds a phone, a token, a session id or a URL.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from crm_bridge.redaction import redact


class BridgeError(Exception):
    """Base of everything this program raises on purpose.

    Attributes:
        retry_after: Seconds after which another try may succeed, when known.
    """

    retry_after: int | None = None


class InvalidInput(BridgeError):
    """The caller asked for something we do not do; the message names what."""


class SettingsError(BridgeError):
    """Environment variables are missing or wrong; the message names all of them."""


class EmptyDatabase(BridgeError):
    """There are no phone aggregates yet."""


class LeaseLost(BridgeError):
    """This run no longer holds the lease, so it must not write any more."""


class RunInProgress(BridgeError):
    """Another run holds the lease.

    Attributes:
        run_id: The run in progress.
        started_at: When it started, aware.
        retry_after: Seconds until its lease ends if it does not renew it.
    """

    def __init__(self, run_id: str, started_at: datetime, retry_after: int) -> None:
        super().__init__(f"Another run is in progress: {run_id}, started {started_at:%Y-%m-%d %H:%M:%S %Z}")
        self.run_id = run_id
        self.started_at = started_at
        self.retry_after = retry_after


class PlanRefused(BridgeError):
    """What the run would change was not agreed to: the guard stops it, or the plan is not the confirmed one."""


class RunStopped(BridgeError):
    """The run's time is over, or the process is being ended; the next run goes on.

    Attributes:
        retry_after: Seconds after which a new run is worth starting.
    """

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreUnavailable(BridgeError):
    """The database cannot be used.

    Attributes:
        place: The file's path, or the name of the database in the cloud.
        cause: What is wrong with it.
        retry_after: Seconds after which another try may succeed; None when somebody has to put it right first.
    """

    def __init__(self, place: str, cause: str, *, retry_after: int | None = None) -> None:
        super().__init__(f"STORE_URL: the database {place} cannot be used: {cause}")
        self.place = place
        self.cause = cause
        self.retry_after = retry_after


class RemoteError(BridgeError):
    """One of the two remote systems failed us. Its message goes into answers, logs and stored runs, so it is redacted.

    Attributes:
        system: "CoMagic" or "Agbis".
    """

    def __init__(self, system: str, message: str) -> None:
        super().__init__(redact(message))
        self.system = system


class RemoteUnavailable(RemoteError):
    """No usable answer: repeat a read; a write may have happened, so look before repeating it.

    Attributes:
        retry_after: Seconds the other side asks us to wait, when known.
    """

    def __init__(self, system: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(system, message)
        self.retry_after = retry_after


class RemoteTimeout(RemoteUnavailable):
    """No answer in time, or a gateway's 504: ask for less before asking again."""


class QuotaSpent(RemoteUnavailable):
    """Refused for a quota, or not asked because the quota is spent: nothing has happened."""


class RemoteRejected(RemoteError):
    """Understood and refused; the same call would fail again.

    Attributes:
        code: CoMagic's mnemonic or Agbis's error number, as text.
        fatal: Every other call of the run would be refused as well.
        field: The path of the parameter that is refused, as `deals[3].stage_ext_id`; None when it is not named.
    """

    def __init__(self, system: str, code: str, message: str, *, fatal: bool = False) -> None:
        super().__init__(system, message)
        self.code = code
        self.fatal = fatal
        self.field: str | None = None


class Barrier(StrEnum):
    """What denies access."""

    KEY = "key"
    """The key or the password is wrong, expired or blocked."""
    ADDRESS = "address"
    """Our IP address is not on the account's list."""
    ACCOUNT = "account"
    """The account is blocked."""
    RIGHT = "right"
    """The key's user lacks a right."""
    COMPONENT = "component"
    """A paid component or an option of the account is off."""


class AccessDenied(RemoteRejected):
    """Refused whatever the call's parameters are, until somebody changes the account.

    Attributes:
        barrier: What denies access.
        address: Our address as the other side sees it; None unless the barrier is ADDRESS and it was given.
    """

    def __init__(
        self,
        system: str,
        code: str,
        message: str,
        *,
        barrier: Barrier,
        fatal: bool = False,
        address: str | None = None,
    ) -> None:
        super().__init__(system, code, message, fatal=fatal)
        self.barrier = barrier
        self.address = address


class NotFound(RemoteRejected):
    """What the call names does not exist."""


class AlreadyExists(RemoteRejected):
    """What the call would make exists already."""


class InvalidDate(RemoteRejected):
    """A date of the call is out of the range that is allowed: before the communication, or in the future."""


class RecordPart(StrEnum):
    """What of a record is refused."""

    CONTACT = "contact"
    """It names a contact that does not exist, or is not seen yet."""
    NAME = "name"
    COMMENT = "comment"
    TIME = "time"
    """A time is before that of the last record."""
    STAGE = "stage"
    FUNNEL = "funnel"
    """The funnel or the stage does not exist."""
    OTHER = "other"


class RecordRefused(RemoteRejected):
    """One record of a request is wrong, so nothing of the request was done.

    Attributes:
        part: What of it is refused; OTHER also when that is not named.
        index: Its place in the request; None when it is not named.
        is_missing: What the record names does not exist.
    """

    def __init__(self, refusal: RemoteRejected, *, part: RecordPart, index: int | None) -> None:
        message = f"{refusal} ({refusal.field.rpartition('.')[2]})" if refusal.field else str(refusal)
        super().__init__(refusal.system, refusal.code, message, fatal=refusal.fatal)
        self.field = refusal.field
        self.part = part
        self.index = index
        self.is_missing = isinstance(refusal, NotFound)


class RemoteProtocolError(RemoteError):
    """The answer is not what the documentation promises. A write may have happened."""


class AnswerTooLarge(RemoteProtocolError):
    """The answer has more bytes than we read: ask for less before asking again."""
