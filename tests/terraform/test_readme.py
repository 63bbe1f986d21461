"""An admin who follows terraform/README.md finds everything that it names."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from crm_bridge.translations.en.setup import MESSAGES
from tests.terraform.configuration import FOLDER, ROOT, Configuration
from tests.terraform.deployment import SECRETS, Deployment

README, RUSSIAN = FOLDER / "README.md", FOLDER / "README.ru.md"

META = {"source", "for_each", "type", "ephemeral"}

OF_COMAGIC = {"tag_management", "site_selected"}
"""Rights, under the names of its documentation."""

PROGRAMS = {"cd", "cp", "curl", "export", "gcloud", "git", "read", "terraform"}


IDENTITY = (
    "project", "location", "name", "account_id", "secret_id", "secret", "repository_id", "repository", "database",
    "collection", "field", "bucket", "member", "role", "service", "display_name", "dashboard_json",
)  # fmt: skip
"""What distinguishes two resources of one type in a project."""


@pytest.fixture(scope="module", params=[README, RUSSIAN], ids=lambda path: path.name)
def section(request: pytest.FixtureRequest) -> str:
    """The text of the document."""
    path: Path = request.param
    return path.read_text()


def _blocks(section: str, *languages: str) -> str:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return "\n".join(text for language, text in blocks if language in languages)


def _commands(section: str) -> list[str]:
    lines = _blocks(section, "sh").replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def test_it_has_the_whole_life_of_an_instance() -> None:
    headings = re.findall(r"^## (.*)", README.read_text(), re.MULTILINE)

    assert headings == [
        "Before you begin", "Deploy", "Pages in a browser", "Update", "Rotate a secret", "Roll back", "Back up",
        "Restore", "Move", "Remove", "A second customer", "What it costs", "Alerts", "When something is wrong",
    ]  # fmt: skip


def test_the_russian_half_is_whole() -> None:
    """The same headings, commands, tables and numbers; only the words differ."""

    def shape(text: str) -> dict[str, list[str]]:
        prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        return {
            "headings": re.findall(r"^#+ ", prose, re.MULTILINE),
            "commands": [re.sub(r"\s+#.*", "", line) for line in _blocks(text, "sh", "hcl").splitlines()],
            "columns": [str(row.count("|")) for row in re.findall(r"^\|.*\|$", prose, re.MULTILINE)],
            "names": sorted(set(re.findall(r"`([a-z/_?=&.]+)`", prose))),
            "costs": re.findall(r"(?<=\| )\d+\.\d\d(?= \|)", text.replace(",", ".")),
        }

    english, russian = (shape(path.read_text()) for path in (README, RUSSIAN))

    assert len(english["commands"]) > 80
    assert russian == english


def test_its_variables_exist(section: str, configuration: Configuration) -> None:
    code = _blocks(section, "sh", "hcl")
    named = set(re.findall(r"TF_VAR_(\w+)", section))
    named |= set(re.findall(r"-var[ =]'?(\w+)=", section))
    named |= set(re.findall(r"^ {0,2}(\w+) += ", _blocks(section, "hcl"), re.MULTILINE)) - META
    named |= set(re.findall(r"\bvar\.(\w+)", code)) - _declared(section)

    assert len(named) > 8
    assert named - set(configuration.variables) == set()


def _declared(section: str) -> set[str]:
    """Variables that a snippet declares itself."""
    return set(re.findall(r'^variable "(\w+)"', _blocks(section, "hcl"), re.MULTILINE))


def test_its_outputs_exist(section: str, configuration: Configuration) -> None:
    named = set(re.findall(r"terraform output (?:-raw )?(\w+)", section))

    assert named == set(configuration.outputs)


def test_every_name_in_it_is_one_of_ours(section: str, configuration: Configuration) -> None:
    """A word like `exchange_public` is a variable, an output, a secret's number or an alert."""
    words = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", section))
    checks = {key.removeprefix("check.") for key in MESSAGES if key.startswith("check.")}
    known = {*configuration.variables, *configuration.outputs, *configuration.locals["alerts"], *checks, *OF_COMAGIC}
    known |= {"check_setup", "date_from", "date_till"}

    assert words - known == set()


def test_the_regions_that_build_for_a_new_project_are_named(section: str, configuration: Configuration) -> None:
    region = configuration.variables["region"]
    named = set(re.findall(r"\b[a-z]+-[a-z]+\d\b", region["description"]))

    assert len(named) == 6
    assert region["default"] in named
    assert named <= set(re.findall(r"\b[a-z]+-[a-z]+\d\b", section))


def test_its_files_exist(section: str) -> None:
    named = set(re.findall(r"[\w./-]*terraform\.example\.tfvars|terraform/\w+\.tf\b", section))

    assert named
    assert all((ROOT / name).exists() or (FOLDER / name).exists() for name in named)


