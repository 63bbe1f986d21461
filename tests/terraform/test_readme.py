"""An admin who follows terraform/README.md finds everything that it names."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.terraform.configuration import FOLDER, ROOT, Configuration
from tests.terraform.deployment import Deployment

README = FOLDER / "README.md"

META = {"source", "for_each", "type", "ephemeral"}

PROGRAMS = {"cd", "cp", "curl", "export", "gcloud", "git", "read", "terraform"}


IDENTITY = (
    "project", "location", "name", "account_id", "secret_id", "secret", "repository_id", "repository", "database",
    "collection", "field", "bucket", "member", "role", "service", "display_name", "dashboard_json",
)  # fmt: skip
"""What distinguishes two resources of one type in a project."""


@pytest.fixture(scope="module")
def section() -> str:
    """The text of the document."""
    return README.read_text()


def _blocks(section: str, *languages: str) -> str:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return "\n".join(text for language, text in blocks if language in languages)


def _commands(section: str) -> list[str]:
    lines = _blocks(section, "sh").replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def test_it_has_the_whole_life_of_an_instance(section: str) -> None:
    headings = re.findall(r"^## (.*)", section, re.MULTILINE)

    assert headings == [
        "Deploy", "Update", "Rotate a secret", "Roll back", "Back up and restore", "Move to another project", "Destroy",
        "A second customer", "What it costs", "Alerts",
    ]  # fmt: skip


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
    known = {*configuration.variables, *configuration.outputs, *configuration.locals["alerts"], "check_setup"}

    assert words - known == set()


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


def test_its_two_customers_share_a_project_and_nothing_else(
    section: str, new_deployment: Deployment, tmp_path: Path
) -> None:
    (snippet,) = [block for block in re.findall(r"^```hcl\n(.*?)^```", section, re.M | re.S) if "module " in block]
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
