"""A copy of the project that Terraform can deploy to the stand-in of `provider.py`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.terraform.cloud import Cloud
from tests.terraform.configuration import ROOT

SECRETS = {"comagic_token": "token-of-comagic", "agbis_password": "password-of-agbis"}

SOURCE = ("main.py", "crm_bridge/errors.py", "crm_bridge/presentation/templates/base.html")
"""What a deployment here uploads of `function/`: with all of it a plan takes 2.3 s of CPU, with these 0.3."""


class Deployment:
    """One folder with the project, its state and the values of an admin."""

    def __init__(self, folder: Path, providers: Mapping[str, str], cloud: Cloud) -> None:
        self.cloud = cloud
        self.root = folder
        self.folder = folder / "terraform"
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
        self._env |= {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", **providers}
        self._env["GOGC"] = "400"  # Terraform collects garbage less often: a quarter less CPU, measured on test_life.py
        ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars", "build")
        shutil.copytree(ROOT / "terraform", self.folder, ignore=ignored)
        for name in SOURCE:
            copied = folder / "function" / name
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "function" / name, copied)
        shutil.copy(ROOT / "requirements.txt", folder)
        shutil.copy(ROOT / "terraform/terraform.example.tfvars", self.folder / "terraform.tfvars")

    def terraform(self, *command: str, **variables: object) -> subprocess.CompletedProcess[str]:
        """Run Terraform.

        Returns:
            Its exit code, and all it said in `stdout`.
        """
        return self._run(command, variables)

    def _run(
        self, command: tuple[str, ...], variables: Mapping[str, object], given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        values = (
            f"-var={name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in variables.items()
        )
        plain = [] if command[0] == "state" else ["-no-color"]  # it has subcommands, which come first
        return subprocess.run(
            ["terraform", command[0], *plain, *values, *command[1:]],
            cwd=self.folder,
            env=self._env,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def value(self, expression: str, **variables: object) -> Any:
        """What an expression of the files comes to, before anything is applied."""
        done = self._run(("console",), variables, given=f"jsonencode({expression})\n")
        assert done.returncode == 0, done.stdout
        return json.loads(json.loads(done.stdout))  # the console shows a text in quotes

    def apply(self, **variables: object) -> None:
        done = self.terraform("apply", "-auto-approve", "-parallelism=20", **variables)
        assert done.returncode == 0, done.stdout

    def plan(self, *options: str, **variables: object) -> dict[str, str]:
        """What an apply would do: the action on each resource and output that it would touch."""
        done = self.terraform("plan", "-json", *options, **variables)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 0, [line["@message"] for line in lines if line["@level"] == "error"]
        changes = [line["change"] for line in lines if line["type"] == "planned_change"]
        outputs = [item for line in lines if line["type"] == "outputs" for item in line["outputs"].items()]
        return {change["resource"]["addr"]: change["action"] for change in changes} | {
            f"output.{name}": output["action"] for name, output in outputs if output["action"] != "noop"
        }

    def state(self) -> dict[str, dict[str, Any]]:
        """The arguments and answers of each resource, by its address, those of modules too."""
        return {
            _address(resource, instance): instance["attributes"]
            for resource in self._stored()["resources"]
            for instance in resource["instances"]
        }

    def outputs(self) -> dict[str, Any]:
        return {name: output["value"] for name, output in self._stored()["outputs"].items()}

    def environment(self, function: str) -> dict[str, str]:
        """The environment variables of a function, with a name in place of a secret's value."""
        config = self.state()[f"google_cloudfunctions2_function.{function}"]["service_config"][0]
        secrets = {variable["key"]: variable["secret"] for variable in config["secret_environment_variables"]}
        return {**config["environment_variables"], **secrets}

    def _stored(self) -> dict[str, Any]:
        stored: dict[str, Any] = json.loads((self.folder / "terraform.tfstate").read_text())
        return stored


def _address(resource: Mapping[str, Any], instance: Mapping[str, Any]) -> str:
    """The address as Terraform writes it, for example `module.a["b"].type.name["c"]`."""
    parts = [resource.get("module"), "data" if resource["mode"] == "data" else None, resource["type"], resource["name"]]
    index = instance.get("index_key")
    return ".".join(part for part in parts if part) + ("" if index is None else f"[{json.dumps(index)}]")
