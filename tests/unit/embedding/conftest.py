"""The real model and the real ranks, out of layers built for this host; nothing else of those layers is on the path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def _package(layer: str, name: str, home: Path) -> Path:
    built = home / layer
    command = [sys.executable, "-m", "layer_builder", "build", layer, str(built)]
    target = {"OMNILAKE_PYTHON_VERSION": f"{sys.version_info.major}.{sys.version_info.minor}"}
    environ = os.environ | target | {"PYTHONPATH": str(ROOT / "layers"), "OMNILAKE_PLATFORM": _platform()}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return built / "python" / name


def _platform() -> str:
    machine = {"arm64": "aarch64", "AMD64": "x86_64"}.get(os.uname().machine, os.uname().machine)
    return f"{machine}-apple-darwin" if sys.platform == "darwin" else f"{machine}-manylinux_2_28"


@pytest.fixture(scope="session")
def model_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory that holds nothing but the package ``omnilake_minilm``."""
    home = tmp_path_factory.mktemp("models")
    path = home / "path"
    path.mkdir()
    (path / "omnilake_minilm").symlink_to(_package("models", "omnilake_minilm", home))
    return path


@pytest.fixture(scope="session")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package ``omnilake_tiktoken`` with its rank files."""
    return _package("core", "omnilake_tiktoken", tmp_path_factory.mktemp("core"))
