"""Messages known by their English text: what the code raises is recognized, so that pages can translate it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

import pytest

from crm_bridge.domain.journal import Journal
from crm_bridge.errors import RunInProgress, SettingsError, StoreUnavailable
from crm_bridge.settings import VARIABLES, Settings
from crm_bridge.stores import causes
from crm_bridge.translations import Translator, en
from crm_bridge.translations.recognition import recognize
from tests.support.factories import NOON

FUNCTION = Path(__file__).parents[2] / "function"
RUSSIAN = Translator("ru")

JSON_ONLY = {"domain/card.py", "handlers/exchange.py"}
"""The exchange has no pages, and its texts are in English alone."""

ABOUT_SYSTEM = re.compile(r"(CoMagic|Agbis): .|\S+ was not read: .")

SENTENCE = re.compile("[A-Za-z]{2}")  # without a word, a text only puts other texts together


class Source:
    """A module of ours, searched for the texts that people may see."""

    def __init__(self, path: Path) -> None:
        self.name = path.relative_to(FUNCTION / "crm_bridge").as_posix()
        self.tree = ast.parse(path.read_text())
        self.assigned: dict[str, list[ast.expr]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.assigned.setdefault(node.targets[0].id, []).append(node.value)

    def nodes(self) -> Iterator[ast.AST]:
        return ast.walk(self.tree)


@cache
def sources() -> list[Source]:
    files = sorted((FUNCTION / "crm_bridge").rglob("*.py"))
    return [Source(path) for path in files if "translations" not in path.parts]


@cache
def error_classes() -> dict[str, int]:
    """The errors that a message is raised with, and which argument the message is."""
    bases = {
        node.name: [ast.unparse(base).rpartition(".")[2] for base in node.bases]
        for source in sources()
        for node in source.nodes()
        if isinstance(node, ast.ClassDef)
    }

    def ancestors(name: str) -> set[str]:
        return {name}.union(*(ancestors(base) for base in bases.get(name, ())))

    found = {"MalformedResponse": 0, "Failed": 1}
    for name in bases:
        if "RemoteRejected" in ancestors(name):
            found[name] = 2
        elif "RemoteError" in ancestors(name):
            found[name] = 1
        elif "BridgeError" in ancestors(name) and name not in {"RunInProgress", "StoreUnavailable"}:
            found[name] = 0
    return found


def texts(node: ast.expr, source: Source, depth: int = 0) -> Iterator[str]:
    """The texts that an expression may be; none for one that passes on the text of another error."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        found = [""]
        for part in node.values:
            found = [before + text for before in found for text in parts(part, source, depth)]
        yield from found
    elif isinstance(node, ast.Name | ast.Attribute) and depth < 3:
        name = node.id if isinstance(node, ast.Name) else node.attr
        for where in [source] if isinstance(node, ast.Name) else sources():
            for value in where.assigned.get(name, []):
                yield from texts(value, where, depth + 1)


