"""Identity, credentials and configuration of sources."""

from __future__ import annotations

import pytest
from any_source import NotesConfig
from pydantic import ValidationError

from omnilake.connectors.protocol import Credentials, SourceConfig, source_id_of
from omnilake.errors import SourceError


class TwoParts(SourceConfig):
    first: str
    second: str
    limit: int = 10


def test_the_required_fields_are_the_identity() -> None:
    assert TwoParts.identity_fields() == ("first", "second")
    a = source_id_of("harbour", "two", TwoParts(first="a", second="b", limit=1))
    assert a == source_id_of("harbour", "two", TwoParts(first="a", second="b", limit=2))
    assert a != source_id_of("harbour", "two", TwoParts(first="b", second="a"))
    assert a != source_id_of("other", "two", TwoParts(first="a", second="b"))
    assert a != source_id_of("harbour", "three", TwoParts(first="a", second="b"))


def test_fields_do_not_run_into_each_other() -> None:
    assert source_id_of("harbour", "two", TwoParts(first="a/b", second="c")) != source_id_of(
        "harbour", "two", TwoParts(first="a", second="b/c")
    )
    assert source_id_of("harbour", "two", TwoParts(first="ab", second="c")) != source_id_of(
        "harbour", "two", TwoParts(first="a", second="bc")
    )


def test_unknown_fields_are_errors() -> None:
    with pytest.raises(ValidationError):
        NotesConfig.model_validate({"base_url": "http://127.0.0.1", "token": "x"})


def test_a_bare_secret_is_the_token_and_never_shows() -> None:
    credentials = Credentials.parse(" tok-123\n")
    assert credentials.require() == "tok-123"
    assert "tok-123" not in repr(credentials)
    assert "tok-123" not in credentials.model_dump_json()


def test_a_json_secret_holds_named_values() -> None:
    assert Credentials.parse('{"api_key": "k"}').require("api_key") == "k"


@pytest.mark.parametrize("secret", ['{"token": 1}', "{not json", '{"token": {"a": "b"}}'])
def test_a_secret_of_another_shape_is_rejected_without_being_shown(secret: str) -> None:
    with pytest.raises(SourceError) as raised:
        Credentials.parse(secret)
    assert secret not in str(raised.value)


@pytest.mark.parametrize("secret", ["", "  ", '{"other": "x"}', '{"token": ""}'])
def test_a_missing_value_is_named(secret: str) -> None:
    with pytest.raises(SourceError, match="no token"):
        Credentials.parse(secret).require()
