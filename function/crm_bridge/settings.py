"""Settings: environment variables, read in this module only."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from msgspec import Struct

from crm_bridge.domain.attribution import Policy
from crm_bridge.domain.communication import CommunicationType
from crm_bridge.errors import SettingsError

COMAGIC_VARIABLES = ("COMAGIC_TOKEN",)
"""What every run of `sync` needs."""

AGBIS_VARIABLES = ("AGBIS_URL", "AGBIS_USER", "AGBIS_PASSWORD")
"""What a refresh from the CRM needs."""

PREFIXES = ("AGBIS_", "COMAGIC_", "CRM_", "SYNC_", "EXCHANGE_", "ALERT_")
"""How our variables begin: another one that begins so is a typing mistake."""

_LONGEST_NAME = 100  # characters of an unknown variable that a message shows

_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SqliteStore(Struct, frozen=True, kw_only=True):
    """`sqlite:///relative` or `sqlite:////absolute`."""

    path: str


class FirestoreStore(Struct, frozen=True, kw_only=True):
    """`firestore://<project>/<database>`."""

    project: str
    database: str


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that can be set, checked. Times are `timedelta`; `repr` holds no secret.

    Attributes are the variables of `VARIABLES`, in lower case and with the unit dropped from the name, and:

    Attributes:
        unknown_variables: What is wrong with each variable that begins like ours and is none of them. A run is refused
            for them; everything else goes on.
    """

    store_url: SqliteStore | FirestoreStore
    agbis_url: str | None
    agbis_user: str | None
    agbis_password: str | None
    comagic_url: str
    comagic_token: str | None
    comagic_user_id: int | None
    comagic_sale_tag_id: int | None
    comagic_lookback: timedelta
    comagic_sources: tuple[CommunicationType, ...]
    comagic_concurrency: int
    comagic_deals: bool
    comagic_deals_funnel: str
    comagic_deals_link: str
    attribution: Policy
    crm_lookback: timedelta
    time_zone: ZoneInfo
    phone_region: str
    sync_time_budget: timedelta
    exchange_ttl: timedelta
    exchange_api_key: str | None
    sync_api_key: str | None
    alert_urls: tuple[str, ...] | None
    runs_ttl: timedelta
    sync_max_decrease_percent: int
    log_level: str
    unknown_variables: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Settings(store_url={self.store_url})"  # other settings may be secret

    @classmethod
    def from_env(cls, env: Mapping[str, str], *, required: Collection[str] = ()) -> Settings:
        """Read the settings; surrounding white space, such as a secret's last newline, is dropped.

        Args:
            env: The environment.
            required: Variables that the caller cannot do without.

        Raises:
            SettingsError: Names every variable that is missing or wrong, all at once, and never a value.
        """
        problems = [f"{name} is missing" for name in required if not env.get(name, "").strip()]
        values: dict[str, object] = {}
        for name, (attribute, default, parse) in VARIABLES.items():
            text = env.get(name, "").strip() or default
            try:
                values[attribute] = None if text is None else parse(text)
            except ValueError as exc:
                problems.append(f"{name} {exc}")
        if env.get("K_SERVICE"):  # set by Cloud Run
            if env.get("FIRESTORE_EMULATOR_HOST"):
                problems.append("FIRESTORE_EMULATOR_HOST must not be set in the cloud")
            if isinstance(values.get("store_url"), SqliteStore):
                problems.append(
                    "STORE_URL must be a Firestore in the cloud, where a file does not outlive its instance"
                )
        unknown = _unknown_variables(env)
        if problems:
            raise settings_error([*problems, *unknown])
        return cls(**values, unknown_variables=unknown)  # type: ignore[arg-type]  # a test compares the keys


def settings_error(problems: Iterable[str]) -> SettingsError:
    """Return one error that names all that is wrong."""
    return SettingsError("Settings: " + "; ".join(problems))


def read_sync_api_key(env: Mapping[str, str]) -> str | None:
    """Read the key of `sync` alone: it is asked for even when other settings cannot be read."""
    return env.get("SYNC_API_KEY", "").strip() or None


def _unknown_variables(env: Mapping[str, str]) -> tuple[str, ...]:
    names = sorted(name for name in env if name.startswith(PREFIXES) and name not in VARIABLES and env[name].strip())
    return tuple(f"{name[:_LONGEST_NAME]} is not a setting: did you mean {_nearest(name)}?" for name in names)


