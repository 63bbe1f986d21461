from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.terraform.configuration import Configuration
from tests.terraform.deployment import SECRETS, Deployment
from tests.terraform.provider import serving
from tests.terraform.schema import SCHEMA


@pytest.fixture(scope="session")
def configuration() -> Configuration:
    return Configuration.read()


@pytest.fixture(scope="session")
def providers() -> Iterator[Mapping[str, str]]:
    """The environment in which Terraform finds the stand-in; no test needs the real providers or a network."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on the PATH")
    with serving(SCHEMA) as environment:
        yield environment


@pytest.fixture
def new_deployment(tmp_path: Path, providers: Mapping[str, str]) -> Deployment:
    """The values of terraform.example.tfvars, nothing applied yet."""
    return Deployment(tmp_path, providers)


@pytest.fixture(scope="session")
def default_deployment(tmp_path_factory: pytest.TempPathFactory, providers: Mapping[str, str]) -> Deployment:
    """The example's values and the two secrets, applied. Only to look at."""
    deployment = Deployment(tmp_path_factory.mktemp("default"), providers)
    deployment.apply(**SECRETS)
    return deployment


@pytest.fixture
def deployed(tmp_path: Path, default_deployment: Deployment, providers: Mapping[str, str]) -> Deployment:
    """The same, to change: a copy with its state."""
    deployment = Deployment(tmp_path, providers)
    shutil.copy(default_deployment.folder / "terraform.tfstate", deployment.folder)
    return deployment
