from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.terraform.cloud import Cloud
from tests.terraform.configuration import Configuration
from tests.terraform.deployment import SECRETS, Deployment
from tests.terraform.provider import serving
from tests.terraform.schema import SCHEMA


@pytest.fixture(scope="session")
def configuration() -> Configuration:
    return Configuration.read()


@contextmanager
def _deployment(folder: Path, cloud: Cloud) -> Iterator[Deployment]:
    """A deployment to a cloud of its own: no test needs the real providers or a network."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on the PATH")
    with serving(SCHEMA, cloud) as environment:
        yield Deployment(folder, environment, cloud)


@pytest.fixture
def new_deployment(tmp_path: Path) -> Iterator[Deployment]:
    """The values of terraform.example.tfvars, nothing applied yet."""
    with _deployment(tmp_path, Cloud()) as deployment:
        yield deployment


@pytest.fixture(scope="session")
def default_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The example's values and the two secrets, applied. Only to look at."""
    with _deployment(tmp_path_factory.mktemp("default"), Cloud()) as deployment:
        deployment.apply(**SECRETS)
        yield deployment


@pytest.fixture
def deployed(tmp_path: Path, default_deployment: Deployment) -> Iterator[Deployment]:
    """The same, to change: a copy with its state and its cloud."""
    with _deployment(tmp_path, default_deployment.cloud.copy()) as deployment:
        shutil.copy(default_deployment.folder / "terraform.tfstate", deployment.folder)
        yield deployment
