"""The retriever ``rows``: tables that a request may see, computed over, as evidence whose quotes can be checked."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from any_store import SPACE, any_store, vectors_for

from omnilake import aws, layout
from omnilake.answering.verification import verified_claims
from omnilake.errors import InvalidConfiguration, InvalidRequest
from omnilake.extraction.detection import Format
from omnilake.models import Archive, Chunk, Claim, Evidence, Filter, FilterOperator, Quote
from omnilake.retrieval import Found, Lookup, RetrievalPlan, rows
from omnilake.retrieval import rows as retriever
from omnilake.stores import commit as committing
from omnilake.stores import search as searching
from omnilake.stores import table as tables
from omnilake.stores.table import CHUNK_COLUMNS

JOB = "answer-1"
BOATS = [
    {"boat": "Aurora", "harbour": "Selmere", "price": "1,200"},
    {"boat": "Bora", "harbour": "Selmere", "price": "900"},
    {"boat": "Circe", "harbour": "Nordvik", "price": "500"},
]


def any_table(
    entry_id: str, records: list[dict[str, str]] | None, media_type: str = "text/csv", **fields: Any
) -> Chunk:
    """A chunk of a file whose rows are kept."""
    if records is not None:
        lines = "".join(json.dumps(record) + "\n" for record in records)
        aws.lake().write(layout.entry_rows(entry_id, "v1"), gzip.compress(lines.encode()))
    text = f"Table {entry_id}: boats, harbours and prices."
    told: dict[str, Any] = {
        "chunk_id": f"{entry_id}-v1-0",
        "entry_id": entry_id,
        "version": "v1",
        "ordinal": 0,
        "start": 0,
        "end": len(text),
        "tokens": 9,
        "text": text,
        "title": entry_id,
        "source": f"s3://landing/{entry_id}.csv",
        "media_type": media_type,
    }
    return Chunk.model_validate(told | fields)


@pytest.fixture
def look(stack: None, tmp_path: Path) -> Any:
    """A lookup of a question in an archive of some files."""
    store = any_store(tmp_path / "stores")
    archive = Archive(archive_id="docs", space=store.space, store_id=store.store_id, created_at="2026-01-01")
    aws.table("archives_table").put(archive.model_dump(mode="json"))
    aws.table("stores_table").put(store.model_dump(mode="json"))

    def lookup(question: str, chunks: list[Chunk], options: dict[str, Any] | None = None, **fields: Any) -> Lookup:
        if chunks:
            committing.commit(store, [tables.rows(chunks, vectors_for(chunks))])
        plan = RetrievalPlan(
            job_id=JOB,
            archives=["docs"],
            question=question,
            vectors={SPACE.space_id: [1.0, 0.0, 0.0, 0.0]},
            limit=50,
            retrievers=["rows"],
            **fields,
        )
        return Lookup("rows", plan, options or {})

    return lookup


def texts(found: Found) -> list[str]:
    return [each.chunk.text for each in found.evidence]


def test_a_computed_figure_is_a_text_that_its_quote_can_be_checked_in(look: Any) -> None:
    found = retriever.find(look("What is the total price of boats in Selmere?", [any_table("boats", BOATS)]))
    [evidence] = found.evidence
    first, last = evidence.chunk.text.splitlines()
    assert first == "Total price in boats where harbour is Selmere: 2100 (2 of 3 rows)."
    assert last == "Computed from s3://landing/boats.csv, version v1."
    assert evidence.chunk.source == "s3://landing/boats.csv"
    assert evidence.chunk.title == "boats (computed from the table)"
    assert _verified(evidence, first)
    assert not _verified(evidence, first.replace("2100", "2200"))


def _verified(evidence: Evidence, said: str) -> bool:
    chunk = evidence.chunk
    quote = Quote(
        chunk_id=chunk.chunk_id,
        entry_id=chunk.entry_id,
        version=chunk.version,
        start=chunk.start,
        end=chunk.start + len(said),
        text=said,
    )

    def stored(entry_id: str, version: str) -> str:
        return aws.lake().read(layout.quoted_text(JOB, entry_id, version)).decode()

    return bool(verified_claims([Claim(text=said, quotes=[quote])], stored).claims)


def test_what_is_no_question_to_a_table_brings_nothing_and_says_so(look: Any) -> None:
    found = retriever.find(look("Who wrote the report on the pier?", [any_table("boats", BOATS)]))
    assert found.evidence == []
    assert found.left_out == {"table_not_understood": 1}


def test_documents_that_are_no_tables_are_not_looked_into(look: Any) -> None:
    found = retriever.find(look("How many boats are in Selmere?", [any_table("boats", None, media_type="text/plain")]))
    assert (found.evidence, found.left_out) == ([], {})


def test_a_table_without_kept_rows_is_counted(look: Any) -> None:
    found = retriever.find(look("How many boats are in Selmere?", [any_table("boats", None)]))
    assert (found.evidence, found.left_out) == ([], {"table_without_rows": 1})


def test_a_store_that_can_not_tell_tables_yet_is_counted(look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = look("How many boats are in Selmere?", [any_table("boats", BOATS)])
    with monkeypatch.context() as patched:
        patched.setattr(searching, "CHUNK_COLUMNS", [*CHUNK_COLUMNS, "a_later_column"])
        found = retriever.find(lookup)
    assert (found.evidence, found.left_out) == ([], {"store_without_media_types": 1})
    assert retriever.find(look("How many boats are in Selmere?", [])).evidence


def test_a_table_that_is_too_large_is_counted(look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retriever, "MAX_ROWS", 2)
    found = retriever.find(look("How many boats are in Selmere?", [any_table("boats", BOATS)]))
    assert (found.evidence, found.left_out) == ([], {"table_too_large": 1})


def test_tables_that_fit_as_well_are_all_told_and_the_others_not(look: Any) -> None:
    lists = [
        any_table("boats", BOATS),
        any_table("boats-2025", BOATS[:1]),
        any_table("cars", [{"car": "x", "wheels": "4"}]),
    ]
    found = retriever.find(look("How many boats are in Selmere?", lists))
    assert sorted(text.splitlines()[0] for text in texts(found)) == [
        "Number of rows in boats where harbour is Selmere: 2, with 2 different values of boat (2 of 3 rows).",
        "Number of rows in boats-2025 where harbour is Selmere: 1, with 1 different value of boat (1 of 1 row).",
    ]


def test_the_sheets_of_a_workbook_are_tables_of_their_own(look: Any) -> None:
    records = [{"sheet": "North", "boat": "A"}, {"sheet": "North", "boat": "B"}, {"sheet": "South", "van": "C"}]
    book = any_table("fleet", records, media_type=Format.XLSX.value)
    [text] = texts(retriever.find(look("How many boats are there?", [book])))
    assert text.startswith("Number of rows in fleet, North: 2, with 2 different values of boat (2 of 2 rows).")


def test_filters_on_columns_are_applied_whatever_is_asked(look: Any) -> None:
    filters = [
        Filter(field="column.price", operator=FilterOperator.GT, value=600),
        Filter(field="column.Harbour", value="selmere"),
    ]
    [text] = texts(retriever.find(look("Tell me about them", [any_table("boats", BOATS)], filters=filters)))
    assert text.splitlines()[:-1] == [
        "Rows of boats where price is more than 600 and harbour is selmere: 2 of 3 rows.",
        "boat: Aurora; harbour: Selmere; price: 1,200",
        "boat: Bora; harbour: Selmere; price: 900",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        Filter(field="column.colour", value="red-secret"),
        Filter(field="column.price", operator=FilterOperator.GT, value="red-secret"),
    ],
)
def test_a_filter_that_no_table_can_apply_is_refused_without_its_value(look: Any, wrong: Filter) -> None:
    with pytest.raises(InvalidRequest) as refused:
        retriever.find(look("How many boats?", [any_table("boats", BOATS)], filters=[wrong]))
    assert "secret" not in str(refused.value)


def test_tables_of_another_tenant_are_not_seen(look: Any) -> None:
    ours = any_table("boats", BOATS[:1], labels=["business_id=ours"])
    theirs = any_table("their-boats", BOATS, labels=["business_id=theirs"])
    found = retriever.find(look("How many boats are there?", [ours, theirs], tenant={"business_id": "ours"}))
    assert [text.splitlines()[0] for text in texts(found)] == [
        "Number of rows in boats: 1, with 1 different value of boat (1 of 1 row)."
    ]


def test_a_long_result_is_cut_at_its_lines(look: Any) -> None:
    records = [{"boat": f"B{number}", "harbour": "Selmere", "note": "x" * 90} for number in range(40)]
    found = retriever.find(look("List the boats of harbour Selmere", [any_table("boats", records)]))
    assert len(found.evidence) > 2
    stored = (
        aws.lake()
        .read(layout.quoted_text(JOB, found.evidence[0].chunk.entry_id, found.evidence[0].chunk.version))
        .decode()
    )
    assert all(stored[each.chunk.start : each.chunk.end] == each.chunk.text for each in found.evidence)
    assert "\n".join(texts(found)) == stored


def test_options_that_do_not_fit_are_named(look: Any) -> None:
    with pytest.raises(InvalidConfiguration, match="max_tables"):
        rows.find(look("How many boats?", [], options={"max_tables": 0}))
