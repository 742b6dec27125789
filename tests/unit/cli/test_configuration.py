"""``omnilake configuration``: what it prints, and what it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from wire import Wire, reply

from omnilake import cli
from omnilake.configuration import product

PRODUCT = product("extractive")


def state(version: str) -> dict[str, Any]:
    told = {"hash": PRODUCT.hash, "in_force": bool(version), "version": version}
    return {"configuration": PRODUCT.model_dump(mode="json"), **told}


@pytest.fixture(autouse=True)
def _routes(wire: Wire) -> None:
    wire.routes |= {
        "GET /v1/configuration": reply(state("v1"), etag='"v1"'),
        "POST /v1/configuration/check": reply(state("")),
        "PUT /v1/configuration": reply(state("v2")),
    }


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, ["configuration", *arguments])


def test_what_is_shown_is_json_and_nothing_else_on_the_output(wire: Wire) -> None:
    shown = run("show")
    assert json.loads(shown.stdout) == PRODUCT.model_dump(mode="json")
    assert shown.stderr == f"hash {PRODUCT.hash}, version v1\n"


@pytest.mark.parametrize(
    ("action", "call"), [("check", "POST /v1/configuration/check"), ("put", "PUT /v1/configuration")]
)
def test_a_file_is_checked_or_put(wire: Wire, tmp_path: Path, action: str, call: str) -> None:
    path = tmp_path / "answering.json"
    path.write_text(run("show").stdout)
    result = run(action, str(path))
    assert result.exit_code == 0
    assert PRODUCT.hash in result.output
    assert wire.paths()[-1] == call
    assert wire.bodies()[-1] == PRODUCT.model_dump(mode="json")
    assert wire.calls[-1].headers.get("if-match") == ('"v1"' if action == "put" else None)


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_what_is_no_json_object_is_wrong_usage(wire: Wire, tmp_path: Path, content: str) -> None:
    path = tmp_path / "answering.json"
    path.write_text(content)
    assert run("put", str(path)).exit_code == 2
    assert wire.calls == []
