"""``compact_evidence`` with models that are asked over the wire: what it finds, costs, remembers, loses and repeats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from embedded_cloud import Cloud, entered, unique, wait_for
from machines.test_answer_request import LAMPS, lighthouses, nested
from model_endpoint import Answered, Asked, Endpoint, Script, honest, serving, understanding

from omnilake import aws, jobs, layout
from omnilake.answering.parts import CONFIGURATION, FUSED, FusedEvidence, read_part, write_part
from omnilake.compaction.nodes import CompactedClaims
from omnilake.compaction.stages import CLAIMS
from omnilake.configuration import AnsweringConfiguration
from omnilake.models import (
    AnswerStatus,
    Chunk,
    Coverage,
    Degradation,
    Evidence,
    InformationRequest,
    JobKind,
    Scores,
)

LIMITS: dict[str, Any] = {"evidence_limit": 240, "max_claims": 12}
THROTTLED = Answered({"error": {"code": "rate_limit_exceeded"}}, 429, {"Retry-After": "1"})
BROKEN = Answered({"error": {"code": "server_error"}}, 500)
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
        job, answer = cloud.ask(archive, LAMPS, **LIMITS)
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


def test_evidence_of_one_enormous_chunk_is_read_in_pieces(cloud: Cloud, archive: str) -> None:
    lines = [f"The lamp of pier {number} is lit at hour {number % 24} by the keeper." for number in range(6_000)]
    text = "\n".join(lines)
    assert len(text) > 300_000
    job_id = unique("answer-enormous-")
    request = InformationRequest(archives=[archive], question=LAMPS)
    chunk = Chunk(
        chunk_id="material-pier-0",
        entry_id="material-pier",
        version="v1",
        ordinal=0,
        start=0,
        end=len(text),
        tokens=100_000,
        text=text,
        title="",
        source="pier",
    )
    with read_by(understanding(lambda asked, _: brief(asked))) as endpoint:
        configuration = AnsweringConfiguration.model_validate_json(aws.lake().read(layout.ANSWERING))
        small = configuration.models["small"].model_copy(update={"context_tokens": 8_000})
        models = configuration.models | {"small": small}
        write_part(job_id, CONFIGURATION, configuration.model_copy(update={"models": models}))
        aws.lake().write_model(layout.request(job_id), request)
        fused = FusedEvidence(
            evidence=[Evidence(chunk=chunk, scores=Scores(vector=0.9, fused=1.0))],
            nearest=[],
            reasons=[],
            tokens=100_000,
            coverage=Coverage(chunks_read=1),
        )
        write_part(job_id, FUSED, fused)
        jobs.create(job_id, JobKind.ANSWER_REQUEST, archive, "")
        planned = cloud.invoke("PlanAnswerFunction", {"job_id": job_id})
        assert planned.output == {"path": "compact"}, planned
        machine = cloud.outputs["CompactEvidenceMachine"]
        started = aws.client("stepfunctions").start_execution(
            stateMachineArn=machine, input=json.dumps({"job_id": job_id})
        )

        def ended() -> str | None:
            found = aws.client("stepfunctions").describe_execution(executionArn=started["executionArn"])
            return None if found["status"] == "RUNNING" else str(found["status"])

        assert wait_for(ended, "the compaction's end") == "SUCCEEDED"

    compacted = read_part(job_id, CLAIMS, CompactedClaims)
    assert compacted.groups >= 10
    assert (compacted.groups_failed, compacted.chunks_failed, compacted.degraded) == (0, 0, [])
    read = "\n".join(passage.strip() for each in reads(endpoint) for passage in each.passages.values())
    assert set(lines) == set(read.split("\n"))  # all of it, cut between lines
    for claim in compacted.claims:
        for quote in claim.quotes:
            assert " ".join(text[quote.start : quote.end].split()) == quote.text


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
