"""Filters: what is refused, and that what passes in a real store is exactly what is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from any_store import any_chunks, any_store, vectors_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnilake import labels
from omnilake.errors import InvalidRequest
from omnilake.models import Chunk, Filter, FilterOperator, Store, Tenant
from omnilake.retrieval import filters
from omnilake.stores.commit import commit
from omnilake.stores.search import View
from omnilake.stores.table import rows

AWKWARD = [
    "plain",
    "it's",
    "''; DROP TABLE docs; --",
    "' OR '1'='1",
    "a\\",
    "\\'",
    'q"q',
    "100%",
    "under_score",
    "back`tick",
    "nul\x00byte",
    "line\nbreak",
    "ünïcode é\u0301 東京 🛟",
    "",
]


def dressed(number: int, text: str) -> Chunk:
    chunk = any_chunks(f"e{number}", count=1)[0]
    return chunk.model_copy(
        update={
            "source": text,
            "title": f"{text} and more",
            "page": number + 1,
            "media_type": "text/plain" if number % 2 else "application/pdf",
            "received_at": f"2026-01-{number + 1:02}T00:00:00.000Z",
            "effective_on": "2025-06-01T00:00:00.000Z" if number < 3 else "",
            "posted_at": 1_767_225_600.0 + number if number < 4 else None,
            "labels": [*labels.of_metadata({"owner": text, "a=b": "c"}), *labels.of_tags([f"T{number}", "Harbour"])],
        }
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One chunk for each awkward text."""
    directory: Path = tmp_path_factory.mktemp("filters")
    made = any_store(directory / "stores")
    chunks = [dressed(number, text) for number, text in enumerate(AWKWARD)]
    commit(made, [rows(chunks, vectors_for(chunks))])
    return made


def passing(store: Store, *told: Filter, tenant: Tenant | None = None) -> list[int]:
    """Numbers of the chunks that pass."""
    found = View(store, filters.condition(told, tenant)).nearest([0.5] * 4, 100)
    return sorted(int(each.chunk.entry_id[1:]) for each in found)


def one(field: str, value: Any, operator: str = "eq") -> Filter:
    return Filter(field=field, operator=FilterOperator(operator), value=value)


EVERY = list(range(len(AWKWARD)))


@pytest.mark.parametrize(("number", "text"), list(enumerate(AWKWARD)))
def test_a_text_is_a_value_whatever_is_in_it(store: Store, number: int, text: str) -> None:
    others = [each for each in EVERY if each != number]
    assert passing(store, one("source", text)) == [number]
    assert passing(store, one("source", [text, "absent"], "in")) == [number]
    assert passing(store, one("source", text, "ne")) == others
    assert passing(store, one("metadata.owner", text)) == [number]
    assert passing(store, one("metadata.owner", [text], "in")) == [number]
    assert passing(store, one("metadata.owner", text, "ne")) == others
    assert number in passing(store, one("title", text, "prefix"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60), name=st.text(max_size=20))
def test_no_value_and_no_name_widens_what_passes(store: Store, text: str, name: str) -> None:
    surrogate = any("\ud800" <= letter <= "\udfff" for letter in text + name)
    told = [one("source", text), one(f"metadata.x{name}", text), one("section", text, "prefix"), one("tag", text)]
    try:
        found = [passing(store, each) for each in told]
    except InvalidRequest:
        assert surrogate
        return
    assert found[0] == [number for number in EVERY if AWKWARD[number] == text]
    assert found[1] == []
    assert found[2] == (EVERY if text == "" else [])
    tagged = {"harbour": EVERY} | {f"t{number}": [number] for number in EVERY}
    assert found[3] == tagged.get(text.casefold(), [])


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (one("page", 3), [2]),
        (one("page", 3, "le"), [0, 1, 2]),
        (one("page", [1, 4], "in"), [0, 3]),
        (one("received_at", "2026-01-03", "lt"), [0, 1]),
        (one("received_at", "2026-01-03", "le"), [0, 1, 2]),
        (one("received_at", "2026-01-03T01:00:00+01:00", "le"), [0, 1, 2]),
        (one("effective_on", "2027-01-01", "lt"), [0, 1, 2]),
        (one("effective_on", "1900-01-01", "gt"), [0, 1, 2]),
        (one("posted_at", "2026-01-01T00:00:02Z", "ge"), [2, 3]),
        (one("posted_at", 1_767_225_601, "le"), [0, 1]),
        (one("media_type", "application/", "prefix"), EVERY[::2]),
        (one("tag", "t5"), [5]),
        (one("tag", "harbour"), EVERY),
        (one("tag", ["t1", "T2"], "in"), [1, 2]),
        (one("metadata.a", "b=c"), []),
        (one("metadata.a=b", "c"), EVERY),
        (one("metadata.absent", "x", "ne"), EVERY),
        (one("entry", "e4"), [4]),
        (one("speaker", "anybody", "ne"), EVERY),
    ],
)
def test_each_type_has_its_order(store: Store, told: Filter, expected: list[int]) -> None:
    assert passing(store, told) == expected


