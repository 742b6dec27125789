from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from any_lambda import any_context

from omnilake.archives import get_archive
from omnilake.errors import InvalidArchive, InvalidStateInput

pytestmark = [
    pytest.mark.usefixtures("served"),
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]


@pytest.fixture
def function() -> ModuleType:
    path = Path(__file__).resolve().parents[3] / "functions" / "archives" / "create_archive.py"
    spec = importlib.util.spec_from_file_location("create_archive_function", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_function_creates_an_archive_and_tells_it(function: ModuleType) -> None:
    event = {
        "archive_id": "docs",
        "description": "d",
        "chunking": {"kind": "fixed", "max_tokens": 100, "parent_tokens": 300},
        "rules": [{"names": ["*.log"], "processor": "conversation"}],
        "retain_latest_originals_only": False,
        "tag_hints": ["tide"],
        "insights_schema": {"type": "object", "properties": {"port": {"type": "string"}}},
    }
    told = function.handler(event, any_context())
    assert told == get_archive("docs").model_dump(mode="json")
    assert told["chunking"]["max_tokens"] == 100
    assert told["rules"][0]["processor"] == "conversation"
    assert {name: told[name] for name in ("tag_hints", "insights_schema", "retain_latest_originals_only")} == {
        name: event[name] for name in ("tag_hints", "insights_schema", "retain_latest_originals_only")
    }


def test_a_definition_that_does_not_fit_is_named_as_such(function: ModuleType) -> None:
    with pytest.raises(InvalidArchive):
        function.handler({"archive_id": "No Such Id"}, any_context())
    with pytest.raises(InvalidStateInput):
        function.handler({"name": "docs"}, any_context())
