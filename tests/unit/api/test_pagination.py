"""Cursors: what was put in comes out, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake import secrets
from omnilake.api import pagination
from omnilake.api.pagination import MAX_AGE_S, make_cursor, read_cursor, scope_of
from omnilake.errors import ExpiredCursor, InvalidCursor, StageFailed
from omnilake.settings import settings

KEY = b"a key of the deployment"
SCOPE = scope_of("archives", {"status": "FAILED"}, "jwt:mara")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda each: st.lists(each, max_size=3), max_leaves=5
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_cursor_gives_its_position_back(position: dict[str, object]) -> None:
    assert read_cursor(make_cursor(position, SCOPE, KEY)[:2048], SCOPE, KEY) == position


@given(st.text(max_size=300))
def test_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(text, SCOPE, KEY)


@given(st.data())
def test_a_changed_cursor_is_refused(data: st.DataObject) -> None:
    cursor = make_cursor({"after": "x"}, SCOPE, KEY)
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(
        st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.").filter(
            lambda c: c != cursor[place]
        )
    )
    changed = cursor[:place] + other + cursor[place + 1 :]
    try:
        assert read_cursor(changed, SCOPE, KEY) == {"after": "x"}  # bits that base64 does not use
    except InvalidCursor:
        return
    assert place in {cursor.index(".") - 1, len(cursor) - 1}


@pytest.mark.parametrize(
    "other",
    [
        scope_of("jobs", {"status": "FAILED"}, "jwt:mara"),
        scope_of("archives", {"status": "RUNNING"}, "jwt:mara"),
        scope_of("archives", {"status": "FAILED"}, "jwt:noah"),
    ],
)
def test_a_cursor_is_good_for_its_list_filters_and_caller_only(other: str) -> None:
    with pytest.raises(InvalidCursor, match="another"):
        read_cursor(make_cursor({}, SCOPE, KEY), other, KEY)


def test_a_cursor_expires_and_another_deployment_has_another_key() -> None:
    cursor = make_cursor({}, SCOPE, KEY, at=1_000_000)
    assert read_cursor(cursor, SCOPE, KEY, at=1_000_000 + MAX_AGE_S) == {}
    with pytest.raises(ExpiredCursor):
        read_cursor(cursor, SCOPE, KEY, at=1_000_000 + MAX_AGE_S + 1)
    with pytest.raises(InvalidCursor):
        read_cursor(cursor, SCOPE, b"another", at=1_000_000)


@pytest.mark.usefixtures("stack")
def test_a_key_that_cant_be_read_is_an_internal_error_without_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNILAKE_API_SECRET", "the-name-of-it")
    settings.cache_clear()
    secrets._provider.cache_clear()
    pagination._deployment_key.cache_clear()
    with pytest.raises(StageFailed, match="cursors") as raised:
        make_cursor({}, SCOPE)
    assert "the-name-of-it" not in str(raised.value)
