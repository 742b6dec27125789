"""What an answer takes, and what is degraded when the budget does not hold it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake.answering.budgeting import planned_answer
from omnilake.answering.parts import AnswerPath, AnswerPlan, left_of
from omnilake.configuration import AnsweringConfiguration, ModelConfig, Step, product
from omnilake.models import Degradation, InformationRequest, LedgerLine
from tests.unit.answering.any_answer import any_evidence

SMALL = ModelConfig(provider="bedrock", model="small", input_usd=1, output_usd=4, context_tokens=8_000, concurrency=10)
LARGE = ModelConfig(
    provider="bedrock",
    model="large",
    input_usd=10,
    output_usd=40,
    context_tokens=8_000,
    concurrency=10,
    cheaper="small",
)
EVIDENCE = [each for name in range(40) for each in any_evidence(["A lease lasts."] * 5, entry_id=f"e{name}")]
PAID = AnsweringConfiguration(models={"small": SMALL, "large": LARGE}, steps={Step.MAP: "large", Step.COMPOSE: "large"})


def _plan(
    configuration: AnsweringConfiguration = PAID, tokens: int = 200, chunks: int = 200, **request: Any
) -> AnswerPlan:
    asked = InformationRequest(archives=["docs"], question="How long does a lease last?", **request)
    return planned_answer(EVIDENCE[:chunks], [tokens] * chunks, asked, configuration, 1_000)


def test_what_one_context_holds_is_composed_at_once() -> None:
    plan = _plan(chunks=5)
    assert (plan.path, plan.budget.calls, plan.budget.groups) == (AnswerPath.COMPOSE, 1, 0)


def test_more_is_compacted_with_a_call_for_each_group() -> None:
    plan = _plan()
    assert plan.path is AnswerPath.COMPACT
    assert plan.budget.calls >= plan.budget.groups + 1 > 2
    assert plan.budget.input_tokens > 200 * 200
    assert plan.budget.cost_usd > 0
    assert plan.degraded == []


def test_the_map_takes_a_cheaper_model_first() -> None:
    plan = _plan(max_cost=0.5 * _plan().budget.cost_usd)
    assert plan.degraded == [Degradation(step="map", to="small", reason="budget")]
    assert plan.chunks == 200


def test_then_the_best_chunks_are_a_sample() -> None:
    plan = _plan(max_cost=0.9 * _plan(providers={"map": "small"}).budget.cost_usd)
    assert any(each.to == "sampled" for each in plan.degraded)
    assert 0 < plan.chunks < 200


def test_a_budget_of_zero_leaves_what_is_free() -> None:
    for budget in ({"max_cost": 0.0}, {"max_tokens": 0}):
        plan = _plan(**budget)
        assert set(plan.steps.values()) == {"extractive"}
        assert plan.budget.cost_usd == 0
        assert Degradation(step="compose", to="extractive", reason="budget") in plan.degraded


def test_a_budget_that_holds_nothing_answers_nothing_and_says_why() -> None:
    priced = ModelConfig(provider="extractive", input_usd=1)
    plan = _plan(PAID.model_copy(update={"models": {**PAID.models, "extractive": priced}}), max_cost=0.0)
    assert (plan.path, plan.chunks) == (AnswerPath.PUBLISH, 0)
    assert "budget" in plan.reasons[0]


def test_the_free_provider_is_held_back_by_no_budget() -> None:
    assert _plan(product("extractive"), max_cost=0.0, max_tokens=0).degraded == []


def test_prompts_and_quotes_call_no_model() -> None:
    assert _plan(deliver="prompt").path is _plan(deliver="quote").path is AnswerPath.PUBLISH


def test_what_was_spent_before_is_taken_off_the_budget() -> None:
    asked = InformationRequest(archives=["docs"], question="?", max_cost=0.01, max_tokens=100)
    spent = [LedgerLine(state="any", provider="any", model="any", input_tokens=30, output_tokens=10, cost_usd=0.004)]
    assert (left_of(asked, spent).max_cost, left_of(asked, spent).max_tokens) == (pytest.approx(0.006), 60)
    assert (left_of(asked, spent * 3).max_cost, left_of(asked, spent * 3).max_tokens) == (0, 0)
    unlimited = asked.model_copy(update={"max_cost": None, "max_tokens": None})
    assert left_of(unlimited, spent) == unlimited


@settings(max_examples=25)
@given(st.floats(0, 2), st.integers(1, 200), st.integers(1, 9_000))
def test_no_plan_exceeds_its_budget(cost: float, chunks: int, tokens: int) -> None:
    plan = _plan(chunks=chunks, tokens=tokens, max_cost=cost)
    assert plan.budget.cost_usd <= cost
    assert plan == _plan(chunks=chunks, tokens=tokens, max_cost=cost)
