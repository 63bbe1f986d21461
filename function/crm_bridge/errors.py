"""Every error we raise, cut by what a caller can do.

    BridgeError
      InvalidInput                the caller is wrong -> 400
      SettingsError             the settings are missing or wrong, all of them named -> 500
      RunInProgress                      another run is in progress -> 409
      EmptyDatabase             no phone has ever been read from the CRM -> 409
      LeaseLost                 another run has taken over: stop writing -> 503
      RemoteError(system)       CoMagic or Agbis did not do what we asked
        RemoteUnavailable       network, timeout, 429, 5xx: repeat a read; a write may have happened, look first -> 503
          RemoteTimeout         no answer in time, or HTTP 504: a window was too wide for the other side
          QuotaSpent            refused for a quota, so nothing happened: later -> 503
        RemoteRejected(code)    understood and refused: the same call would fail again -> 502
        RemoteProtocolError     the answer is not what the documentation promises; a write may have happened -> 502

A message may reach a log and an answer: it never holds a phone, a token, a session id or a URL.
"""

from __future__ import annotations

from datetime import datetime


class BridgeError(Exception):
    """Base of everything this program raises on purpose."""


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


class RemoteError(BridgeError):
    """One of the two remote systems failed us.

    Attributes:
        system: "CoMagic" or "Agbis".
    """

    def __init__(self, system: str, message: str) -> None:
        super().__init__(message)
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
    """

    def __init__(self, system: str, code: str, message: str) -> None:
        super().__init__(system, message)
        self.code = code


class RemoteProtocolError(RemoteError):
    """The answer is not what the documentation promises. A write may have happened."""
