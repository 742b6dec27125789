"""Data packages of the layers (the model, the token ranks), built for this host by the layers' own builder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def build(layer: str, name: str, home: Path) -> Path:
    """Build a layer below ``home`` (its builder caches) and give the path of one package of it."""
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