def _nearest(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only a wrong name needs it

    return get_close_matches(name, VARIABLES, n=1, cutoff=0)[0]


def _store(text: str) -> SqliteStore | FirestoreStore:
    if text.startswith("sqlite:///") and len(text) > len("sqlite:///"):
        return SqliteStore(path=text.removeprefix("sqlite:///"))
    match = re.fullmatch(r"firestore://([a-z][a-z0-9-]{3,28}[a-z0-9])(?:/([a-z][a-z0-9-]{3,62}|\(default\))?)?", text)
    if match:
        return FirestoreStore(project=match[1], database=match[2] or "(default)")
    raise ValueError("must be sqlite:///<file> or firestore://<project>/<database>")


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an address like https://host/path/")
    return text


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _days(low: int, high: int) -> Callable[[str], timedelta]:
    parse = _whole(low, high)
    return lambda text: timedelta(days=parse(text))


def _seconds(low: int, high: int) -> Callable[[str], timedelta]:
    parse = _whole(low, high)
    return lambda text: timedelta(seconds=parse(text))


def _one_of(allowed: Collection[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.upper() not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text.upper()

    return parse


def _policy(text: str) -> Policy:
    try:
        return Policy(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Policy)}") from None


SOURCES = {
    "calls": CommunicationType.CALL,
    "chats": CommunicationType.CHAT,
    "offline_messages": CommunicationType.OFFLINE_MESSAGE,
}


def _sources(text: str) -> tuple[CommunicationType, ...]:
    names = [name.strip() for name in text.split(",")]
    if not all(name in SOURCES for name in names):
        raise ValueError(f"must be a comma list of {', '.join(SOURCES)}")
    return tuple(dict.fromkeys(SOURCES[name] for name in names))


def _addresses(text: str) -> tuple[str, ...]:
    addresses = tuple(re.split(r"\s*,\s*(?=[A-Za-z][A-Za-z0-9]*://)", text.strip(", ")))  # an address may have commas
    if not all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]*://\S+", address) for address in addresses):
        raise ValueError("must be a comma list of Apprise addresses, e.g. tgram://<token>/<chat>")
    return addresses


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (OSError, ValueError, KeyError) as exc:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError("must be a name of the IANA time zone database, e.g. Europe/Moscow") from exc


def _region(text: str) -> str:
    if not re.fullmatch(r"[A-Z]{2}", text):
        raise ValueError("must be a country of two capital letters, e.g. RU")
    return text


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return parse


def _switch(text: str) -> bool:
    return _choice("on", "off")(text) == "on"


def _ext_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        raise ValueError("must be letters, digits, _ and -, 64 at most")
    return text


_LONG_AGO = 3650  # days; a larger number is a typing mistake

VARIABLES: Mapping[str, tuple[str, str | None, Callable[[str], object]]] = {
    # variable: (attribute, default, how its text is read)
    "STORE_URL": ("store_url", "sqlite:///data/crm-bridge.db", _store),
    "AGBIS_URL": ("agbis_url", None, _url),
    "AGBIS_USER": ("agbis_user", None, str),
    "AGBIS_PASSWORD": ("agbis_password", None, str),
    "COMAGIC_URL": ("comagic_url", "https://dataapi.comagic.ru/v2.0", _url),
    "COMAGIC_TOKEN": ("comagic_token", None, str),
    "COMAGIC_USER_ID": ("comagic_user_id", None, _whole(1, 10**18)),
    "COMAGIC_SALE_TAG_ID": ("comagic_sale_tag_id", None, _whole(1, 10**18)),
    "COMAGIC_LOOKBACK_DAYS": ("comagic_lookback", "30", _days(1, _LONG_AGO)),
    "COMAGIC_SOURCES": ("comagic_sources", "calls", _sources),
    "COMAGIC_CONCURRENCY": ("comagic_concurrency", "5", _whole(1, 20)),
    "COMAGIC_DEALS": ("comagic_deals", "off", _switch),
    "COMAGIC_DEALS_FUNNEL": ("comagic_deals_funnel", "agbis", _ext_id),
    "COMAGIC_DEALS_LINK": ("comagic_deals_link", "contact", _choice("contact", "communication")),
    "ATTRIBUTION": ("attribution", "first", _policy),
    "CRM_LOOKBACK_DAYS": ("crm_lookback", "3", _days(1, _LONG_AGO)),
    "TIME_ZONE": ("time_zone", "Europe/Moscow", _zone),
    "PHONE_REGION": ("phone_region", "RU", _region),
    "SYNC_TIME_BUDGET_SECONDS": ("sync_time_budget", "1500", _seconds(1, 3600)),
    "EXCHANGE_TTL_SECONDS": ("exchange_ttl", "3600", _seconds(1, 30 * 86_400)),
    "EXCHANGE_API_KEY": ("exchange_api_key", None, str),
    "ALERT_URLS": ("alert_urls", None, _addresses),
    "SYNC_API_KEY": ("sync_api_key", None, str),
    "SYNC_MAX_DECREASE_PERCENT": ("sync_max_decrease_percent", "20", _whole(0, 100)),
    "RUNS_TTL_DAYS": ("runs_ttl", "90", _days(1, _LONG_AGO)),
    "LOG_LEVEL": ("log_level", "INFO", _one_of(_LOG_LEVELS)),
}
