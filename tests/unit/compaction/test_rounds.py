"""Rounds of a compaction over a lake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from model_endpoint import Answered, Asked, Endpoint, completion, honest, serving, understanding

from omnilake import aws, jobs, layout, tokens
from omnilake.answering.budgeting import plan_answer
from omnilake.answering.composition import compose_answer
from omnilake.answering.degradation import MAX_WAITS
from omnilake.answering.fusion import fused_evidence
from omnilake.answering.parts import (
    ANSWER_PLAN,
    COMPOSED,
    CONFIGURATION,
    FUSED,
    AnswerPath,
    AnswerPlan,
    ComposedClaims,
    FusedEvidence,
    read_part,
    write_part,
)
from omnilake.compaction import capacity
from omnilake.compaction.nodes import CompactedClaims, CompactionNode, RoundPlan
from omnilake.compaction.stages import CLAIMS, plan_round, summarise_group
from omnilake.configuration import AnsweringConfiguration, ModelConfig, Step, product
from omnilake.errors import RateLimited, ReplayIncomplete, StageFailed, TransientError
from omnilake.models import Archive, Coverage, Degradation, RetrieverResult
from tests.unit.answering.any_answer import JOB, any_evidence, any_request

CONTEXT = 256
FORGETFUL = {"memo_days": 0}


@pytest.fixture
def fused(archive: Archive) -> FusedEvidence:
    """Evidence of three documents that far exceeds one context, and the plan of its answer."""
    any_request("How long does a lease last?", max_claims=5)
    usual = product("extractive")
    small = usual.models["extractive"].model_copy(update={"context_tokens": CONTEXT, "concurrency": 4})
    write_part(JOB, CONFIGURATION, usual.model_copy(update={"models": {"extractive": small}}))
    evidence = [
        each
        for name in ("north", "south", "west")
        for each in any_evidence(
            [
                f"A lease lasts long, {number + 2} seconds in the {name}. Its bread is baked hot."
                for number in range(100)
            ],
            entry_id=name,
        )
    ]
    found = fused_evidence(
        [RetrieverResult(retriever="vector", evidence=evidence)],
        limit=500,
        question="any",
        min_support=0.0,
    )
    write_part(JOB, FUSED, found)
    assert plan_answer(JOB).path is AnswerPath.COMPACT
    return found


def _run(lost: frozenset[tuple[int, int]] = frozenset()) -> CompactedClaims:
    """What the state machine does; groups in ``lost`` fail."""
    for number in range(1, 12):
        planned = plan_round(JOB, number)
        if planned.done:
            return read_part(JOB, CLAIMS, CompactedClaims)
        for group in range(1, planned.groups + 1):
            if (number, group) not in lost:
                summarise_group(JOB, number, group)
    raise AssertionError("the rounds do not end")


def test_rounds_end_with_claims_that_fit_one_context_and_keep_their_quotes(fused: FusedEvidence) -> None:
    compacted = _run()
    texts = {each.chunk.chunk_id: each.chunk for each in fused.evidence}
    assert compacted.claims
    assert compacted.groups_failed == compacted.chunks_failed == 0
    for claim in compacted.claims:
        for quote in claim.quotes:
            chunk = texts[quote.chunk_id]
            assert chunk.text[quote.start - chunk.start : quote.end - chunk.start] == quote.text


def test_the_first_round_reads_every_chunk_once_in_reading_order(fused: FusedEvidence) -> None:
    plan_round(JOB, 1)
    groups = read_part(JOB, "compaction/1/plan", RoundPlan).groups
    indices = [item.index for group in groups for item in group.items]
    assert sorted(indices) == list(range(len(fused.evidence)))
    read = [(fused.evidence[index].chunk.entry_id, fused.evidence[index].chunk.start) for index in indices]
    changes = sum(one[0] != other[0] for one, other in pairwise(read))
    assert changes == len({entry for entry, _ in read}) - 1
    assert all(one[1] < other[1] for one, other in pairwise(read) if one[0] == other[0])


def test_planning_and_summarising_again_change_nothing(fused: FusedEvidence) -> None:
    plan_round(JOB, 1)
    summarise_group(JOB, 1, 1)
    key = layout.compaction_node(JOB, 1, 1)
    plan, node = (
        aws.lake().read(layout.answer_part(JOB, "compaction/1/plan")),
        aws.lake().read_model(key, CompactionNode),
    )
    plan_round(JOB, 1)
    summarise_group(JOB, 1, 1)
    again = aws.lake().read_model(key, CompactionNode)
    assert aws.lake().read(layout.answer_part(JOB, "compaction/1/plan")) == plan
    assert again.model_copy(update={"ledger": node.ledger, "remembered": False}) == node


def test_a_nodes_address_changes_with_all_it_depends_on(fused: FusedEvidence) -> None:
    plan_round(JOB, 1)

    def key() -> str:
        summarise_group(JOB, 1, 1)
        return aws.lake().read_model(layout.compaction_node(JOB, 1, 1), CompactionNode).key

    first = key()
    aws.lake().write_model(layout.request(JOB), any_request("How long does a lease last?", goal="a table"))
    assert key() != first


def test_a_failed_group_is_counted_and_the_others_carry_on(fused: FusedEvidence) -> None:
    compacted = _run(frozenset({(1, 2)}))
    unread = len(read_part(JOB, "compaction/1/plan", RoundPlan).groups[1].items)
    assert compacted.groups_failed == 1
    assert compacted.chunks_failed == unread > 0
    compose_answer(JOB)
    coverage = read_part(JOB, COMPOSED, ComposedClaims).coverage
    assert coverage.groups_failed == 1
    assert coverage.chunks_read == len(fused.evidence) - unread
    assert coverage.chunks_dropped == {"group_failed": unread}


def test_a_group_lost_in_a_later_round_counts_all_chunks_below_it(fused: FusedEvidence) -> None:
    compacted = _run(frozenset({(2, 1)}))
    below = read_part(JOB, "compaction/2/plan", RoundPlan).groups[0].items
    first = read_part(JOB, "compaction/1/plan", RoundPlan).groups
    assert compacted.chunks_failed == sum(len(first[item.index - 1].items) for item in below)


def test_all_groups_failing_fails_the_compaction(fused: FusedEvidence) -> None:
    plan_round(JOB, 1)
    with pytest.raises(StageFailed, match="Every group"):
        plan_round(JOB, 2)


def test_a_group_that_was_never_planned_is_refused(fused: FusedEvidence) -> None:
    plan_round(JOB, 1)
    with pytest.raises(StageFailed, match="no group 99"):
        summarise_group(JOB, 1, 99)


def test_the_answers_ledger_has_a_line_for_every_group(fused: FusedEvidence) -> None:
    compacted = _run()
    compose_answer(JOB)
    ledger = read_part(JOB, COMPOSED, ComposedClaims).ledger
    assert len(ledger) == compacted.groups + 1
    assert jobs.get(JOB).progress["round"] == compacted.rounds


# --- models that read groups ----------------------------------------------------------------------------------------

AGAIN = "answer-docs-again"


@contextmanager
def read_by(answer_of: Callable[[Asked, int], object], job_id: str = JOB, **request: object) -> Iterator[Endpoint]:
    """The job's groups are read by a model at an endpoint, and its first round is planned."""
    with serving(understanding(answer_of)) as endpoint:
        any_request("How long does a lease last?", job_id, **request)
        told = ModelConfig(
            provider="openai",
            model="any-model",
            endpoint=f"{endpoint.url}/v1",
            input_usd=1.0,
            context_tokens=1_500,
            output_tokens=400,
        )
        configuration = AnsweringConfiguration(
            models={"model": told, "extractive": ModelConfig(provider="extractive", context_tokens=1_500)},
            steps={Step.MAP: "model", Step.COMPOSE: "extractive"},
            memo_days=0,
        )
        write_part(job_id, CONFIGURATION, configuration)
        evidence = any_evidence([f"A lease lasts {number} seconds." for number in range(400)], title="Leases")
        write_part(
            job_id,
            FUSED,
            FusedEvidence(
                evidence=evidence, nearest=[], reasons=[], tokens=0, coverage=Coverage(chunks_read=len(evidence))
            ),
        )
        assert plan_answer(job_id).path is AnswerPath.COMPACT
        plan_round(job_id, 1)
        yield endpoint


