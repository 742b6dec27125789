"""The configuration of answering, shown, checked and changed by an operator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from omnilake import aws, configuration, layout
from omnilake.answering.configuring import MAX_CONFIGURATION_BYTES, check, put, show
from omnilake.configuration import loading
from omnilake.errors import InvalidConfiguration, RevisionMismatch
from omnilake.settings import settings

OWN = {"models": {"small": {"provider": "extractive"}}, "steps": {"map": "small", "compose": "small"}}


@pytest.fixture(autouse=True)
def _deployed(stack: None, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["vector", "full_text", "recent", "exact", "related", "rows", "website", "everything"]
    monkeypatch.setenv("OMNILAKE_RETRIEVER_FUNCTIONS", json.dumps(dict.fromkeys(names, "arn")))
    settings.cache_clear()


def test_without_one_of_its_own_the_products_is_shown() -> None:
    shown = show()
    assert (shown.version, shown.in_force) == ("", True)
    assert shown.hash == configuration.product("extractive").hash


def test_what_fits_is_in_force_at_once_and_what_was_before_stays_as_a_version() -> None:
    first, second = put(OWN), put(OWN | {"inclusive_cap": 9})
    assert second.in_force
    assert second.version not in {"", first.version}
    assert configuration.load().configuration.inclusive_cap == 9
    before = json.loads(aws.lake().read(layout.ANSWERING, first.version))
    assert before["inclusive_cap"] == first.configuration.inclusive_cap != 9


def test_a_change_of_a_configuration_that_is_no_longer_in_force_is_refused() -> None:
    seen = show().hash
    first = put(OWN, expected_hash=seen)
    with pytest.raises(RevisionMismatch):
        put(OWN | {"inclusive_cap": 9}, expected_hash=seen)
    assert show() == first
    assert put(OWN | {"inclusive_cap": 9}, expected_hash=first.hash).in_force


@pytest.mark.parametrize("before", [None, OWN | {"inclusive_cap": 7}])
def test_of_two_changes_at_a_time_one_is_refused(
    before: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before:
        put(before)
    read = configuration.load()
    other = put(OWN)
    loads = iter([read])
    monkeypatch.setattr(configuration, "load", lambda: next(loads, None) or loading.load())
    with pytest.raises(RevisionMismatch):
        put(OWN | {"inclusive_cap": 9}, expected_hash=read.configuration.hash)
    assert show() == other


def test_a_write_that_is_repeated_since_its_answer_was_lost_is_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    read = configuration.load()
    written = put(OWN)
    loads = iter([read])
    monkeypatch.setattr(configuration, "load", lambda: next(loads, None) or loading.load())
    assert put(OWN) == written


def test_what_is_shown_can_be_put_back() -> None:
    before = show()
    assert put(before.configuration.model_dump(mode="json")).hash == before.hash


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"steps": {"map": "small", "compose": "large"}}, "no model is called large"),
        ({"colour": "red"}, "colour"),
        ({"default_retrievers": ["telepathy"]}, "telepathy"),
        ({"retrievers": {"telepathy": {}}}, "telepathy"),
        ({"routes": [{"name": "a", "retrievers": ["vector", "telepathy"]}]}, "telepathy"),
        ({"prompts": {"compose": "mine"}}, "mine"),
        ({"prompts": {"compose": "mine"}, "templates": {"mine": "no user part"}}, "mine"),
        ({"templates": {"long": "x" * MAX_CONFIGURATION_BYTES}}, "bytes"),
    ],
)
def test_what_does_not_fit_changes_nothing(changed: dict[str, Any], named: str) -> None:
    put(OWN)
    for attempt in (check, put):
        with pytest.raises(InvalidConfiguration, match=named):
            attempt(OWN | changed)
    assert configuration.load().configuration.hash == check(OWN).hash


def test_a_check_changes_nothing() -> None:
    checked = check(OWN)
    assert not checked.in_force
    assert aws.lake().head(layout.ANSWERING) is None
