"""Virtual environments of the embedded cloud, made with uv from exact pins.

Three, because their pins conflict with each other and with the project's own: ``cloud`` (the server), ``lambda`` (what
AWS's base image gives a function) and ``sam`` (the SAM CLI).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from omnilake_local.errors import LocalCloudError
from omnilake_local.host import Host
from omnilake_local.paths import PACKAGE, Project
from omnilake_local.subprocesses import run_logged

Name = Literal["cloud", "lambda", "sam"]
NAMES: tuple[Name, ...] = ("cloud", "lambda", "sam")
_MARKER = "omnilake-pins"


@dataclass(frozen=True)
class Environment:
    """One virtual environment and the pins it must hold."""

    name: Name
    path: Path
    requirements: Path
    host: Host

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def pins(self) -> str:
        """Identity of its content: interpreter and pins."""
        digest = hashlib.sha256(f"{self.host.interpreter}\n{self.host.python_version}\n".encode())
        digest.update(self.requirements.read_bytes())
        return digest.hexdigest()

    def is_current(self) -> bool:
        """Whether it was made, to its end, from these pins and this interpreter."""
        marker = self.path / _MARKER
        return self.python.exists() and marker.is_file() and marker.read_text() == self.pins

    def make(self, uv: Path, log: Path) -> None:
        """Make it anew. The marker comes last, so an interrupted making is not taken for a finished one.

        Raises:
            LocalCloudError: uv failed; its output is in the log.
        """
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        action = "Check the package index is reachable, then run `omnilake local up` again."
        for command in (
            [uv, "venv", "--quiet", "--python", self.host.interpreter, self.path],
            [uv, "pip", "install", "--compile-bytecode", "--python", self.python, "--requirements", self.requirements],
        ):
            run_logged([str(part) for part in command], env=dict(os.environ), cwd=PACKAGE, log=log, action=action)
        (self.path / _MARKER).write_text(self.pins)


def environment(name: Name, project: Project, host: Host) -> Environment:
    """The environment of that name, made or not."""
    return Environment(name, project.venvs / name, PACKAGE / f"requirements-{name}.txt", host)


def find_uv() -> Path:
    """The uv executable: ``$UV``, the one installed beside this interpreter, or one on PATH.

    Raises:
        LocalCloudError: there is none.
    """
    named = os.environ.get("UV")
    if named:
        return Path(named)
    try:
        from uv import find_uv_bin

        return Path(find_uv_bin())
    except (ImportError, FileNotFoundError):
        on_path = shutil.which("uv")
    if on_path is None:
        raise LocalCloudError("uv is not installed.", action="Run `make setup`, or `pip install uv`.")
    return Path(on_path)
