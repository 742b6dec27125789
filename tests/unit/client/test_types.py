"""The client's types against the API's own description: a field that the API does not send would stay empty unseen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from omnilake.client import types
from omnilake.client.types import Received

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = json.loads((ROOT / "layers/core/omnilake/api/openapi.json").read_text())["components"]["schemas"]
NAMED = {
    "Accepted": "AcceptedEntry",
    "ChunkRecord": "Chunk",
    "EntryRecord": "Entry",
    "JobRecord": "JobView",
    "RequestRecord": "RequestState",
    "SearchResult": "SearchHit",
    "SourceRecord": "SourceView",
    "UploadTarget": "Upload",
}
"""Names of the API's schemas, where they are others than the client's."""

ELSEWHERE = {"Received", "ConfigurationRecord", "PresignedPart"}
"""The base, what is described in place, and a part of ``UploadTarget``."""


def told() -> dict[str, Any]:
    found = {name: each for name, each in vars(types).items() if isinstance(each, type) and issubclass(each, Received)}
    return {
        name: each
        for name, each in {**found, "JobRecord": types.JobRecord, "SourceRecord": types.SourceRecord}.items()
        if name not in ELSEWHERE
    }


@pytest.mark.parametrize("name", sorted(told()))
def test_every_field_is_one_that_the_api_sends(name: str) -> None:
    sent = SCHEMAS[NAMED.get(name, name)]["properties"]
    assert set(told()[name].model_fields) <= set(sent)
