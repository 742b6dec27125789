"""``omnilake configuration``: what it prints, and what it takes."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from omnilake import cli
from omnilake.answering.configuring import ConfigurationState
from omnilake.configuration import product

PRODUCT = product("extractive")


class FakeDeployment:
    """Holds a configuration; takes whatever comes."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def _state(self, version: str) -> ConfigurationState:
        return ConfigurationState(configuration=PRODUCT, hash=PRODUCT.hash, in_force=bool(version), version=version)

    def configuration(self) -> ConfigurationState:
        return self._state("v1")

    def check_configuration(self, told: dict[str, Any]) -> ConfigurationState:
        self.told.append(("check", told))
        return self._state("")

    def put_configuration(self, told: dict[str, Any]) -> ConfigurationState:
        self.told.append(("put", told))
        return self._state("v2")


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    made = FakeDeployment()
    monkeypatch.setattr(importlib.import_module("omnilake.cli.configuration"), "Deployment", lambda _: made)
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, ["configuration", *arguments])


def test_what_is_shown_is_json_and_nothing_else_on_the_output(deployment: FakeDeployment) -> None:
    shown = run("show")
    assert json.loads(shown.stdout) == PRODUCT.model_dump(mode="json")
    assert shown.stderr == f"hash {PRODUCT.hash}, version v1\n"


@pytest.mark.parametrize("action", ["check", "put"])
def test_a_file_is_checked_or_put(deployment: FakeDeployment, tmp_path: Path, action: str) -> None:
    path = tmp_path / "answering.json"
    path.write_text(run("show").stdout)
    result = run(action, str(path))
    assert result.exit_code == 0
    assert PRODUCT.hash in result.output
    assert deployment.told == [(action, PRODUCT.model_dump(mode="json"))]


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_what_is_no_json_object_is_wrong_usage(deployment: FakeDeployment, tmp_path: Path, content: str) -> None:
    path = tmp_path / "answering.json"
    path.write_text(content)
    assert run("put", str(path)).exit_code == 2
    assert deployment.told == []
