"""Reranking in Fuse Evidence: in the model's order, or as it was and told so."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from omnilake.answering.fusion import fused_evidence
from omnilake.answering.reranking import Reranking, reranking_of
from omnilake.configuration import AnsweringConfiguration, ModelConfig, Step, product
from omnilake.errors import (
    InvalidRequest,
    OmniLakeError,
    ProviderRejected,
    RateLimited,
    ReplayIncomplete,
    TransientError,
)
from omnilake.generation import model_name
from omnilake.generation.recording import Calls
from omnilake.models import InformationRequest, ProviderChoices, RetrieverResult
from tests.unit.answering.any_answer import JOB, any_evidence

QUESTION = "When does the sea lock close?"
TEXTS = ["The sea lock opens at six.", "The sea lock closes at nine.", "The sea lock is old."]
MODEL = ModelConfig(provider="cohere", model="rerank-v3.5", call_usd=0.002)


class Backwards:
    """A reranker that likes the last best."""

    name, model = "cohere", "rerank-v3.5"

    def __init__(self, error: OmniLakeError | None = None) -> None:
        self.asked = 0
        self._error = error

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        self.asked += 1
        if self._error:
            raise self._error
        return [float(place) for place in range(len(texts))]


def _fused(reranking: Reranking) -> list[str]:
    found = fused_evidence(
        [RetrieverResult(retriever="vector", evidence=any_evidence(TEXTS))],
        question=QUESTION,
        limit=2,
        min_support=0.0,
        reranking=reranking,
    )
    assert (found.ledger, found.versions) == (reranking.ledger, reranking.versions)
    assert found.coverage.degraded == reranking.degraded
    return [each.chunk.text for each in found.evidence]


def _reranking(reranker: Backwards, replay_of: str = "", max_cost: float | None = None) -> Reranking:
    return Reranking(reranker, MODEL, Calls(JOB, replay_of), QUESTION, max_cost)


def test_the_model_decides_what_is_read(stack: None) -> None:
    reranking = _reranking(Backwards())
    assert _fused(reranking) == [TEXTS[2], TEXTS[1]]
    assert reranking.versions == {"model.rerank": "cohere/rerank-v3.5"}
    [line] = reranking.ledger
    assert (line.calls, line.cost_usd) == (1, 0.002)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RateLimited.after(3, "any"), "throttled"),
        (TransientError("any"), "unavailable"),
        (ProviderRejected("any"), "rejected"),
    ],
)
def test_a_model_that_fails_costs_its_order_and_the_coverage_says_so(
    stack: None, error: OmniLakeError, reason: str
) -> None:
    reranking = _reranking(Backwards(error))
    assert _fused(reranking) == TEXTS[:2]
    assert [(each.step, each.to, each.reason) for each in reranking.degraded] == [("rerank", "fused order", reason)]
    assert reranking.ledger == []


def test_a_budget_that_does_not_hold_the_call_goes_without(stack: None) -> None:
    reranker = Backwards()
    reranking = _reranking(reranker, max_cost=0.001)
    assert _fused(reranking) == TEXTS[:2]
    assert [each.reason for each in reranking.degraded] == ["budget"]
    assert reranker.asked == 0


def test_a_state_that_runs_again_asks_no_more(stack: None) -> None:
    reranker = Backwards()
    once, again = _fused(_reranking(reranker)), _fused(_reranking(reranker))
    assert once == again
    assert reranker.asked == 1


def test_a_replay_takes_the_scores_that_were_recorded_and_pays_nothing(stack: None) -> None:
    _fused(_reranking(Backwards()))
    reranker = Backwards()
    reranking = Reranking(reranker, MODEL, Calls("another-job", JOB), QUESTION)
    assert _fused(reranking) == [TEXTS[2], TEXTS[1]]
    assert (reranker.asked, reranking.ledger) == (0, [])


def test_a_replay_without_the_record_says_so(stack: None) -> None:
    with pytest.raises(ReplayIncomplete):
        _fused(Reranking(Backwards(), MODEL, Calls("another-job", JOB), QUESTION))


def _configured(**steps: str) -> AnsweringConfiguration:
    configuration = product("extractive")
    told = configuration.model_dump()
    told["models"]["rerank"] = MODEL.model_dump()
    told["steps"] |= steps
    return AnsweringConfiguration.model_validate(told)


def test_it_runs_where_configuration_or_request_names_a_model() -> None:
    plain = InformationRequest(archives=["docs"], question=QUESTION)
    chosen = plain.model_copy(update={"providers": ProviderChoices(rerank="rerank")})
    assert reranking_of(JOB, plain, _configured()) is None
    assert reranking_of(JOB, plain, _configured(rerank="rerank")) is not None
    assert reranking_of(JOB, chosen, _configured()) is not None
    wrong = plain.model_copy(update={"providers": ProviderChoices(rerank="extractive")})
    with pytest.raises(InvalidRequest):
        reranking_of(JOB, wrong, _configured())


def test_a_rerank_model_writes_nothing() -> None:
    with pytest.raises(InvalidRequest):
        model_name(Step.COMPOSE, _configured(), ProviderChoices(compose="rerank"))


@pytest.mark.parametrize("steps", [{Step.RERANK: "extractive"}, {Step.COMPOSE: "rerank"}])
def test_a_configuration_names_for_each_step_a_model_that_can_do_it(steps: dict[Step, str]) -> None:
    with pytest.raises(ValueError, match="can't"):
        _configured(**{step.value: name for step, name in steps.items()})
