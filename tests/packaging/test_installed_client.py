"""The client as a user gets it: its wheel in an empty environment, with what the package index brings along."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import uv

ROOT = Path(__file__).resolve().parents[2]

ABSENT = {"lancedb", "pyarrow", "onnxruntime", "numpy", "tokenizers", "tiktoken", "aws-lambda-powertools", "lxml"}

PROGRAM = """from omnilake.client.client import OmniLake
from omnilake.models import Answer

lake = OmniLake(endpoint="https://api.example")
answer: Answer = lake.ask("docs", "Why?").answer()
"""


def run(*command: str | Path, check: bool = True, **told: str) -> subprocess.CompletedProcess[str]:
    """A command that sees nothing of this environment or checkout."""
    outside = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}} | told
    done = subprocess.run([str(each) for each in command], env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    run(uv.find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", target, ROOT)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``bin`` of an environment that holds the wheel and what it requires, nothing else."""
    home = tmp_path_factory.mktemp("user") / "venv"
    run(uv.find_uv_bin(), "venv", "--quiet", "--python", sys.executable, home)
    run(uv.find_uv_bin(), "pip", "install", "--quiet", "--python", home / "bin" / "python", wheel)
    return home / "bin"


def test_the_wheel_says_that_it_is_typed(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "omnilake/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "functions/"))]


def test_neither_stores_nor_models_are_installed(installed: Path) -> None:
    listed = run(uv.find_uv_bin(), "pip", "list", "--python", installed / "python", "--format", "freeze").stdout
    names = {line.partition("==")[0].lower() for line in listed.splitlines()}
    assert {"omnilake", "httpx2", "pydantic"} <= names
    assert names & ABSENT == set()


def test_the_client_is_imported_from_the_installation(installed: Path, tmp_path: Path) -> None:
    program = "import omnilake.client.client as client, omnilake.client.request_definitions; print(client.__file__)"
    shown = run(installed / "python", "-I", "-c", program).stdout.strip()
    assert Path(shown).is_relative_to(installed.parent)


def test_the_command_line_starts(installed: Path) -> None:
    assert "documents in, checked answers out" in run(installed / "omnilake", "--help").stdout
    assert version("omnilake") in run(installed / "omnilake", "--version").stdout
    assert "Cut and embed it anew" in run(installed / "omnilake", "archive", "--help").stdout


@pytest.mark.parametrize("command", [["ask", "docs", "Why?"], ["diff", "a", "b"], ["entries", "show", "docs", "a.md"]])
def test_commands_need_nothing_that_is_not_installed(installed: Path, command: list[str]) -> None:
    done = run(installed / "omnilake", "--endpoint", "http://127.0.0.1:9", *command, check=False, OMNILAKE_TOKEN="any")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "ENDPOINT_UNREACHABLE" in done.stdout + done.stderr


def test_the_embedded_cloud_says_that_it_needs_a_checkout(installed: Path, tmp_path: Path) -> None:
    done = run(installed / "omnilake", "local", "up", check=False, OMNILAKE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_users_program_is_checked_against_the_types(installed: Path, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(PROGRAM)
    wrong.write_text(PROGRAM.replace("answer: Answer", "answer: int"))
    mypy: list[str | Path] = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file",
        os.devnull,
        "--cache-dir",
        tmp_path / "cache",
    ]
    mypy += ["--python-executable", installed / "python"]
    assert "no issues found" in run(*mypy, right).stdout
    refused = run(*mypy, wrong, check=False)
    assert "Incompatible types in assignment" in refused.stdout
