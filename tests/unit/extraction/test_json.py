"""JSON that is no table: lines named by their path."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake.errors import CorruptDocument, DocumentTooLarge, NoTextFound
from omnilake.extraction import ExtractionLimits, extract, open_document
from omnilake.extraction.structure import normalise
from omnilake.models import Processor
from tests.unit.extraction.test_formats import assert_covered


def test_leaves_are_lines_named_by_their_path() -> None:
    source = {
        "order": {"id": 7, "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]},
        "tags": ["x", "y"],
        "none": None,
    }
    document = extract(json.dumps(source).encode(), "order.json")
    assert document.processor == Processor.PROSE
    assert document.text.split("\n") == [
        "order.id: 7", "order.lines[0].sku: a", "order.lines[0].n: 1", "order.lines[1].sku: b",
        "order.lines[1].n: 2", "tags: x; y", "none: null",
    ]  # fmt: skip


def test_long_objects_are_blocks_of_their_own_with_their_path_as_section() -> None:
    source = {"notes": {"first": "w" * 500, "second": "v"}, "more": {"third": "u"}}
    document = extract(json.dumps(source).encode(), "a.json")
    assert [(s.section, document.text[s.start : s.start + 5]) for s in document.segments] == [
        ("notes", "notes"), ("more", "more.")
    ]  # fmt: skip


def test_elements_of_a_list_that_is_no_table_are_numbered_sections() -> None:
    document = extract(b'[{"a": [{"b": 1}]}, {"a": [{"b": 2}]}]', "a.json")
    assert [(s.section, document.text[s.start : s.end]) for s in document.segments] == [
        ("[0] > a[0]", "a[0].b: 1"), ("[1] > a[0]", "a[0].b: 2")
    ]  # fmt: skip


@pytest.mark.parametrize("figure", ["1.50", "1e400", "-0", "1" + "0" * 5_000, "NaN"])
def test_figures_stay_as_they_are_written(figure: str) -> None:
    assert extract(f'{{"a": {figure}, "b": {{}}}}'.encode(), "a.json").text.split("\n")[0] == f"a: {figure}"


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=10)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=30,
)


@settings(max_examples=200)
@given(value=values)
def test_every_text_in_a_json_document_is_in_its_text(value: Any) -> None:
    try:
        document = extract(json.dumps(value).encode(), "a.json")
    except NoTextFound:
        return
    assert_covered(document)
    for text in _texts(value):
        assert normalise(text).strip() in document.text or " ".join(normalise(text).split()) in document.text


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for each in inner for text in _texts(each)]


@pytest.mark.parametrize(
    "source", [b"[" * 150 + b"]" * 150, b"[" * 200_000 + b"]" * 200_000, b'{"a":' * 120 + b"1" + b"}" * 120]
)
def test_json_that_is_nested_too_deeply_is_corrupt(source: bytes) -> None:
    # Lists of nothing have no leaf: one is put inside.
    with pytest.raises(CorruptDocument, match="nested too deeply"):
        extract(source.replace(b"[]", b"[1]"), "a.json")


def test_what_is_no_json_is_corrupt_with_its_place_and_nothing_of_it() -> None:
    with pytest.raises(CorruptDocument, match="line 2, column 6") as refused:
        extract(b'{"a": 1,\n"b": SECRET}', "a.json")
    assert "SECRET" not in str(refused.value)


def test_json_without_an_extension_is_told_by_its_content() -> None:
    assert open_document(b' {"a": [1, {"b": 2}]}', "export").media_type == "application/json"
    assert open_document(b"{not json}", "export").media_type == "text/plain"
    assert open_document(b'{"a": 1}', "note.txt").media_type == "text/plain"


def test_a_json_document_larger_than_a_tree_may_be_is_refused() -> None:
    with pytest.raises(DocumentTooLarge, match="JSON document"):
        extract(b'{"a": "' + b"w" * 200 + b'"}', "a.json", limits=ExtractionLimits(max_xml_bytes=100))


def test_long_keys_do_not_multiply() -> None:
    source = {"k" * 100_000: {f"{number}": {"x": number} for number in range(500)}}
    with pytest.raises(DocumentTooLarge):
        extract(json.dumps(source).encode(), "a.json", limits=ExtractionLimits(max_characters=1_000_000))