def parts(node: ast.expr, source: Source, depth: int) -> list[str]:
    """The texts that a part of an f-string may be; a seven stands for a value of the run time."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    assert isinstance(node, ast.FormattedValue)
    value = node.value
    if isinstance(value, ast.BoolOp) and isinstance(value.values[-1], ast.Constant):
        return [str(value.values[-1].value)]  # `of or 'a row'`
    name = ast.unparse(value).rpartition(".")[2]
    if name.lower() in {"command", "method", "login", "call"}:
        return ["get.tags"]
    if name.lower() == "system":
        return ["CoMagic"]
    return list(texts(value, source, depth + 1)) or ["7"]


def raised() -> Iterator[tuple[str, str]]:
    """Each text that an error is made with, and where."""
    for source in sources():
        if source.name in JSON_ONLY:
            continue
        for node in source.nodes():
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            index = error_classes().get(name)
            if index is not None and len(node.args) > index:
                for text in filter(SENTENCE.search, texts(node.args[index], source)):
                    where = f"{source.name}:{node.lineno}"
                    yield where, f"Agbis: Login: {text}" if name == "MalformedResponse" else text


def about_systems() -> Iterator[tuple[str, str]]:
    """Each text that begins with the name of a remote system, wherever it goes; and the warnings."""
    for source in sources():
        docstrings = {node.value for node in source.nodes() if isinstance(node, ast.Expr)}
        for node in source.nodes():
            if not isinstance(node, ast.Constant | ast.JoinedStr) or node in docstrings:
                continue
            for text in texts(node, source):
                if ABOUT_SYSTEM.match(text):
                    yield f"{source.name}:{node.lineno}", text


def of_settings() -> Iterator[tuple[str, str]]:
    """Each problem of the settings, as one finds them by getting all wrong."""
    wrong = dict.fromkeys([*VARIABLES, "AGBIS_PASWORD"], "?")
    for env, required in (
        (wrong | {"K_SERVICE": "sync", "FIRESTORE_EMULATOR_HOST": "localhost"}, ()),
        ({"K_SERVICE": "sync"}, ("COMAGIC_TOKEN", "AGBIS_URL")),
    ):
        with pytest.raises(SettingsError) as caught:
            Settings.from_env(env, required=required)
        yield "settings.py", str(caught.value)
        for problem in str(caught.value).removeprefix("Settings: ").split("; "):
            yield "settings.py", problem


def of_runs() -> Iterator[tuple[str, str]]:
    """The messages about runs that are made outside a `raise`."""
    zone = ZoneInfo("Europe/Moscow")
    for dry_run in (False, True):
        journal = Journal(run_id="7", started_at=NOON, zone=zone, dry_run=dry_run)
        yield "domain/journal.py", journal.summary()
        journal.complete = False
        yield "domain/journal.py", journal.summary()
    yield "errors.py", str(RunInProgress("7", NOON, 60))


def of_remote_values() -> Iterator[tuple[str, str]]:
    """Messages that another value makes a message of their own."""
    for text in (
        "Agbis: Login: a row without dor_id",
        "Agbis: Login: error 7: Нет",
        "CoMagic has 2 system tags «Продажа» or «Sale»: set COMAGIC_SALE_TAG_ID",
        "CoMagic: internal_error: Нет",
        "CoMagic: limit_exceeded: Нет",
        "CoMagic: the day's points are spent (to wait for more would outlast the run)",
        "Agbis: Login: the answer has more than 64 MiB",
        "Agbis: Login: the answer has more than 100 levels",
        "Agbis: Login: the answer has a number of more than 18 digits",
        "CoMagic: forbidden: Permission denied",
        "CoMagic: access_token_invalid: Access token is invalid",
        "CoMagic: access_token_expired: Access token has been expired",
        "CoMagic: access_token_blocked: Access token has been blocked",
        "CoMagic: auth_error: Login or password is wrong",
        "CoMagic: ip_not_whitelisted: Your IP 192.0.2.7 is not whitelisted",
        "CoMagic: account_inactive: Your account has been disabled, contact the support service",
        "CoMagic: method_component_disabled: "
        "You need at least one of the following components to access this method: call_tracking",
        "CoMagic: method_not_found: The method does not exist / is not available",
        "CoMagic: limit_exceeded: Limit per day has been exceeded. Value of current limit per day is 5000",
        "CoMagic: limit_exceeded: Limit per minute has been exceeded. Value of current limit per minute is 300",
        "CoMagic: entity_not_found: Entity not found",
        "CoMagic: invalid_date_time: Invalid date time",
        "CoMagic: date_interval_limit_reached: Max value of requested date interval is 3 months",
        "/ takes only GET and POST",
        "/runs takes only GET",
    ):
        yield "the clients", text


def of_databases() -> Iterator[tuple[str, str]]:
    """What a database that cannot be used is reported with; a cause that is not ours stays as it is."""
    for name, cause in vars(causes).items():
        if name.isupper():
            yield "stores/causes.py", cause
            yield "errors.py", str(StoreUnavailable("/data/crm-bridge.db", cause))
    yield "errors.py", str(StoreUnavailable("p1/(default)", "7"))


def everything() -> list[tuple[str, str]]:
    return [*raised(), *about_systems(), *of_settings(), *of_runs(), *of_databases(), *of_remote_values()]


def keys_of(text: str) -> set[str]:
    """The message that a text is, and those that it holds."""
    found = recognize(text)
    if found is None:
        return set()
    key, values = found
    return {key}.union(*(keys_of(part) for value in values.values() for part in value.split("; ")))


def test_the_search_finds_what_the_code_raises() -> None:
    assert len(set(raised())) > 40
    assert len(set(about_systems())) > 25


def test_whatever_the_code_says_is_said_in_russian() -> None:
    for where, text in everything():
        russian = RUSSIAN.from_english(text)
        assert russian != text, f"{where}: {text!r} is missing in the catalogues"
        left = re.search(r"[A-Za-z]{2,} [a-z]{2,}", russian)
        assert left is None, f"{where}: {text!r} is {russian!r}"


def test_no_message_is_there_for_nothing() -> None:
    used = set().union(*(keys_of(text) for _, text in everything()))

    assert {key for key in en.MESSAGES if key.startswith("message.")} - used == set()


NUMBERS = ("count", "total", "status", "code", "low", "high", "seconds", "rows", "shown")
COUNTERS = ("applied", "updated", "removed", "already_set", "not_found", "failed", "deferred")
SAMPLES = {
    "system": "CoMagic",
    "call": "get.calls_report",
    "mnemonic": "forbidden",
    "order": "17",
    **dict.fromkeys((*NUMBERS, *COUNTERS), "102"),
    "name": "NAME",
    "other": "OTHER",
}


@pytest.mark.parametrize("key", [key for key in en.MESSAGES if key.startswith("message.")])
def test_a_message_is_recognized_with_its_values_and_taken_for_no_other(key: str) -> None:
    names = {name for _, name, _, _ in Formatter().parse(en.MESSAGES[key]) if name}
    values = {name: SAMPLES.get(name, "any: text, (at) all;\nof others") for name in names}

    assert recognize(en.MESSAGES[key].format(**values)) == (key, values)


def test_a_text_of_any_length_is_looked_at_quickly() -> None:
    """A path may be as long as its sender likes, and made so that a pattern tries every way through it."""
    path = "/runs/" + " takes only x and" * 200_000

    assert recognize(f"{path} takes only GET") is None
    assert recognize("/runs/7 takes only GET") is not None
