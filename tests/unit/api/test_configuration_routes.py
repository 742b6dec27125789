"""Routes of the configuration: read by anyone who may call, changed by operators from the version that they read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import any_call
import pytest
from any_call import Answered

from omnilake.answering.configuring import Action, check, put, show
from omnilake.api import lake
from omnilake.api.app import require_match
from omnilake.settings import settings

Send = Callable[..., Answered]
OWN = {"models": {"small": {"provider": "extractive"}}, "steps": {"map": "small", "compose": "small"}}
OPERATOR = {"who": any_call.ROOT}


@pytest.fixture
def send(api: Callable[..., Send], monkeypatch: pytest.MonkeyPatch) -> Send:
    """A way to call; the function of the configuration runs in this process."""
    names = ["vector", "full_text", "recent", "exact", "related", "rows", "website", "everything"]
    monkeypatch.setenv("OMNILAKE_RETRIEVER_FUNCTIONS", json.dumps(dict.fromkeys(names, "arn")))
    settings.cache_clear()

    def call(setting: str, event: dict[str, Any]) -> Any:
        assert setting == "configure_answering_function_arn"
        told = event["configuration"]
        if event["action"] == Action.SHOW:
            state = show()
        elif event["action"] == Action.CHECK:
            state = check(told)
        else:
            state = put(told, event["expected_hash"])
        return json.loads(state.model_dump_json())

    monkeypatch.setattr(lake, "call", call)
    return api(lake.router)


def test_what_was_read_is_changed_with_its_tag(send: Send) -> None:
    read = send("GET", "/v1/configuration")
    assert (read.status, read.json["in_force"]) == (200, True)
    changed = send("PUT", "/v1/configuration", OWN, headers={"if-match": read.headers["etag"]}, **OPERATOR)
    assert changed.status == 200
    again = send("GET", "/v1/configuration")
    assert again.headers["etag"] == changed.headers["etag"] != read.headers["etag"]
    assert send("GET", "/v1/configuration", headers={"if-none-match": again.headers["etag"]}).status == 304


def test_a_change_without_a_tag_or_with_that_of_an_older_version_changes_nothing(send: Send) -> None:
    old = send("GET", "/v1/configuration").headers["etag"]
    missing = send("PUT", "/v1/configuration", OWN, **OPERATOR)
    assert (missing.status, missing.json["code"]) == (428, "REVISION_REQUIRED")
    assert send("PUT", "/v1/configuration", OWN, headers={"if-match": old}, **OPERATOR).status == 200
    late = send("PUT", "/v1/configuration", OWN | {"inclusive_cap": 9}, headers={"if-match": old}, **OPERATOR)
    assert (late.status, late.json["code"]) == (412, "REVISION_MISMATCH")
    assert send("GET", "/v1/configuration").json["hash"] == check(OWN).hash


def test_a_change_between_the_check_of_the_tag_and_the_write_is_not_written_over(
    send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = send("GET", "/v1/configuration").headers["etag"]

    def meanwhile(told: str) -> None:
        require_match(told)
        put(OWN)

    monkeypatch.setattr("omnilake.api.lake.require_match", meanwhile)
    late = send("PUT", "/v1/configuration", OWN | {"inclusive_cap": 9}, headers={"if-match": tag}, **OPERATOR)
    assert (late.status, late.json["code"]) == (412, "REVISION_MISMATCH")
    assert show().hash == check(OWN).hash


def test_only_operators_change_or_check(send: Send) -> None:
    tag = send("GET", "/v1/configuration").headers["etag"]
    for method, path in [("PUT", "/v1/configuration"), ("POST", "/v1/configuration/check")]:
        refused = send(method, path, OWN, headers={"if-match": tag}, who=any_call.NOAH)
        assert (refused.status, refused.json["code"]) == (403, "FORBIDDEN")
    checked = send("POST", "/v1/configuration/check", OWN, **OPERATOR)
    assert (checked.status, checked.json["in_force"]) == (200, False)
    assert send("GET", "/v1/configuration").headers["etag"] == tag


def test_what_does_not_fit_is_refused_by_its_place_and_changes_nothing(send: Send) -> None:
    tag = send("GET", "/v1/configuration").headers["etag"]
    refused = send("PUT", "/v1/configuration", OWN | {"colour": "red"}, headers={"if-match": tag}, **OPERATOR)
    assert 400 <= refused.status < 500
    assert "colour" in refused.text
    assert "red" not in refused.json["detail"].replace("required", "")
    assert send("GET", "/v1/configuration").headers["etag"] == tag
