"""Finding and running uv."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from layer_builder.errors import LayerBuildError

_PROJECT = Path(__file__).resolve().parents[2]


@cache
def command() -> tuple[str, ...]:
    """The words that start uv: from ``UV``, this interpreter, PATH, the project's .venv, or its installer's places.

    Raises:
        LayerBuildError: there is none.
    """
    if named := os.environ.get("UV"):
        if shutil.which(named):
            return (named,)
        raise LayerBuildError(f"UV names {named}, which is not an executable file.")
    if importlib.util.find_spec("uv"):
        return (sys.executable, "-m", "uv")
    home = Path.home()
    places = [_PROJECT / ".venv" / "bin", home / ".local" / "bin", home / ".cargo" / "bin"]
    if found := shutil.which("uv") or shutil.which("uv", path=os.pathsep.join(map(str, places))):
        return (found,)
    raise LayerBuildError(
        "uv, which installs the layers' packages for the target, was not found: run `make setup`, "
        "or `python3 -m pip install uv`, or set UV to its path."
    )


def run(*arguments: str | os.PathLike[str]) -> str:
    """Run uv and return what it wrote to standard output.

    Raises:
        LayerBuildError: uv failed; its own words are in the message.
    """
    return run_command([*command(), *(os.fspath(argument) for argument in arguments)])


def run_command(words: Sequence[str]) -> str:
    """Run a program outside any virtual environment that is active, and return its standard output.

    Raises:
        LayerBuildError: it failed; the end of its standard error is in the message.
    """
    # An active environment would change which interpreter uv picks and which modules that imports.
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(words, env=environ, text=True, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        raise LayerBuildError(f"{' '.join(words[:6])} … failed ({done.returncode}):\n{done.stderr[-4000:]}")
    return done.stdout
