"""The client by itself: what it needs, and what it must not pull in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

HEAVY = {"lancedb", "pyarrow", "onnxruntime", "numpy", "tokenizers", "tiktoken", "boto3", "aws_lambda_powertools"}


def imported_by(statement: str) -> set[str]:
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(told.stdout))


def test_importing_the_client_loads_nothing_heavy() -> None:
    statement = "from omnilake.client.client import OmniLake; import omnilake.client.request_definitions; OmniLake()"
    found = imported_by(statement)
    assert "httpx2" in found
    assert found & HEAVY == set()


def test_the_command_line_starts_without_the_sdk() -> None:
    assert imported_by("import omnilake.cli") & HEAVY == set()


def test_installing_the_package_installs_neither_stores_nor_models() -> None:
    needed = {named[0] for each in requires("omnilake") or [] if (named := re.match(r"[\w.-]+", each))}
    assert "httpx2" in needed
    assert needed & HEAVY == {"boto3"}
    locked = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    names = {line.split("==")[0] for line in locked.splitlines() if "==" in line and not line.startswith(("#", " "))}
    assert "boto3" in names
    assert names & HEAVY == {"boto3"}
    assert names & {"aws-lambda-powertools", "aws-xray-sdk"} == set()


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "layers" / "core" / "omnilake" / "py.typed").exists()
