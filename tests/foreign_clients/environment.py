"""An environment of their own for the foreign clients: pinned, apart from the tests' own packages, made once."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).parent
COMMON = HERE / "requirements.txt"
# Both name their package `comagic`, so that each gets a folder.
CLIENTS = ("comagic-wrapper", "comagic-data-api-sdk")
# Mostly half a minute at the worst; a registry that does not answer must not hold a test run.
_SECONDS = 180


class Unreachable(Exception):
    """The packages cannot be had."""


def python_of(environment: Path) -> Path:
    """Return the interpreter of an environment."""
    return environment / "bin" / "python"


def prepared(cache: Path) -> Path:
    """Return the environment, made in the cache when it is not there for this Python and these pins.

    Raises:
        Unreachable: pip could not install the packages; the message is its last line.
    """
    pins = b"".join(path.read_bytes() for path in (COMMON, *(HERE / f"{name}.txt" for name in CLIENTS)))
    key = hashlib.sha256(pins + sys.version.encode()).hexdigest()[:16]
    environment = cache / key
    if not environment.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
        try:
            _make(fresh)
            fresh.rename(environment)  # whole or not at all, whoever else is doing the same
        except OSError:
            if not environment.exists():
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return environment


def _make(folder: Path) -> None:
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    _pip(folder, "--require-hashes", "--requirement", str(COMMON))
    for name in CLIENTS:
        # They come as sources. setuptools is pinned with the rest: pip's own choice for a build would not be.
        pinned = ("--require-hashes", "--no-deps", "--no-build-isolation", "--requirement", str(HERE / f"{name}.txt"))
        _pip(folder, *pinned, "--target", str(folder / name))


def _pip(environment: Path, *arguments: str) -> None:
    """Install with the pip of these tests into another environment."""
    command = [sys.executable, "-m", "pip", "--python", str(python_of(environment)), "install", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--no-compile", "--timeout", "15"]
    command += arguments
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "PYTHONPATH"))}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, env=clean, check=False)
    except subprocess.TimeoutExpired as expired:
        raise Unreachable(f"pip has not ended within {_SECONDS} s") from expired
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["pip has failed"]
        raise Unreachable(last[0])
