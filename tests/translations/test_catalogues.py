"""The catalogues: every language has every message that code and templates ask for, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Formatter

import pytest

from crm_bridge.domain.alert import AlertKind
from crm_bridge.domain.attribution import Policy
from crm_bridge.domain.candidates import Reason
from crm_bridge.domain.communication import CommunicationType
from crm_bridge.domain.deal import DealStage
from crm_bridge.domain.decision import Result
from crm_bridge.domain.explanation import Note, Verdict
from crm_bridge.domain.falls import FallReason
from crm_bridge.domain.journal import MONEY_OF
from crm_bridge.domain.not_found import WhyNotFound
from crm_bridge.domain.run import Phase, RunStatus
from crm_bridge.handlers.failures import KIND, KIND_OF_ERROR, WAYS
from crm_bridge.presentation.csv_export import COLUMNS
from crm_bridge.presentation.journal_table import SORTS
from crm_bridge.presentation.run_view import ASKED
from crm_bridge.translations import LANGUAGES, en
from crm_bridge.usecases.check_setup import COMAGIC_CHECKS, DEALS_CHECK

FUNCTION = Path(__file__).parents[2] / "function"
ENGLISH = en.MESSAGES
OTHERS = {language: messages for language, messages in LANGUAGES.items() if language != "en"}


def sources() -> list[ast.Module]:
    """The code that asks for messages: all of it but the catalogues."""
    files = [path for path in FUNCTION.rglob("*.py") if "translations" not in path.parts]
    return [ast.parse(path.read_text()) for path in files]


def constants() -> set[str]:
    return {
        node.value
        for source in sources()
        for node in ast.walk(source)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


FAMILIES: dict[str, Iterable[str]] = {
    # prefix of a key that is put together, as in f"verdict.{verdict}": the names that may follow it
    "alert": AlertKind,
    "alert_over": [kind for kind in AlertKind if kind is not AlertKind.TEST],
    "asked": ASKED,
    "check": ["alerts", "settings", "database", "crm_login", "crm_orders", *COMAGIC_CHECKS, DEALS_CHECK],
    "deal": ["due", "refused", "sent", "stands", "differs", "missing"],
    "failure": [*KIND.values(), *KIND_OF_ERROR.values()],
    "fall": FallReason,
    "kind": CommunicationType,
    "label": COLUMNS,
    "money": ["crm_total", "without_phone", "overpaid_back", "total", *MONEY_OF.values()],
    "note": Note,
    "phase": Phase,
    "policy": Policy,
    "reason": Reason,
    "remark": ["drifted", "repaired", "not_shown", "date_moved"],
    "result": [*Result, *(f"would_be_{result}" for result in Result)],
    "sort": SORTS,
    "stage": DealStage,
    "start": ["dry_run", "phone", "few", "run"],
    "status": [*RunStatus, "interrupted"],
    "nav": ["start", "runs", "explain", "setup"],
    "verdict": Verdict,
    "why": WhyNotFound,
    "way": [*WAYS, "code"],
}


def asked_in_code() -> Iterator[tuple[str, bool]]:
    """Each key that a translator is called with; or, and then True, its beginning."""
    for source in sources():
        for node in ast.walk(source):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name != "t":
                continue
            key = node.args[0]
            if isinstance(key, ast.Constant):
                yield str(key.value), False
            elif isinstance(key, ast.JoinedStr) and isinstance(key.values[0], ast.Constant):
                yield str(key.values[0].value), True


def asked_in_templates() -> Iterator[tuple[str, bool]]:
    for path in FUNCTION.rglob("*.html"):
        for _, key, end in re.findall(r"""\bt\((["'])([\w.-]+)\1\s*([~,)])""", path.read_text()):
            yield key, end == "~"


def asked() -> set[tuple[str, bool]]:
    return {*asked_in_code(), *asked_in_templates()}


def of_families() -> set[str]:
    return {f"{prefix}.{name}" for prefix, names in FAMILIES.items() for name in names}


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_keys_of_english_in_the_same_order(language: str) -> None:
    assert list(OTHERS[language]) == list(ENGLISH)


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_a_message_in_the_line_where_english_has_it(language: str) -> None:
    def lines(name: str) -> list[tuple[str, str]]:
        files = sorted((FUNCTION / "crm_bridge/translations" / name).glob("*.py"))
        sources = {path.name: path.read_text().splitlines()[1:] for path in files if path.name != "__init__.py"}
        return [(file, line.strip().partition(":")[0]) for file, source in sources.items() for line in source]

    assert lines(language) == lines("en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_has_the_placeholders_of_the_english_one(language: str) -> None:
    def placeholders(message: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(message) if name}

    for key, message in LANGUAGES[language].items():
        assert message, key
        assert placeholders(message) == placeholders(ENGLISH[key]), key


def test_no_english_is_left_in_russian() -> None:
    """Names and settings stay as they are; two English words in a row are a sentence."""
    allowed = {"tag_management: select", "permanent Data"}
    for key, message in LANGUAGES["ru"].items():
        text = re.sub(r"\{\w+\}|https?://\S+", "", message)
        phrases = set(re.findall(r"\b[a-z]{2,} [a-z]{2,}\b", text))
        assert phrases <= allowed, key


def test_every_message_that_is_asked_for_exists() -> None:
    keys = {key for key, is_beginning in asked() if not is_beginning}
    hints = {text for text in constants() if re.fullmatch(r"setup\.(?!html)\w+", text)}

    assert len(keys) > 50, "the search finds nothing"
    assert len(hints) > 10, "the search finds nothing"
    assert keys | hints | of_families() <= set(ENGLISH)


def test_every_key_that_is_put_together_belongs_to_a_family_whose_names_are_known() -> None:
    beginnings = {key.removesuffix(".") for key, is_beginning in asked() if is_beginning}

    assert beginnings == set(FAMILIES)


def test_no_message_is_there_for_nothing() -> None:
    """Those of `message.` are tested where they are recognized, and `format.` is for the translator itself."""
    known = {word for text in constants() for word in text.split()}
    used = {key for key, _ in asked()} | of_families() | known
    used |= {f"error.{text}" for text in known} | {"error.other"}
    unused = {key for key in ENGLISH if key not in used and not key.startswith(("message.", "format."))}

    assert unused == set()