def test_all_filters_must_hold(store: Store) -> None:
    assert passing(store, one("page", 4, "le"), one("received_at", "2026-01-02", "ge"), one("tag", "T2")) == [2]


@pytest.mark.parametrize(
    "told",
    [
        one("colour", "red"),
        one("chunk_id", "x"),
        one("1=1; --", "x"),
        one("metadata.", "x"),
        one("column.", "x"),
        one("page", "3"),
        one("page", True),
        one("page", 1.5),
        one("page", 1 << 40),
        one("page", 3, "prefix"),
        one("source", 3),
        one("source", "a", "lt"),
        one("source", ["a"], "eq"),
        one("source", "a", "in"),
        one("source", [], "in"),
        one("source", ["a"] * 300, "in"),
        one("source", "x" * 5_000),
        one("source", "\ud800"),
        one("received_at", "yesterday", "lt"),
        one("received_at", "0001-01-01T00:00:00+23:00", "lt"),
        one("received_at", "2026-01-01"),
        one("time", float("inf"), "lt"),
        one("metadata.owner", "a", "prefix"),
        one("tag", 7),
        one("column.price", True),
    ],
)
def test_what_can_not_be_applied_is_refused_and_never_ignored(told: Filter) -> None:
    with pytest.raises(InvalidRequest) as refused:
        filters.check([told])
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert "\ud800" not in str(refused.value)


def test_columns_of_tables_are_for_the_rows_alone(store: Store) -> None:
    told = one("column.price", 5, "gt")
    filters.check([told])
    assert filters.on_columns([told, one("page", 1)]) == [told]
    assert filters.condition([told]) == ""


def test_a_tenant_sees_what_was_brought_for_it_alone(tmp_path: Path) -> None:
    store = any_store(tmp_path / "stores")
    owners = [
        {"business_id": "acme", "region": "eu"},
        {"business_id": "acme", "region": "us"},
        {"business_id": "acme-2", "region": "eu"},
        {"x": "business_id=acme"},
        {"business_id=acme": ""},
        {},
    ]
    chunks = [
        any_chunks(f"e{number}", count=1)[0].model_copy(update={"labels": labels.of_metadata(owner)})
        for number, owner in enumerate(owners)
    ]
    commit(store, [rows(chunks, vectors_for(chunks))])
    assert passing(store, tenant=Tenant(business_id="acme")) == [0, 1]
    assert passing(store, tenant=Tenant(business_id="acme", region="eu")) == [0]
    assert passing(store, tenant=Tenant(business_id="' OR 1=1 --")) == []
    assert passing(store, tenant=Tenant()) == [0, 1, 2, 3, 4, 5]


def test_long_values_are_told_apart_by_what_is_cut_off() -> None:
    one_value, other = "x" * 5_000 + "a", "x" * 5_000 + "b"
    assert labels.label("n", one_value) != labels.label("n", other)
    assert len(labels.label("n", one_value)) < 300


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_labels_are_equal_for_equal_pairs_alone(name: str, value: str, other: str, another: str) -> None:
    if "tag" not in (name, other):
        assert (labels.label(name, value) == labels.label(other, another)) == ((name, value) == (other, another))
