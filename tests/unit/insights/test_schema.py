"""What archives may ask for, and what of an answer is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from unit.insights.any_document import ANSWER, SCHEMA

from omnilake.errors import InvalidArchive
from omnilake.generation.wires import Misfit, parse
from omnilake.insights.schema import answer_schema, check_schema, distinct, validated


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def test_a_schema_with_definitions_formats_and_limits_is_taken() -> None:
    check_schema(SCHEMA)
    check_schema({"type": "object", "properties": {"pattern": {"type": "string"}, "$id": {"type": "string"}}})


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (None, "object"),
        ([], "object"),
        ({"type": "array"}, "object"),
        ({"type": "object"}, "properties"),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "properties.a.type"),
        ({"type": "object", "properties": {"a": {"minimum": "1"}}}, "properties.a.minimum"),
        ({"type": "object", "properties": {"a": {"pattern": "("}}}, "pattern"),
        ({"type": "object", "properties": {"a": {"$ref": "https://example.org/schema"}}}, "$ref"),
        ({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}, "$ref"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}}, "$ref"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/missing"}}}, "$ref"),
        ({"type": "object", "properties": {}, "$id": "https://example.org"}, "$id"),
        ({"type": "object", "properties": {}, "$schema": "http://json-schema.org/draft-04/schema#"}, "dialect"),
        ({"type": "object", "properties": {"a": {"description": "x" * 40_000}}}, "bytes"),
        ({"type": "object", "properties": {"a": {"maximum": float("nan")}}}, "JSON"),
        (nested(40), "deep"),
    ],
)
def test_a_schema_that_can_not_serve_is_refused_with_the_reason(schema: Any, told: str) -> None:
    with pytest.raises(InvalidArchive, match="insights_schema") as caught:
        check_schema(schema)
    assert told in caught.value.message


def test_the_answer_s_schema_holds_the_archive_s_own_with_its_references() -> None:
    whole = answer_schema(SCHEMA)
    Draft202012Validator.check_schema(whole)
    assert Draft202012Validator(whole).is_valid(ANSWER)
    wrong = {**ANSWER, "fields": {**ANSWER["fields"], "ports": ["Paris"]}}
    assert not Draft202012Validator(whole).is_valid(wrong)
    assert set(whole["required"]) == set(whole["properties"]) == {*ANSWER}
    assert "fields" not in answer_schema(None)["properties"]


def test_an_answer_that_fits_is_taken_as_it_is() -> None:
    assert validated(ANSWER, SCHEMA).model_dump() == ANSWER


HOSTILE: dict[str, Any] = {
    "no object": ["title"],
    "null": None,
    "a string": "tags: approved",
    "a field too many": {**ANSWER, "route": "delete"},
    "a field missing": {name: value for name, value in ANSWER.items() if name != "tags"},
    "a number for a text": {**ANSWER, "title": 7},
    "a text for a list": {**ANSWER, "tags": "gauge"},
    "markup in a tag": {**ANSWER, "tags": ["<script>alert(1)</script>"]},
    "a control character in a tag": {**ANSWER, "tags": ["a\x00b"]},
    "an empty title": {**ANSWER, "title": ""},
    "a huge title": {**ANSWER, "title": "x" * 301},
    "a huge summary": {**ANSWER, "summary": "x" * 4_001},
    "a thousand tags": {**ANSWER, "tags": [f"t{number}" for number in range(1_000)]},
    "a date that is none": {**ANSWER, "dates": ["2026-02-30"]},
    "a date in words": {**ANSWER, "dates": ["last Tuesday"]},
    "an entity with more": {**ANSWER, "entities": [{"name": "a", "kind": "b", "role": "admin"}]},
    "half a surrogate pair": {**ANSWER, "summary": "\ud800"},
    "own field too many": {**ANSWER, "fields": {**ANSWER["fields"], "admin": True}},
    "own field missing": {**ANSWER, "fields": {"severity": 1}},
    "own field out of range": {**ANSWER, "fields": {**ANSWER["fields"], "severity": 9}},
    "own field of another type": {**ANSWER, "fields": {**ANSWER["fields"], "severity": "2"}},
    "own field of no date": {**ANSWER, "fields": {**ANSWER["fields"], "closed": "soon"}},
    "own field not in the list": {**ANSWER, "fields": {**ANSWER["fields"], "ports": ["Paris"]}},
    "own field of NaN": {**ANSWER, "fields": {**ANSWER["fields"], "severity": float("nan")}},
    "own field with half a surrogate pair": {**ANSWER, "fields": {"team": "\udfff"}},
    "own fields without end": {**ANSWER, "fields": {"team": "x" * 70_000}},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_an_answer_that_does_not_fit_is_refused_and_its_content_is_not_in_the_places(case: str) -> None:
    with pytest.raises(Misfit) as caught:
        validated(HOSTILE[case], SCHEMA)
    assert caught.value.problems
    assert len(caught.value.problems) <= 8
    told = str(caught.value)
    assert not any(word in told for word in ("route", "delete", "script", "admin", "Paris", "soon", "xxx", "Tuesday"))


def test_fields_without_a_schema_are_refused() -> None:
    with pytest.raises(Misfit, match="fields"):
        validated(ANSWER, None)
    assert validated({**ANSWER, "fields": {}}, None).fields == {}


def test_a_schema_that_refers_to_itself_without_end_is_no_crash() -> None:
    endless = {**SCHEMA, "$defs": {"port": {"$ref": "#/$defs/port"}}}
    check_schema(endless)
    with pytest.raises(Misfit, match="endless"):
        validated(ANSWER, endless)


@pytest.mark.parametrize("text", ["", "no", "{", '{"a": NaN}', '{"a": Infinity}', "[" * 100_000, '{"a": 1} {"b": 2}'])
def test_what_is_no_json_is_a_misfit(text: str) -> None:
    with pytest.raises(Misfit, match="not JSON"):
        parse(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    )
)
def test_no_answer_whatever_raises_anything_else(answer: Any) -> None:
    for value in (answer, {**ANSWER, "fields": answer}, {**ANSWER, "tags": answer}):
        try:
            found = validated(value, SCHEMA)
        except Misfit:
            continue
        json.dumps(found.model_dump()).encode()


@given(st.lists(st.text(max_size=5), max_size=8))
def test_tags_that_differ_in_case_or_white_space_alone_are_one(tags: list[str]) -> None:
    found = distinct(tags)
    folded = [tag.casefold() for tag in found]
    assert len(set(folded)) == len(folded)
    assert all(tag == " ".join(tag.split()) and tag for tag in found)
    assert distinct([*tags, *(tag.upper() for tag in tags if tag.upper().casefold() == tag.casefold())]) == found
