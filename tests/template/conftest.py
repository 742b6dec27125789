"""The template expanded by SAM's own translator, and the state machines as they are written."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from omnilake_local.environments import environment, find_uv
from omnilake_local.host import detect_host
from omnilake_local.paths import find_project

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def expanded() -> dict[str, Any]:
    """``template.yaml`` as CloudFormation sees it."""
    sam = environment("sam", find_project(), detect_host())
    if not sam.is_current():
        sam.make(find_uv(), find_project().home / "logs" / "venv-sam.log")
    done = subprocess.run(
        [str(sam.python), "scripts/lint/expand_template.py", "template.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


@pytest.fixture(scope="session")
def resources(expanded: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Resources by logical id."""
    found: dict[str, dict[str, Any]] = expanded["Resources"]
    return found