def test_the_example_has_every_value_that_must_be_given(configuration: Configuration) -> None:
    example = set(re.findall(r"^(\w+) *=", (FOLDER / "terraform.example.tfvars").read_text(), re.MULTILINE))
    required = {name for name, body in configuration.variables.items() if "default" not in body}

    assert required <= example <= set(configuration.variables)


def test_its_commands_are_of_known_programs(section: str) -> None:
    commands = _commands(section)

    assert len(commands) > 15
    assert {re.sub(r"^(\w+=\S+ )*", "", command).split()[0] for command in commands} <= PROGRAMS


@pytest.mark.skipif(not shutil.which("terraform"), reason="terraform is not on the PATH")
def test_its_terraform_commands_exist(section: str) -> None:
    known = set(
        re.findall(
            r"^  (\w+) ",
            subprocess.run(["terraform", "-help"], capture_output=True, text=True, check=True).stdout,
            re.M,
        )
    )
    used = {command.split()[1] for command in _commands(section) if command.startswith("terraform ")}

    assert {"init", "apply", "output", "destroy"} <= used <= known


def _follow(deployment: Deployment, heading: str, block: int, **secrets: str) -> None:
    """Do what a block of the README's section says, as the admin of the example, with these secrets in the shell."""
    parts = re.split(r"^## ", README.read_text(), flags=re.MULTILINE)
    (chapter,) = [part for part in parts if part.startswith(f"{heading}\n")]
    commands = re.findall(r"^```sh\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)[block]
    for words in (shlex.split(command, comments=True) for command in commands.splitlines()):
        if words[0] == "terraform":
            approved = ["-auto-approve"] if words[1] in {"apply", "destroy"} else []
            done = deployment.terraform(*words[1:2], *approved, *words[2:], **(secrets if approved else {}))
            assert done.returncode == 0, (words, done.stdout)
        elif words[1:4] == ["firestore", "databases", "restore"]:
            sales = deployment.cloud.databases["projects/my-project/databases/crm-bridge-sales"]
            deployment.cloud.databases[f"projects/my-project/databases/{words[-1]}"] = {**sales, "name": words[-1]}


@pytest.mark.parametrize("way", [0, 1], ids=["by minute", "from a backup"])
def test_a_database_is_restored_as_it_says(deployed: Deployment, way: int) -> None:
    _follow(deployed, "Restore", way)

    assert deployed.environment("sync")["STORE_URL"] == "firestore://my-project/crm-bridge-sales-2"
    assert deployed.plan(database="crm-bridge-sales-2") == {}
    for database in ("crm-bridge-sales", "crm-bridge-sales-2"):
        assert deployed.cloud.fields[database, "runs", "expires_at"]
        assert f"projects/my-project/databases/{database}" in deployed.cloud.databases


def test_an_instance_comes_back_as_it_says(deployed: Deployment) -> None:
    _follow(deployed, "Remove", 0)
    assert deployed.state() == {}
    done = deployed.terraform("apply", "-auto-approve", **SECRETS)
    assert "Error 409: Database already exists" in done.stdout

    _follow(deployed, "Remove", 2, **SECRETS)
    assert deployed.plan() == {}


def test_its_two_customers_share_a_project_and_nothing_else(new_deployment: Deployment, tmp_path: Path) -> None:
    found = re.findall(r"^```hcl\n(.*?)^```", README.read_text(), re.M | re.S)
    (snippet,) = [block for block in found if "module " in block]
    new_deployment.folder = tmp_path / "customers"
    new_deployment.folder.mkdir()
    (new_deployment.folder / "main.tf").write_text(snippet.replace("../crm-bridge/terraform", "../terraform"))
    new_deployment.terraform("get")
    new_deployment.apply(
        comagic_token={"first": "token-1", "second": "token-2"}, agbis_password={"first": "pass-1", "second": "pass-2"}
    )
    state = {address: values for address, values in new_deployment.state().items() if ".data." not in address}

    owners: dict[tuple[str, ...], list[str]] = {}
    for address, values in state.items():
        kind = address.split(".")[2]  # after module.customer["..."]
        owners.setdefault((kind, *(str(values.get(key)) for key in IDENTITY)), []).append(address)
    shared = {kind for (kind, *_), addresses in owners.items() if len(addresses) > 1}
    # Switching on what is on does nothing, and destroying does not switch it off.
    assert shared == {"google_project_service", "time_sleep"}
    assert not any(
        values["disable_on_destroy"] for address, values in state.items() if "google_project_service" in address
    )
    assert {address.split(".")[1] for address in state} == {'customer["first"]', 'customer["second"]'}
