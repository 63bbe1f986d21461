"""The files are well formed, and mean what the providers understand."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.terraform.configuration import FOLDER, Configuration
from tests.terraform.deployment import Deployment
from tests.terraform.schema import SCHEMA, findings

FILES = sorted(FOLDER.glob("*.tf"))
OLDEST = re.findall(r'google .*version = ">= ([\d.]+)', (FOLDER / "versions.tf").read_text())[0] + ".0"


@pytest.mark.skipif(not shutil.which("terraform"), reason="terraform is not on the PATH")
@pytest.mark.parametrize("command", [("fmt", "-check", "-diff", "-recursive"), ("providers",)])
def test_terraform_accepts_the_files(command: tuple[str, ...]) -> None:
    done = subprocess.run(["terraform", *command], cwd=FOLDER, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_terraform_validates_the_types_and_the_references(new_deployment: Deployment) -> None:
    done = new_deployment.terraform("validate")

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", [OLDEST, SCHEMA["changes_known_up_to"]])
def test_every_block_and_attribute_is_in_the_provider(version: str) -> None:
    assert findings(FILES, provider=version) == []


def test_the_check_would_find_a_mistake(tmp_path: Path) -> None:
    broken = FOLDER.joinpath("firestore.tf").read_text().replace("location_id ", "location_ids ", 1)
    path = tmp_path / "broken.tf"
    path.write_text(broken)

    found = "\n".join(findings([path], provider=OLDEST))

    assert "google_firestore_database.main has no 'location_ids' (did you mean location_id?)" in found
    assert "missing required attribute 'location_id'" in found
    assert "reference to undeclared time_sleep.apis" in found


def test_variables_and_outputs_are_described(configuration: Configuration) -> None:
    declared = {**configuration.variables, **configuration.outputs}

    assert [name for name, body in declared.items() if not body.get("description")] == []


def test_every_variable_is_used(configuration: Configuration) -> None:
    text = "\n".join(path.read_text() for path in FILES)
    used = {
        name
        for name in configuration.variables
        if len(re.findall(rf"\bvar\.{name}\b", text)) > str(configuration.variables[name]).count(f"var.{name}")
    }

    assert used == set(configuration.variables)


def test_it_is_a_module_too() -> None:
    """A provider block would forbid count and for_each on a module."""
    assert not any(re.search(r'^provider "', path.read_text(), re.MULTILINE) for path in FILES)


def test_checkov_is_told_why_wherever_it_is_silenced() -> None:
    text = "\n".join(path.read_text() for path in FILES)

    skips = re.findall(r"#\s*checkov:skip=(.*)", text)
    assert skips
    assert [skip for skip in skips if not re.fullmatch(r"CKV2?_GCP_\d+:\S.{20,}", skip)] == []


@pytest.mark.skipif(not shutil.which("checkov"), reason="checkov is not on the PATH: pip install checkov")
def test_checkov_finds_nothing_else() -> None:
    command = [
        "checkov",
        "-d",
        str(FOLDER),
        "--framework",
        "terraform",
        "--skip-download",
        "--compact",
        "-o",
        "json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert '"failed": 0' in done.stdout, done.stdout
    assert '"parsing_errors": 0' in done.stdout, "checkov is content with files that it cannot read"
