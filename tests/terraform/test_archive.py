"""What is deployed, and when."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.terraform.archive import build, files
from tests.terraform.configuration import ROOT
from tests.terraform.deployment import Deployment

BOTH_FUNCTIONS = {
    "google_cloudfunctions2_function.sync": "update",
    "google_cloudfunctions2_function.exchange": "update",
    "google_storage_bucket_object.source": "replace",
}


def test_the_archive_holds_what_main_imports_and_nothing_else() -> None:
    assert set(files(ROOT)) == {"requirements.txt", *_imported_from(ROOT / "function", "main.py"), *_pages(ROOT)}


def _pages(root: Path) -> set[str]:
    """What the code names of the pages beside it: templates, and what is put into them."""
    folder = root / "function/crm_bridge/presentation"
    assets = {
        folder / "static" / name
        for name in re.findall(r'_HERE / "static" / "([\w.]+)"', (folder / "html.py").read_text())
    }
    named = re.compile(r'"(\w+\.html)"')
    sources = [*(root / "function/crm_bridge/handlers").glob("*.py"), *(folder / "templates").glob("*.html")]
    templates = {folder / "templates" / name for source in sources for name in named.findall(source.read_text())}
    return {path.relative_to(root).as_posix() for path in assets | templates}


def _imported_from(folder: Path, start: str) -> set[str]:
    """The files under `folder` that running `start` can load."""
    found: set[str] = set()
    waiting = {start}
    while waiting:
        name = waiting.pop()
        found.add(name)
        for node in ast.walk(ast.parse((folder / name).read_text())):
            modules = set()
            if isinstance(node, ast.Import):
                modules = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            for module in modules:
                parts = module.split(".")
                packages = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
                candidates = {f"{package}/__init__.py" for package in packages} | {f"{packages[-1]}.py"}
                waiting |= {path for path in candidates if (folder / path).is_file()} - found
    return {f"{folder.name}/{name}" for name in found}


def test_nothing_in_function_is_left_out_but_caches() -> None:
    """A page or a table beside the code would be missing in the cloud."""
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "function").rglob("*") if path.is_file()}

    assert {name for name in there if "__pycache__" not in name} == set(files(ROOT)) - {"requirements.txt"}


def test_the_framework_is_pinned_where_the_build_looks() -> None:
    """Otherwise the build adds versions of its own."""
    assert "functions-framework==" in (ROOT / "requirements.txt").read_text()


def test_bytecode_of_the_build_is_used(default_deployment: Deployment, tmp_path: Path) -> None:
    """The build compiles, then dates all files back to 1980: bytecode that compares time stamps would be stale."""
    config = default_deployment.state()["google_cloudfunctions2_function.sync"]["build_config"][0]
    shutil.copytree(ROOT / "function", tmp_path, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    environment = {"PATH": os.environ["PATH"], **config["environment_variables"]}
    subprocess.run([sys.executable, "-m", "compileall", "-f", "-q", "."], cwd=tmp_path, env=environment, check=True)
    for path in tmp_path.rglob("*"):
        os.utime(path, (315532801, 315532801))

    compiled = subprocess.run(
        [sys.executable, "-c", COUNT_COMPILATIONS], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert compiled.stdout.split() == ["0"]


COUNT_COMPILATIONS = """
import importlib.machinery as machinery, sys
count = 0
original = machinery.SourceFileLoader.source_to_code
def counted(self, data, path, **options):
    global count
    count += "crm_bridge" in str(path)
    return original(self, data, path, **options)
machinery.SourceFileLoader.source_to_code = counted
sys.dont_write_bytecode = True
import crm_bridge.settings, crm_bridge.domain.decision, crm_bridge.usecases.run_sync
print(count)
"""
"""How many of our modules an import compiles."""


def test_the_builder_lists_what_terraform_lists(new_deployment: Deployment) -> None:
    shutil.copytree(ROOT / "function", new_deployment.root / "function", dirs_exist_ok=True)

    assert new_deployment.value("sort(local.files)") == files(new_deployment.root)


def test_the_builder_packs_what_terraform_packs(default_deployment: Deployment, tmp_path: Path) -> None:
    zipped = tmp_path / "source.zip"
    build(default_deployment.root, zipped)

    listed = default_deployment.state()["data.archive_file.source"]["source"]
    with zipfile.ZipFile(zipped) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == {
            source["filename"]: source["content"] for source in listed
        }


def test_a_changed_source_is_deployed(deployed: Deployment) -> None:
    with (deployed.root / "function/main.py").open("a") as main:
        main.write("\n# changed\n")

    assert deployed.plan() == BOTH_FUNCTIONS


def test_a_new_file_and_another_package_are_deployed(deployed: Deployment) -> None:
    (deployed.root / "function/crm_bridge/new.py").write_text("")
    assert deployed.plan() == BOTH_FUNCTIONS

    (deployed.root / "function/crm_bridge/new.py").unlink()
    (deployed.root / "requirements.txt").write_text("functions-framework==4.0\n")
    assert deployed.plan() == BOTH_FUNCTIONS


def test_nothing_else_is_deployed(deployed: Deployment) -> None:
    for name in (
        ".env",
        "README.md",
        "function/notes.txt",
        "function/__pycache__/main.pyc",
        "tests/test_main.py",
    ):
        path = deployed.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("changed")

    assert deployed.plan() == {}