def node_of(job_id: str = JOB) -> CompactionNode:
    return aws.lake().read_model(layout.compaction_node(job_id, 1, 1), CompactionNode)


THROTTLED = Answered({"error": {"code": "rate_limit_exceeded"}}, 429, {"Retry-After": "1"})


def test_a_group_waits_as_often_as_any_step_and_is_then_read_by_the_free_provider(archive: Archive) -> None:
    with read_by(lambda *_: THROTTLED):
        with pytest.raises(RateLimited):
            summarise_group(JOB, 1, 1, waits=MAX_WAITS - 1)
        assert summarise_group(JOB, 1, 1, waits=MAX_WAITS).claims > 0
    assert node_of().degraded == [Degradation(step="map", to="extractive", reason="throttled")]
    assert [line.provider for line in node_of().ledger] == ["extractive"]


def test_claims_that_no_merge_has_room_for_are_counted(fused: FusedEvidence, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_round(JOB, 1)
    summarise_group(JOB, 1, 1)
    found = len(node_of().claims)
    assert found > 1
    monkeypatch.setattr(capacity, "within", lambda claims, *_: claims[:1])
    write_part(JOB, CONFIGURATION, read_part(JOB, CONFIGURATION, AnsweringConfiguration).model_copy(update=FORGETFUL))
    summarise_group(JOB, 1, 1)
    assert (len(node_of().claims), node_of().rejected) == (1, {"over_limit": found - 1})


def test_what_a_rejected_answer_cost_stays_in_the_ledger(archive: Archive) -> None:
    with read_by(lambda *_: completion("no JSON")):
        summarise_group(JOB, 1, 1)
    assert node_of().degraded == [Degradation(step="map", to="extractive", reason="rejected")]
    assert [(line.model, line.calls, line.input_tokens) for line in node_of().ledger[:1]] == [("any-model", 2, 200)]
    assert node_of().ledger[0].cost_usd == pytest.approx(200 / 1e6)


def test_a_provider_that_refuses_the_call_leaves_the_group_to_the_free_one(archive: Archive) -> None:
    with read_by(lambda *_: Answered({"error": {"code": "invalid_api_key"}}, 401)):
        summarise_group(JOB, 1, 1)
    assert node_of().degraded == [Degradation(step="map", to="extractive", reason="rejected")]
    with read_by(lambda *_: completion("never"), AGAIN, replay_of=JOB) as endpoint:
        write_part(AGAIN, CONFIGURATION, read_part(JOB, CONFIGURATION, AnsweringConfiguration))
        summarise_group(AGAIN, 1, 1)
    assert endpoint.requests == []
    assert node_of(AGAIN).degraded == node_of().degraded


def test_a_model_that_does_not_answer_fails_the_group_for_the_machine_to_try_again(archive: Archive) -> None:
    with read_by(lambda *_: Answered({"error": {}}, 503)), pytest.raises(TransientError):
        summarise_group(JOB, 1, 1)


@pytest.mark.parametrize(("answered", "waits"), [(None, 0), (THROTTLED, MAX_WAITS)])
def test_a_replayed_group_is_what_it_was_and_calls_nobody(
    archive: Archive, answered: Answered | None, waits: int
) -> None:
    with read_by(lambda asked, _: answered or honest(asked)):
        summarise_group(JOB, 1, 1, waits=waits)
    with read_by(lambda *_: completion("never"), AGAIN, replay_of=JOB) as endpoint:
        # The recorded calls are those of the endpoint that was configured then.
        write_part(AGAIN, CONFIGURATION, read_part(JOB, CONFIGURATION, AnsweringConfiguration))
        summarise_group(AGAIN, 1, 1)
    first, again = node_of(), node_of(AGAIN)
    assert bool(first.degraded) == bool(answered)
    assert endpoint.requests == []
    assert again.model_copy(update={"ledger": first.ledger}) == first
    assert sum(line.cost_usd for line in again.ledger) == 0


def test_a_group_that_failed_then_fails_in_the_replay(archive: Archive) -> None:
    with read_by(lambda asked, _: honest(asked)):
        pass
    with (
        read_by(lambda *_: completion("never"), AGAIN, replay_of=JOB),
        pytest.raises(ReplayIncomplete, match="Group 1"),
    ):
        summarise_group(AGAIN, 1, 1)


def test_the_budget_holds_what_models_are_really_told(archive: Archive) -> None:
    with read_by(lambda asked, _: honest(asked)) as endpoint:
        planned = read_part(JOB, ANSWER_PLAN, AnswerPlan).budget
        _run()
    told = [Asked.of(request) for request in endpoint.requests]
    assert len(told) > 10
    assert len(told) <= planned.calls
    assert sum(tokens.count(each.system) + tokens.count(each.user) for each in told) <= planned.input_tokens
    assert max(tokens.count(each.system) + tokens.count(each.user) for each in told) + 400 <= 1_500
