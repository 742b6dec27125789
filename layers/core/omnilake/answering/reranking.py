"""Reranking as a part of Fuse Evidence: with a model's scores, recorded; or without them, which the coverage says."""

from __future__ import annotations

import time
from collections.abc import Sequence

from omnilake.answering.degradation import REJECTED, THROTTLED, UNAVAILABLE
from omnilake.answering.parts import BUDGET
from omnilake.configuration import AnsweringConfiguration, ModelConfig, Step
from omnilake.errors import ProviderRejected, RateLimited, TransientError
from omnilake.generation import model_name
from omnilake.generation.recording import Calls, Record
from omnilake.models import Degradation, Evidence, InformationRequest, LedgerLine
from omnilake.retrieval.reranking import Reranker, address, reordered, reranker_for, texts_of

STATE = "Fuse Evidence"
FUSED_ORDER = "fused order"


class Reranking:
    """One request's reranking.

    A provider that does not answer, refuses, or is throttled costs the order that it would have made, not the answer.
    Nothing is waited for: by the time that a quota is there again the answer can be written from the fused order.

    Args:
        reranker: the model.
        model: its configuration.
        calls: of the job: a state that runs again pays for none twice.
        question: of the request.
        max_cost: what is left of the request's, US dollars.

    Attributes:
        degraded: how it went on without the model, if it did.
        ledger: what the model was paid for.
        versions: which model it was, once it was asked.
    """

    def __init__(
        self, reranker: Reranker, model: ModelConfig, calls: Calls, question: str, max_cost: float | None = None
    ) -> None:
        self._reranker = reranker
        self._model = model
        self._calls = calls
        self._question = question
        self._max_cost = max_cost
        self.degraded: list[Degradation] = []
        self.ledger: list[LedgerLine] = []
        self.versions: dict[str, str] = {}

    def rerank(self, evidence: list[Evidence]) -> list[Evidence]:
        """A ranking in the model's order; as it is, when the model can't be asked.

        Raises:
            ReplayIncomplete: the job that is replayed has no record of the call.
        """
        if self._max_cost is not None and self._model.call_usd > self._max_cost:
            return self._without(evidence, BUDGET)
        self.versions = {"model.rerank": f"{self._reranker.name}/{self._reranker.model}"}
        try:
            return reordered(evidence, self._scores(texts_of(evidence)))
        except RateLimited:
            return self._without(evidence, THROTTLED)
        except TransientError:
            return self._without(evidence, UNAVAILABLE)
        except ProviderRejected:
            return self._without(evidence, REJECTED)

    def _scores(self, texts: Sequence[str]) -> list[float]:
        own = address(self._reranker, self._question, texts)
        began = time.monotonic()
        record = self._calls.known(own)
        if record is None:
            scores = self._reranker.scores(self._question, texts)
            record = Record(provider=self._reranker.name, model=self._reranker.model, value=scores)
            self._calls.keep(own, record)
        if not record.replayed:
            line = LedgerLine(
                state=STATE,
                provider=self._reranker.name,
                model=self._reranker.model,
                calls=1,
                cost_usd=self._model.call_usd,
                seconds=round(time.monotonic() - began, 3),
            )
            self.ledger.append(line)
        return [float(score) for score in record.value]

    def _without(self, evidence: list[Evidence], reason: str) -> list[Evidence]:
        self.degraded.append(Degradation(step=Step.RERANK, to=FUSED_ORDER, reason=reason))
        return evidence


def reranking_of(job_id: str, request: InformationRequest, configuration: AnsweringConfiguration) -> Reranking | None:
    """The reranking of a request, None when neither it nor the configuration names a model for it.

    Raises:
        InvalidRequest: the model that is named can't rerank.
    """
    name = model_name(Step.RERANK, configuration, request.providers)
    if not name:
        return None
    model = configuration.models[name]
    return Reranking(reranker_for(model), model, Calls.of(job_id, request), request.question, request.max_cost)
