"""Keys of the lake: apart from each other, in order, and where the template's rules expect them."""

from __future__ import annotations

import itertools

import pytest
import stack_in_moto
from hypothesis import given
from hypothesis import strategies as st

from omnilake import layout
from omnilake.answering import parts
from omnilake.ingest import stages

NUMBERS = st.integers(0, 99_999)


def keys_of(job_id: str) -> list[str]:
    """All keys that one execution writes below its own prefix."""
    return [
        layout.batch_manifest(job_id),
        *(layout.batch(job_id, stage) for stage in stages.STAGES),
        *(
            key(job_id, number)
            for key in (layout.embed_batch, layout.embed_vectors, layout.embed_report)
            for number in (0, 1, 10)
        ),
        layout.request(job_id),
        *(layout.answer_part(job_id, part) for part in (parts.FUSED, parts.COMPOSED, parts.ANSWER)),
        *(layout.compaction_node(job_id, number, group) for number, group in itertools.product((0, 1, 10), repeat=2)),
    ]


def test_no_two_things_have_one_key() -> None:
    keys = [*keys_of("job"), *keys_of("job-1"), layout.failed_request("job"), layout.failed_request("job-1")]
    entries = [
        layout.entry_text("e1", "v1"),
        layout.entry_text("e1", "v2"),
        layout.entry_text("e2", "v1"),
        layout.entry_document("e1", "v1"),
    ]
    assert len(set(keys + entries)) == len(keys) + len(entries)


@given(NUMBERS, NUMBERS)
def test_batches_and_groups_are_listed_in_their_order(one: int, other: int) -> None:
    for key in (layout.embed_batch, layout.embed_vectors, lambda job, number: layout.compaction_node(job, 0, number)):
        assert (key("job", one) < key("job", other)) == (one < other)


def test_a_jobs_keys_lie_where_only_it_writes() -> None:
    assert {key.split("/job-1/")[0] for key in keys_of("job-1")} == {"batches", "answers"}
    assert not any(key.startswith(("batches/job/", "answers/job/")) for key in keys_of("job-1"))


def expires(key: str) -> bool:
    rules = stack_in_moto.template()["Resources"]["LakeBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    return any("ExpirationInDays" in rule and key.startswith(rule.get("Prefix", "")) for rule in rules)


@pytest.mark.parametrize("key", [key for key in keys_of("job") if key.startswith("batches/")])
def test_what_an_ingestion_works_with_expires(key: str) -> None:
    assert expires(key)


@pytest.mark.parametrize(
    "key", [layout.entry_text("e1", "v1"), layout.entry_document("e1", "v1"), f"{layout.STORES_PREFIX}/docs-1.lance/x"]
)
def test_entries_and_stores_stay(key: str) -> None:
    assert not expires(key)
