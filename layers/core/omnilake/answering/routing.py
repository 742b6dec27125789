"""The router's edge: vectors of examples, the model that chooses; what runs is decided in ``retrieval.routing``."""

from __future__ import annotations

import io
import time
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from omnilake import aws, embedding, layout
from omnilake.answering.degradation import REJECTED, THROTTLED, UNAVAILABLE
from omnilake.answering.parts import BUDGET, holds
from omnilake.compaction import capacity
from omnilake.configuration import AnsweringConfiguration, Route, Step
from omnilake.errors import GenerationRejected, ProviderRejected, RateLimited, TransientError
from omnilake.generation import Usage, model_name, prompts
from omnilake.generation.choosing import choose_route, route_tokens
from omnilake.generation.provider import asked_model
from omnilake.generation.recording import Calls
from omnilake.models import Degradation, EmbeddingSpace, InformationRequest, LedgerLine
from omnilake.retrieval import routing
from omnilake.retrieval.routing import Routing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


STATE = "Plan Retrieval"

DEFAULTS = "default_retrievers"
"""What is done where a model that was to choose a route can't."""


def route_request(
    job_id: str,
    request: InformationRequest,
    configuration: AnsweringConfiguration,
    deployed: Collection[str],
    space: EmbeddingSpace,
    vector: Sequence[float],
) -> Routing:
    """Decide which retrievers run; see ``retrieval.routing``.

    A model that can't choose now is not waited for, and one that the budget does not hold is not asked: the default
    retrievers run, and coverage says so.

    Args:
        job_id: of the request.
        request: checked.
        configuration: in force.
        deployed: names of the retrievers that the deployment has.
        space: of one of the archives: examples are compared in it.
        vector: of the question in that space.
    Raises:
        InvalidRequest, StageFailed: see ``choose_retrievers``.
        RateLimited: the provider that embeds the examples asks to wait.
    """

    def nearness() -> Mapping[str, float]:
        listed = routing.examples(configuration.routes)
        return routing.route_nearness(vector, [name for name, _ in listed], _vectors(space, tuple(listed)))

    name = model_name(Step.ROUTE, configuration, request.providers)
    if not name:
        return routing.choose_retrievers(request, configuration, deployed, nearness=nearness)
    router = _Router(job_id, request, configuration, name)
    routed = routing.choose_retrievers(request, configuration, deployed, nearness=nearness, ask=router.ask)
    return routed.model_copy(update={"degraded": router.degraded, "ledger": router.ledger})


class _Router:
    """The model of the step ``route``, what it used, and why it could not choose."""

    def __init__(
        self, job_id: str, request: InformationRequest, configuration: AnsweringConfiguration, name: str
    ) -> None:
        self._request = request
        self._model = capacity.model_of(name, configuration)
        self._template = prompts.template(Step.ROUTE, configuration)
        self._asked = asked_model(name, configuration, Calls.of(job_id, request))
        self.degraded: list[Degradation] = []
        self.ledger: list[LedgerLine] = []

    def ask(self, routes: Sequence[Route]) -> str:
        if not self._held(routes):
            self._failed(BUDGET)
            return ""
        began = time.monotonic()
        usage, chosen = Usage(), ""
        try:
            chosen, usage = choose_route(self._asked, self._template, self._request.question, routes)
        except GenerationRejected as error:
            usage = Usage.model_validate(error.details)
            self._failed(REJECTED)
        except ProviderRejected:
            self._failed(REJECTED)
        except RateLimited:
            self._failed(THROTTLED)
        except TransientError:
            self._failed(UNAVAILABLE)
        self.ledger.append(
            LedgerLine(
                state=STATE,
                provider=self._asked.name,
                model=self._asked.model,
                **usage.model_dump(),
                seconds=round(time.monotonic() - began, 3),
            )
        )
        return chosen

    def _held(self, routes: Sequence[Route]) -> bool:
        """Whether the request's budget holds the most that the call may read and write."""
        if self._request.max_cost is None and self._request.max_tokens is None:
            return True
        told = route_tokens(self._template, self._request.question, routes)
        written = self._asked.output_tokens
        return holds(self._request, self._model.token_usd(told, written), told + written)

    def _failed(self, reason: str) -> None:
        self.degraded.append(Degradation(step=Step.ROUTE, to=DEFAULTS, reason=reason))


@lru_cache(maxsize=4)
def _vectors(space: EmbeddingSpace, listed: tuple[tuple[str, str], ...]) -> Vectors:
    """Vectors of examples, float32, shape (examples, dimensions): of the lake, or made and kept there."""
    import numpy as np

    key = layout.route_examples(routing.examples_address(space.space_id, listed))
    stored = aws.lake().find(key)
    if stored is not None:
        kept: Vectors = np.load(io.BytesIO(stored), allow_pickle=False)
        return kept
    made = embedding.provider_for(space).embed_passages([text for _, text in listed])
    data = io.BytesIO()
    np.save(data, made, allow_pickle=False)
    aws.lake().write(key, data.getvalue())
    return made
