"""``compact_evidence`` with models that are asked over the wire: what it finds, costs, remembers, loses and repeats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from embedded_cloud import PATIENCE_S, Cloud, entered, unique
from machines.test_answer_request import LAMPS, lighthouses, nested
from machines.test_retrievers import deployed
from model_endpoint import Answered, Asked, Endpoint, Script, honest, serving, understanding

from omnilake import aws, layout
from omnilake.models import (
    AnswerStatus,
    Degradation,
)

LIMITS: dict[str, Any] = {"evidence_limit": 240, "max_claims": 12}
THROTTLED = Answered({"error": {"code": "rate_limit_exceeded"}}, 429, {"Retry-After": "1"})
BROKEN = Answered({"error": {"code": "server_error"}}, 500)
GIANT = """
from omnilake.models import Evidence, Scores
from omnilake.retrieval import Found, Lookup, retriever


def find(lookup: Lookup) -> Found:
    text = "\\n".join(
        f"The lamp of pier {number} is lit at hour {number % 24} by the keeper." for number in range(6_000)
    )
    (whole,) = lookup.keep_material(text, title="Log", source="pier", source_type="giant")
    return Found(evidence=[Evidence(chunk=whole, scores=Scores())])


handler = retriever("giant", find)
"""
"""A retriever that brings a text of 300 KB as one chunk."""

PARALLEL = 50
"""Groups at a time that need a Distributed Map."""


@pytest.fixture(scope="module")
def archive(cloud: Cloud) -> str:
    """An archive with more evidence than one context of the small model holds."""
    archive_id = cloud.archive()
    assert {each["status"] for each in cloud.ingest(archive_id, dict(lighthouses())).values()} == {"COMPLETED"}
    return archive_id


@contextmanager
def read_by(script: Script, *, memo_days: int = 0, free_usd: float = 0.0) -> Iterator[Endpoint]:
    """A small model reads the groups and a large one composes, both at one endpoint and known to no memo before."""
    with serving(script) as endpoint:
        told = {"provider": "openai", "endpoint": f"{endpoint.url}/v1", "input_usd": 1.0, "output_usd": 4.0}
        small = {"model": unique("small-"), "context_tokens": 1_000, "output_tokens": 64, "concurrency": PARALLEL}
        large = {"model": unique("large-"), "context_tokens": 16_000, "output_tokens": 2_000}
        free = {"provider": "extractive", "input_usd": free_usd}
        models = {"small": told | small, "large": told | large, "extractive": free}
        steps = {"map": "small", "compose": "large"}
        configuration = {"models": models, "steps": steps, "memo_days": memo_days}
        aws.lake().write(layout.ANSWERING, json.dumps(configuration).encode())
        try:
            yield endpoint
        finally:
            aws.lake().delete(layout.ANSWERING)


def brief(asked: Asked) -> Any:
    """An honest answer in few words: a dozen of each passage."""
    if asked.tool == "merge_claims":
        return honest(asked)
    texts = {label: text.partition("\n\n")[2] for label, text in asked.passages.items()}
    begun = {label: text[text.find("The lamp") :] for label, text in texts.items() if "The lamp" in text}
    return {
        "claims": [
            {"text": f"It is so: {said}", "quotes": [{"passage": label, "text": said}], "conflict": ""}
            for label, text in begun.items()
            if (said := " ".join(text.split()[:12]))
        ]
    }


def reads(endpoint: Endpoint) -> list[Asked]:
    """The calls that read groups of evidence."""
    asked = [Asked.of(request) for request in endpoint.requests]
    return [each for each in asked if each.tool == "record_claims"]


def test_a_distributed_map_comes_to_the_same_claims_as_an_inline_one(cloud: Cloud, archive: str) -> None:
    with read_by(understanding(lambda asked, _: brief(asked))) as endpoint:
        job, inline = cloud.ask(archive, LAMPS, **LIMITS)
        with cloud.setting("PlanAnswerFunction", "OMNILAKE_MAP_CONCURRENCY", str(PARALLEL)):
            wide, distributed = cloud.ask(archive, LAMPS, **LIMITS)

    first = entered(cloud.history(nested(cloud, job)["executionArn"]))
    second = entered(cloud.history(nested(cloud, wide)["executionArn"]))
    assert ("Summarise Groups" in first, "Summarise Many Groups" in first) == (True, False)
    assert "Summarise Many Groups" in second
    assert inline.coverage.groups == distributed.coverage.groups > 40
    assert inline.coverage.groups_failed == distributed.coverage.groups_failed == 0
    assert inline.coverage.degraded == distributed.coverage.degraded == []
    assert (inline.text, inline.claims, inline.citations) == (
        distributed.text,
        distributed.claims,
        distributed.citations,
    )
    assert cloud.misquotes(distributed) == []
    assert len(endpoint.requests) == 2 * (inline.coverage.groups + 1)


def test_groups_that_fail_and_models_that_throttle_are_counted_and_a_replay_of_it_calls_nobody(
    cloud: Cloud, archive: str
) -> None:
    waited = 3

    def answer_of(asked: Asked, _: int) -> Any:
        nonlocal waited
        if asked.tool == "record_claims" and "spirit number 49 " in asked.user:
            return BROKEN
        if asked.tool == "record_claims" and "spirit number 70 " in asked.user:
            return THROTTLED
        if asked.tool == "record_claims" and "spirit number 91 " in asked.user and waited:
            waited -= 1
            return THROTTLED
        return brief(asked)

    with read_by(understanding(answer_of)) as endpoint:
        job = cloud.deployment.wait(cloud.deployment.submit(archive, LAMPS, **LIMITS), timeout_s=2 * PATIENCE_S)
        answer = cloud.deployment.answer(job)
        calls = len(endpoint.requests)
        repeated = cloud.deployment.wait(cloud.deployment.replay(job.job_id))
        again = cloud.deployment.answer(repeated)
        assert len(endpoint.requests) == calls

    asked = reads(endpoint)
    groups = {
        number: len({frozenset(each.passages.values()) for each in asked if f"spirit number {number} " in each.user})
        for number in (49, 70)
    }
    states = entered(cloud.history(nested(cloud, job)["executionArn"]))
    assert answer.status is AnswerStatus.ANSWERED
    assert answer.coverage.groups_failed == groups[49] == states.count("Group Failed")
    assert answer.coverage.chunks_failed == answer.coverage.chunks_dropped["group_failed"] > 0
    assert answer.coverage.degraded == [Degradation(step="map", to="extractive", reason="throttled")]
    assert states.count("Await Quota") == 5 * groups[70] + 3
    assert cloud.misquotes(answer) == []
    assert again.content_hash == answer.content_hash
    assert again.text.encode() == answer.text.encode()
    assert (again.claims, again.citations) == (answer.claims, answer.citations)
    assert again.coverage == answer.coverage
    assert again.cost_usd == 0


def test_what_was_read_before_is_not_read_again_and_a_changed_document_alone_is(cloud: Cloud) -> None:
    archive_id, pages = cloud.archive(), lighthouses()
    cloud.ingest(archive_id, dict(pages))
    with read_by(understanding(lambda asked, _: brief(asked)), memo_days=1) as endpoint:
        job, first = cloud.ask(archive_id, LAMPS, **LIMITS)
        made = len(endpoint.requests)
        _, second = cloud.ask(archive_id, LAMPS, **LIMITS)
        assert len(endpoint.requests) == made == first.coverage.groups + 1
        replayed = cloud.deployment.answer(cloud.deployment.wait(cloud.deployment.replay(job.job_id)))
        assert len(endpoint.requests) == made
        cloud.ingest(archive_id, {"7.md": pages["7.md"].replace("harbour master", "harbour matron")})
        before = len(reads(endpoint))
        _, third = cloud.ask(archive_id, LAMPS, **LIMITS)

    assert second.coverage.groups_remembered == second.coverage.groups == first.coverage.groups
    assert (second.text, second.citations, second.cost_usd) == (first.text, first.citations, 0)
    assert replayed.content_hash == first.content_hash
    anew = reads(endpoint)[before:]
    assert anew
    assert all("harbour matron" in each.user for each in anew)
    assert third.coverage.groups_remembered == third.coverage.groups - len(anew)
    assert len(endpoint.requests) == made + len(anew) + 1
    assert cloud.misquotes(third) == []


def test_evidence_of_one_enormous_chunk_is_read_in_pieces(cloud: Cloud, archive: str, tmp_path: Path) -> None:
    module = tmp_path / "giant.py"
    module.write_text(GIANT)
    lines = [f"The lamp of pier {number} is lit at hour {number % 24} by the keeper." for number in range(6_000)]
    assert len("\n".join(lines)) > 300_000
    with deployed(cloud, "giant", module), read_by(understanding(lambda asked, _: brief(asked))) as endpoint:
        larger = json.loads(aws.lake().read(layout.ANSWERING))
        larger["models"]["small"]["context_tokens"] = 8_000
        aws.lake().write(layout.ANSWERING, json.dumps(larger).encode())
        job_id = cloud.deployment.submit(archive, LAMPS, retrievers=["giant"])
        job = cloud.deployment.wait(job_id, timeout_s=2 * PATIENCE_S)
        answer = cloud.deployment.answer(job)

    assert answer.status is AnswerStatus.ANSWERED
    assert (answer.coverage.chunks_matched, answer.coverage.chunks_read, answer.coverage.chunks_failed) == (1, 1, 0)
    assert answer.coverage.groups >= 10
    assert (answer.coverage.groups_failed, answer.coverage.degraded) == (0, [])
    states = entered(cloud.history(nested(cloud, job)["executionArn"]))
    assert states.count("Summarise Group") == answer.coverage.groups
    assert job.progress["groups_done"] == job.progress["groups"] > 0  # of the last round
    told = {line for each in reads(endpoint) for passage in each.passages.values() for line in passage.split("\n")}
    assert {line for line in told if "pier" in line} == set(lines)  # all of it, cut between lines
    assert answer.citations
    assert cloud.misquotes(answer) == []


def test_a_budget_of_zero_leaves_the_free_provider_and_no_model_is_called(cloud: Cloud, archive: str) -> None:
    with read_by(understanding(lambda asked, _: brief(asked))) as endpoint:
        _, answer = cloud.ask(archive, LAMPS, **LIMITS, max_cost=0)

    assert endpoint.requests == []
    assert answer.status is AnswerStatus.ANSWERED
    assert answer.cost_usd == 0
    assert answer.versions["model.compose"].startswith("extractive/")
    assert Degradation(step="compose", to="extractive", reason="budget") in answer.coverage.degraded
    assert cloud.misquotes(answer) == []


def test_a_budget_that_holds_nothing_abstains_and_says_why(cloud: Cloud, archive: str) -> None:
    with read_by(understanding(lambda asked, _: brief(asked)), free_usd=1.0) as endpoint:
        _, answer = cloud.ask(archive, LAMPS, **LIMITS, max_cost=0)

    assert endpoint.requests == []
    assert answer.status is AnswerStatus.ABSTAINED
    assert "budget" in answer.reasons[0]
    assert answer.coverage.degraded == [Degradation(step="compose", to="stopped", reason="budget")]


def test_a_quote_holds_the_answer_that_it_is_of(cloud: Cloud, archive: str) -> None:
    with read_by(understanding(lambda asked, _: brief(asked))) as endpoint:
        _, quoted = cloud.ask(archive, LAMPS, **LIMITS, deliver="quote")
        assert endpoint.requests == []
        _, answer = cloud.ask(archive, LAMPS, **LIMITS)

    assert (quoted.status, quoted.claims) == (AnswerStatus.QUOTED, [])
    assert quoted.budget is not None
    assert quoted.budget == answer.budget
    assert quoted.budget.groups >= answer.coverage.groups > 0
    assert quoted.budget.calls >= len(endpoint.requests)
    assert answer.cost_usd <= quoted.budget.cost_usd
