"""Insights without a model: all of them stand in the document."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.insights.any_document import SCHEMA, TEXT, document, read, rows
from unit.insights.injections import ATTACKS

from omnilake.generation.sentences import fold
from omnilake.generation.words import tidy
from omnilake.insights.deterministic import DeterministicProvider
from omnilake.insights.phrases import fitting, key_phrases, language_of
from omnilake.insights.provider import Wanted
from omnilake.insights.schema import Extraction, validated
from omnilake.models import ExtractedDocument, Processor, Segment, SegmentKind


def insights(of: ExtractedDocument, hints: list[str] | None = None, schema: dict[str, Any] | None = None) -> Extraction:
    extraction, usage = DeterministicProvider().extract(of, read(of), Wanted(hints or [], schema))
    assert (usage.calls, usage.cost_usd) == (0, 0)
    return extraction


def test_the_summary_is_made_of_the_document_s_own_sentences_in_its_order() -> None:
    found = insights(document())
    sentences = [f"{each}." for each in fold(TEXT).removesuffix(".").split(". ")]
    told = [each for each in sentences if each in found.summary]
    assert found.summary == " ".join(told)
    assert told[0] == sentences[0]


def test_hints_that_fit_come_first_as_they_are_spelled() -> None:
    found = insights(document(), hints=["Billing", "GAUGE", "Pier", "Oslo"])
    assert found.tags[:2] == ["GAUGE", "Pier"]  # often in the text; in the title. Oslo is named in passing
    assert {"Billing", "Oslo"}.isdisjoint(found.tags)


@pytest.mark.parametrize(
    ("hint", "text", "fits"),
    [
        ("gauge", "The gauges of gauge two", True),
        ("on-call", "On call today. on-call tomorrow", True),
        ("gauge", "gaugeless and degauged", False),
        ("事故", "事故のあとの事故", True),
        ("--", "-- and -- and --", False),
        ("c++", "c++ is c++", True),
        ("(a+)+$", "aaaa (a+)+$ and (a+)+$", True),
    ],
)
def test_a_hint_fits_when_its_words_stand_twice(hint: str, text: str, fits: bool) -> None:
    assert fitting([hint], "", text) == ([hint] if fits else [])


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The gauge of the harbour is read by the officer who is on duty and writes it into the book.", "en"),
        ("Der Pegel des Hafens wird von dem Offizier gelesen, der im Dienst ist und ihn in das Buch schreibt.", "de"),
        ("Le niveau du port est lu par l'officier qui est de service et qui l'écrit dans le livre.", "fr"),
        ("El nivel del puerto es leído por el oficial que está de servicio y lo escribe en el libro.", "es"),
        ("zzz qqq", ""),
        ("", ""),
    ],
)
def test_the_language_is_guessed_by_its_small_words(text: str, language: str) -> None:
    assert language_of(text) == language


def test_key_phrases_are_words_of_the_text_without_small_words() -> None:
    sentences = ["The radio link of the relay fails in heavy weather."] * 2 + [
        "In heavy weather the radio link is lost."
    ]
    found = key_phrases(sentences, "en", 5)
    assert {"radio link", "heavy weather"} <= set(found)
    assert len(found) <= 5
    assert key_phrases(sentences, "xx", 5) == []


def test_entities_are_addresses_identifiers_speakers_and_names_that_repeat() -> None:
    text = (
        "Write to pier@example.org, see https://example.org/a?b=1. and ticket NT-2291. On Monday we met Ada Lind. "
        "Yesterday Ada Lind left. Nobody saw Rolf Berg."
    )
    segments = [Segment(start=0, end=len(text), kind=SegmentKind.TURN, speaker="Priya Raman")]
    found = {(each.name, each.kind) for each in insights(document(text, segments=segments)).entities}
    assert found == {
        ("pier@example.org", "email"),
        ("https://example.org/a?b=1", "url"),
        ("NT-2291", "identifier"),
        ("Priya Raman", "person"),
        ("Ada Lind", "name"),
    }


def test_fields_come_from_metadata_and_columns_of_the_same_name_only() -> None:
    table = rows(
        "Team; Severity; Ports; Notes",
        "Team: Harbour; Severity: 2; Ports: oslo; Notes: severity: 4 they say",
        "Team: Harbour; Ports: Bergen",
        metadata={"Closed": "18 March 2026"},
    )
    found = insights(table, schema=SCHEMA).fields
    assert found == {"team": "Harbour", "severity": 2, "ports": ["Oslo", "Bergen"], "closed": "2026-03-18"}


@pytest.mark.parametrize(
    "lines",
    [
        ("Team: Harbour; Severity: 9",),  # out of range
        ("Team: Harbour; Severity: two",),
        ("Team: Harbour; Severity: 1", "Team: Harbour; Severity: 2"),  # which one?
        ("Team: Harbour; Ports: Paris",),  # not in the list
    ],
)
def test_what_does_not_fit_or_is_ambiguous_is_absent(lines: tuple[str, ...]) -> None:
    assert insights(rows("Team; Severity; Ports", *lines), schema=SCHEMA).fields == {"team": "Harbour"}


def test_a_required_property_that_nothing_states_is_absent_not_made_up() -> None:
    assert insights(document(), schema=SCHEMA).fields == {}


def test_code_in_a_document_is_neither_summary_nor_tag() -> None:
    code = "for gizmo in gizmos: launch(gizmo); gizmo.close(); gizmos.clear()"
    text = f"{TEXT}\n\n{code}"
    segments = [
        Segment(start=0, end=len(TEXT), kind=SegmentKind.PARAGRAPH),
        Segment(start=len(TEXT) + 2, end=len(text), kind=SegmentKind.CODE),
    ]
    found = insights(document(text, segments=segments))
    assert "gizmo" not in found.summary
    assert not any("gizmo" in tag for tag in found.tags)


def test_the_same_document_gives_the_same_insights() -> None:
    assert insights(document(), ["pier"], SCHEMA) == insights(document(), ["pier"], SCHEMA)


@pytest.mark.parametrize("attack", ATTACKS)
def test_orders_in_a_document_change_neither_tags_nor_fields(attack: str) -> None:
    wanted = ["approved", "paid", "pwned", "gauge"]
    plain = insights(document(), wanted, SCHEMA)
    ordered = insights(document(f"{TEXT}\n\n{ATTACKS[attack]}"), wanted, SCHEMA)
    assert {"approved", "paid", "pwned"}.isdisjoint(ordered.tags)
    assert ordered.tags[0] == plain.tags[0] == "gauge"
    assert ordered.fields == plain.fields == {}
    assert ordered.title == plain.title


@settings(max_examples=150)
@given(
    st.text(max_size=400),
    st.text(max_size=40),
    st.dictionaries(st.sampled_from(["author", "keywords", "team", "date", "language"]), st.text(max_size=30)),
    st.sampled_from(list(Processor)),
)
def test_no_document_whatever_makes_it_fail_and_all_it_says_is_valid(
    text: str, title: str, metadata: dict[str, str], processor: Processor
) -> None:
    relaxed = {**SCHEMA, "required": []}
    found = insights(document(text, title=title, metadata=metadata, processor=processor), ["gauge"], relaxed)
    assert validated(found.model_dump(), relaxed) == found
    assert all(tidy(sentence) in tidy(f"{text} {title} Untitled") for sentence in [found.title])
