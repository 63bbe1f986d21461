"""What the documents name exists, and what they list is what the code has."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from crm_bridge.settings import VARIABLES, Settings
from tests.docs.markdown import DOCUMENTS, OURS, Document, in_code, json_values
from tests.support.function_process import ROOT

README = Document("README.md")
README_RU = Document("README.ru.md")

OF_OTHERS = {
    "FIRESTORE_EMULATOR_HOST", "GOOGLE_BILLING_PROJECT", "K_SERVICE", "USER_PROJECT_OVERRIDE",  # Google's
    "BRIDGE_DOMAIN",  # deploy/compose.yaml's
    "FAULTS_EXAMPLES",  # our tests'
    "FAULTS_SHRINK",
}  # fmt: skip
"""Environment variables with an underscore that are no settings of ours."""

MADE = {
    ".env", ".venv", ".venv/bin", "data", "data/bench.json", "terraform.tfvars", "terraform.tfstate",
    "terraform/build",
}  # fmt: skip
"""Files that somebody makes; they are not in the repository."""

PROGRAMS = {"apt-get", "cd", "cp", "curl", "export", "gcloud", "git", "java", "make", "pre-commit", "python3", "read",
            "terraform", "pipx", "sqlite3", "docker", "journalctl", "rsync", "ssh", "sudo", "systemctl"}  # fmt: skip
"""Programs that a document may call beside those of .venv."""

_ROOMS = ROOT / "function" / "crm_bridge"
_SUFFIXES = (".py", ".md", ".tf", ".toml", ".yaml", ".txt", ".svg", ".png", ".tfvars", ".json", ".sql")


def _names(documents: list[Document]) -> list[str]:
    return [each.name for each in documents]


every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=_names(DOCUMENTS))
each_of_ours = pytest.mark.parametrize("document", OURS, ids=_names(OURS))


def test_the_readme_is_short() -> None:
    assert len(README.text.splitlines()) <= 250


@pytest.mark.parametrize("name", ["journal.png", "journal.ru.png", "flows.svg"])
def test_a_picture_is_small(name: str) -> None:
    assert (ROOT / "docs" / "images" / name).stat().st_size < 200_000


@every_document
def test_its_links_lead_somewhere(document: Document) -> None:
    broken = []
    for link in document.links:
        if re.match(r"(https?|mailto):", link):
            continue
        file, _, anchor = link.partition("#")
        target = (document.path.parent / file).resolve() if file else document.path
        if not target.exists() or (anchor and anchor not in Document(str(target.relative_to(ROOT))).anchors):
            broken.append(link)

    assert broken == []


def test_the_index_names_every_document() -> None:
    index = Document("docs/README.md")
    linked = {(index.path.parent / link.partition("#")[0]).resolve() for link in index.links}
    pages = {each.path for each in DOCUMENTS if each.name.startswith("docs/") and "/adr/0" not in each.name}

    assert pages - {index.path} <= linked


@every_document
def test_its_make_targets_exist(document: Document) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = [*document.spans, *(block.text for block in document.blocks if block.language in {"console", "sh"})]
    named = {name for text in code for name in re.findall(r"^(?:\$ )?make ([a-z][a-z-]*)", text, re.MULTILINE)}

    assert named - targets == set()


BUILT = [each for each in DOCUMENTS if "Status: **decided, not built yet.**" not in each.text]


@pytest.mark.parametrize("document", BUILT, ids=_names(BUILT))
def test_its_paths_exist(document: Document) -> None:
    bases = (ROOT, document.path.parent, _ROOMS, ROOT / "terraform")
    missing = [
        span
        for span in dict.fromkeys(document.spans)
        if _looks_like_a_path(span)
        and span.strip("/") not in MADE
        and not any(any(base.glob(span.strip("/"))) for base in bases)
        and not ("/" not in span and span in _FILE_NAMES)
    ]

    assert missing == []


def _files() -> set[str]:
    found: set[str] = set()
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [each for each in folders if not each.startswith(".") and each != "__pycache__"]
        found |= {str(Path(folder, file).relative_to(ROOT)) for file in files}
    return found


_FILE_NAMES = {Path(file).name for file in _files()}
_FOLDERS = {each.name for base in (ROOT, _ROOMS) for each in base.iterdir() if each.is_dir()} - {"build"}


def _looks_like_a_path(span: str) -> bool:
    if not re.fullmatch(r"\.?\w[\w.*-]*(/[\w.*-]+)*/?", span):
        return False
    return span.partition("/")[0] in _FOLDERS if "/" in span else span.endswith(_SUFFIXES)


@each_of_ours
def test_its_environment_variables_exist(document: Document) -> None:
    named = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", document.text.replace("TF_VAR_", " ")))

    assert named - set(VARIABLES) - OF_OTHERS - _constants(document) == set()


def _constants(document: Document) -> set[str]:
    """The constants of the code, which only documents for developers may name."""
    if document.name not in {"CONTRIBUTING.md", "docs/architecture.md"} and not document.name.startswith("docs/adr/"):
        return set()
    sources = [*(ROOT / "function").rglob("*.py"), *(ROOT / "tests" / "faults").glob("*.py")]
    return {
        name for file in sources for name in re.findall(r"^([A-Z][A-Z0-9_]+)\b *[:=]", file.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize(
    ("document", "heading", "none"), [(Document("docs/settings.md"), "variable | default", "none"),
                                      (README_RU, "переменная | по умолчанию", "нет")],
    ids=["docs/settings.md", "README.ru.md"],
)  # fmt: skip
def test_it_lists_every_setting_with_its_default(document: Document, heading: str, none: str) -> None:
    listed = {
        in_code(name)[0]: None if default == none else default.strip("`")
        for name, default, _ in document.table(heading)
    }

    assert listed == {name: default for name, (_, default, _) in VARIABLES.items()}


def test_the_settings_have_the_limits_that_are_printed() -> None:
    printed = {
        in_code(name)[0]: tuple(map(int, found))
        for name, _, meaning in Document("docs/settings.md").table("variable | default")
        for found in re.findall(r"\b(\d+) to (\d+)\b", meaning)
    }

    assert len(printed) >= 5
    for name, (low, high) in printed.items():
        parse = VARIABLES[name][2]
        parse(str(low))
        parse(str(high))
        for wrong in (low - 1, high + 1):
            with pytest.raises(ValueError, match="must be"):
                parse(str(wrong))


def test_the_settings_are_read_by_the_names_in_the_table() -> None:
    settings = Settings.from_env({"EXCHANGE_TTL_SECONDS": "60"})

    assert settings.exchange_ttl.total_seconds() == 60


@every_document
def test_its_json_parses(document: Document) -> None:
    for block in document.blocks:
        if block.language == "json":
            assert json_values(block.text)
    for command in document.commands:
        if command.output.startswith(("{", "[")):
            assert json_values(command.output)


@every_document
def test_its_commands_can_be_run(document: Document) -> None:
    """Their programs exist, as do the modules and files of ours that they name."""
    lines = [command.line for command in document.commands]
    for block in document.blocks:
        if block.language == "sh":
            lines += block.text.replace("\\\n", " ").splitlines()
    for line in filter(None, map(str.strip, lines)):
        words = shlex.split(line.partition(" #")[0].replace("&&", " ; "))
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words.pop(0)
        if not words:
            continue
        program = words[0]
        if program.startswith(".venv/bin/"):
            name = program.removeprefix(".venv/bin/")
            assert shutil.which(name, path=str(Path(sys.prefix) / "bin")), f"{line}: there is no {name} in the venv"
        else:
            assert program in PROGRAMS, line
        if program == "curl":
            assert any(word.startswith("http://127.0.0.1:") for word in words), line
        for module in re.findall(r" -m (tests[\w.]*)", line):
            assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists() or (
                ROOT / module.replace(".", "/") / "__main__.py"
            ).exists(), line
        for word in words[1:]:
            if word.startswith(("tests/", "function/")):
                assert (ROOT / word).exists() or "tests.data.export" in line, line


def test_contributing_names_only_places_that_exist() -> None:
    """Its table of changes is how a newcomer finds the first file."""
    rows = Document("CONTRIBUTING.md").table("change | first")

    assert len(rows) >= 12
    for change, first, _ in rows:
        assert in_code(first), change


def test_both_languages_of_a_machine_of_ones_own_have_the_same_commands_and_tables() -> None:
    english, russian = Document("deploy/README.md"), Document("deploy/README.ru.md")

    assert [block.text for block in english.blocks] == [block.text for block in russian.blocks]
    assert len(english.table("what you see")) == len(russian.table("что видно")) >= 12
    assert len(english.table("what it makes")) == len(russian.table("что создаётся"))


def test_the_russian_deployment_has_the_commands_of_the_english_one() -> None:
    def commands(document: Document) -> list[str]:
        lines = "\n".join(block.text for block in document.blocks if block.language == "sh").splitlines()
        return [line.partition("  #")[0].strip() for line in lines if line.strip()]

    russian = commands(README_RU)

    assert len(russian) >= 12
    assert set(russian) <= set(commands(Document("terraform/README.md")))
