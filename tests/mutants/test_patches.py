"""The wrong versions can still be made; whether they are noticed is for `make mutants` to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import ROOT, Mutant, mutants


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_a_patch_applies_and_names_its_tests(mutant: Mutant, tmp_path: Path) -> None:
    files = [line.removeprefix("+++ b/") for line in mutant.patch.read_text().splitlines() if line.startswith("+++ b/")]
    for file in files:
        copy = tmp_path / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / file).read_bytes())

    assert mutant.apply(tmp_path) == ""
    for file in files:
        compile((tmp_path / file).read_text(), file, "exec")  # it may have landed at a wrong place
    assert mutant.title.endswith(".")
    assert mutant.tests
    assert [test for test in mutant.tests if not (ROOT / test).is_file()] == []


def test_a_patch_that_does_not_apply_is_noticed(tmp_path: Path) -> None:
    assert "No such file" in mutants()[0].apply(tmp_path, only_check=True)


def test_there_are_enough_of_them() -> None:
    assert len(mutants()) >= 12
