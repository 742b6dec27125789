"""Plan Answer: what the answer will take, before any model is called for it; and what is done when that is too much.

Reckoned are the calls that the plan of the compaction has, each with the most tokens that it may read and write, so
that a budget which holds the reckoning also holds the answer. What was spent before (on a model that chose the route,
or one that put the evidence in order) is taken off the budget first. Budgets limit generative models: the extractive
provider runs in the function, costs nothing (but for an embedder that is paid), and is what remains when the budget
holds nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from omnilake import jobs
from omnilake.answering import replay
from omnilake.answering.parts import (
    ANSWER_PLAN,
    BUDGET,
    FUSED,
    PLAN,
    AnswerPath,
    AnswerPlan,
    FusedEvidence,
    find_part,
    holds,
    left_of,
    read_configuration,
    read_part,
    read_request,
    write_part,
)
from omnilake.compaction import capacity
from omnilake.compaction.planning import document_order, plan_groups, plan_merge
from omnilake.configuration import AnsweringConfiguration, ModelConfig, Step
from omnilake.generation import model_name
from omnilake.generation.provider import EXTRACTIVE
from omnilake.models import Budget, Degradation, Deliverable, Evidence, InformationRequest, JobKind, Model
from omnilake.retrieval import RetrievalPlan
from omnilake.settings import settings

FEWEST_CHUNKS = 4
"""Chunks below which a sample is no evidence: the answer stops instead."""

MAX_INLINE_PARALLEL = 40
"""Groups of an inline Map that run at a time."""

MAX_INLINE_GROUPS = 400
"""Groups of an inline Map: an execution has 25,000 events, and a group that waits and is retried may make 50."""

DISTRIBUTED_MAP_S = 7.0
"""What a Distributed Map takes to start and end, measured on AWS."""

JUDGE_OUTPUT_TOKENS = 1_000
"""Most tokens of a judge's verdicts."""

OVER_BUDGET = "The budget holds no model that could answer."


class PlanAnswerResult(Model):
    """Where the workflow goes on."""

    path: AnswerPath


class Sizes(NamedTuple):
    """What a plan needs to know of evidence, best first."""

    tokens: Sequence[int]
    surrounding: Sequence[int]  # tokens of what a prompt says of each chunk besides its text
    documents: Sequence[str]
    starts: Sequence[int]

    @classmethod
    def of(cls, evidence: Sequence[Evidence], counted: Sequence[int]) -> Sizes:
        """Sizes of evidence whose texts have so many tokens; what surrounds them as generative models are told it."""
        told = ModelConfig(provider="bedrock")
        return cls(
            tokens=counted,
            surrounding=[capacity.surrounding_tokens(each, told) for each in evidence],
            documents=[each.chunk.entry_id for each in evidence],
            starts=[each.chunk.start for each in evidence],
        )


class Choice(NamedTuple):
    """Names of models, and how many of the best chunks are read."""

    map: str
    compose: str
    judge: str
    chunks: int


class Reckoning(NamedTuple):
    """What a choice would take. ``billed_tokens``: read and written by generative models."""

    path: AnswerPath
    budget: Budget
    billed_tokens: int


Holds = Callable[[Choice], bool]
"""Whether a budget holds a choice."""


class _Call(NamedTuple):
    model: ModelConfig
    input_tokens: int
    output_tokens: int

    @property
    def cost_usd(self) -> float:
        return self.model.token_usd(self.input_tokens, self.output_tokens)

    @property
    def seconds(self) -> float:
        return self.model.first_token_s + self.output_tokens / self.model.output_tokens_per_s


def plan_answer(job_id: str) -> PlanAnswerResult:
    """Reckon what the answer takes, degrade what the budget does not hold, and write ``AnswerPlan``.

    Raises:
        InvalidRequest: the request names a model that the configuration does not have.
    """
    jobs.enter(job_id, JobKind.ANSWER_REQUEST, "Plan Answer")
    request = read_request(job_id)
    plan = find_part(request.replay_of, ANSWER_PLAN, AnswerPlan) if request.replay_of else None
    if plan is None:
        fused = read_part(job_id, FUSED, FusedEvidence)
        counted = capacity.chunk_tokens(fused.evidence)
        retrieval = None if replay.takes_evidence(request) else find_part(job_id, PLAN, RetrievalPlan)
        left = left_of(request, [*retrieval.ledger, *fused.ledger] if retrieval else [])
        plan = planned_answer(fused.evidence, counted, left, read_configuration(job_id), settings().map_concurrency)
    write_part(job_id, ANSWER_PLAN, plan)
    return PlanAnswerResult(path=plan.path)


def planned_answer(
    evidence: Sequence[Evidence],
    counted: Sequence[int],
    request: InformationRequest,
    configuration: AnsweringConfiguration,
    most_parallel: int,
) -> AnswerPlan:
    """The plan of an answer.

    What the request's budget does not hold is degraded in this order: the map's model to its cheaper ones; a sample of
    the best chunks; the composing model to its cheaper ones, with as many chunks as the budget then holds; the
    extractive provider alone; no answer.

    Args:
        evidence: best first.
        counted: cl100k tokens of each chunk's text.
        most_parallel: groups that this deployment reads at a time, whatever a model's quota allows.
    """
    sizes, told = Sizes.of(evidence, counted), capacity.Told(request, configuration)
    asked = Choice(
        map=model_name(Step.MAP, configuration, request.providers),
        compose=model_name(Step.COMPOSE, configuration, request.providers),
        judge=model_name(Step.JUDGE, configuration, request.providers),
        chunks=len(evidence),
    )

    def reckoned(choice: Choice) -> Reckoning:
        return reckon(sizes, told, choice, configuration, most_parallel)

    first = reckoned(asked)
    if request.deliver in {Deliverable.PROMPT, Deliverable.EVIDENCE}:
        return _plan(asked, asked, first, first, configuration, most_parallel, counted, path=AnswerPath.PUBLISH)
    for choice in _choices(asked, configuration, lambda choice: _held(reckoned(choice), request)):
        found = reckoned(choice)
        if _held(found, request):
            path = AnswerPath.PUBLISH if request.deliver is Deliverable.QUOTE else found.path
            return _plan(asked, choice, first, found, configuration, most_parallel, counted, path=path)
    nothing = Budget(calls=0, input_tokens=0, output_tokens=0, cost_usd=0.0, seconds=0.0, chunks=0, groups=0)
    return AnswerPlan(
        path=AnswerPath.PUBLISH,
        steps={},
        chunks=0,
        tokens=list(counted),
        concurrency=1,
        asked=first.budget,
        budget=nothing,
        degraded=[Degradation(step=Step.COMPOSE, to="stopped", reason=BUDGET)],
        reasons=[
            f"{OVER_BUDGET} As asked, the answer takes up to ${first.budget.cost_usd:.4f} and "
            f"{first.billed_tokens} tokens."
        ],
    )


def reckon(
    sizes: Sizes, told: capacity.Told, choice: Choice, configuration: AnsweringConfiguration, most_parallel: int
) -> Reckoning:
    """Calls, tokens, money and seconds of a choice, at most: as the compaction would plan it.

    Args:
        sizes: of all evidence; the first ``choice.chunks`` of it are read.
        told: what every call reads besides.
    """
    compose, reader = capacity.model_of(choice.compose, configuration), capacity.model_of(choice.map, configuration)
    read_last = told.tokens(Step.COMPOSE, compose)
    room = capacity.evidence_capacity(compose, read_last)
    calls: list[_Call] = []
    seconds, groups = 0.0, 0
    left = sum(_read(sizes, choice.chunks, compose))
    path = AnswerPath.COMPOSE if left <= room else AnswerPath.COMPACT
    if path is AnswerPath.COMPACT:
        parallel = min(reader.concurrency, most_parallel)
        read_each = told.tokens(Step.MAP, reader)
        own_room = capacity.evidence_capacity(reader, read_each)
        planned = _groups(sizes, choice.chunks, reader, read_each, parallel)
        written = capacity.output_tokens(reader)
        while True:
            made = [_Call(reader, tokens + read_each, written) for tokens in planned]
            calls += made
            groups += len(made)
            seconds += math.ceil(len(made) / parallel) * made[0].seconds
            seconds += 0.0 if inline(len(made), parallel) else DISTRIBUTED_MAP_S
            limits = capacity.group_limits(len(made), own_room, reader, room, compose)
            carried = capacity.node_tokens(limits, reader)
            left = carried * len(made)
            if left <= room or len(made) == 1:
                break
            merged = plan_merge([carried] * len(made), context_tokens=own_room)
            planned = [group.tokens for group in merged]
    final = _Call(compose, min(left, room) + read_last, min(compose.output_tokens, _answer(compose)))
    calls.append(final)
    seconds += final.seconds
    if choice.judge:
        judge = capacity.model_of(choice.judge, configuration)
        verdicts = min(capacity.output_tokens(judge), JUDGE_OUTPUT_TOKENS)
        judged = 2 * capacity.MAX_ANSWER_TOKENS + capacity.label_tokens(told.max_claims, judge)
        calls.append(_Call(judge, judged + told.tokens(Step.JUDGE, judge), verdicts))
        seconds += calls[-1].seconds
    billed = [call for call in calls if not capacity.is_free(call.model)]
    return Reckoning(
        path=path,
        budget=Budget(
            calls=len(calls),
            input_tokens=sum(call.input_tokens for call in calls),
            output_tokens=sum(call.output_tokens for call in calls),
            cost_usd=sum(call.cost_usd for call in calls),
            seconds=round(seconds, 1),
            chunks=choice.chunks,
            groups=groups,
        ),
        billed_tokens=sum(call.input_tokens + call.output_tokens for call in billed),
    )


def inline(groups: int, parallel: int) -> bool:
    """Whether a round of so many groups is an inline Map; a Distributed Map has room for more."""
    return groups <= MAX_INLINE_GROUPS and min(groups, parallel) <= MAX_INLINE_PARALLEL


def _answer(model: ModelConfig) -> int:
    return capacity.MAX_ANSWER_TOKENS if capacity.is_free(model) else capacity.output_tokens(model)


def _read(sizes: Sizes, chunks: int, model: ModelConfig) -> list[int]:
    """Tokens that each of the best chunks is in a prompt of the model."""
    if capacity.is_free(model):
        return list(sizes.tokens[:chunks])
    return [one + other for one, other in zip(sizes.tokens[:chunks], sizes.surrounding[:chunks], strict=True)]


def _groups(sizes: Sizes, chunks: int, model: ModelConfig, told: int, parallel: int) -> list[int]:
    """Tokens of each group of the first round."""
    room = capacity.evidence_capacity(model, told)
    order = sorted(
        range(chunks), key=lambda index: (document_order(sizes.documents[index]), sizes.starts[index], index)
    )
    read = _read(sizes, chunks, model)
    pieces = [(size, sizes.documents[index]) for index in order for size in _pieces(read[index], room)]
    groups = plan_groups(
        [size for size, _ in pieces],
        [document for _, document in pieces],
        context_tokens=room,
        concurrency=parallel,
        call_tokens=told,
    )
    return [group.tokens for group in groups]


def _pieces(tokens: int, room: int) -> list[int]:
    """Sizes of the pieces that a chunk is read in."""
    count = max(math.ceil(tokens / room), 1)
    return [math.ceil(tokens / count)] * count


def _held(found: Reckoning, request: InformationRequest) -> bool:
    return holds(request, found.budget.cost_usd, found.billed_tokens)


def _choices(asked: Choice, configuration: AnsweringConfiguration, held: Holds) -> Iterator[Choice]:
    """What to try, in the declared order."""
    cheapest = asked
    yield asked
    for name in _cheaper(asked.map, configuration):
        cheapest = asked._replace(map=name)
        yield cheapest
    for name in (asked.compose, *_cheaper(asked.compose, configuration)):
        choice = cheapest._replace(compose=name)
        if name != asked.compose:
            yield choice
        yield choice._replace(chunks=_sample(choice, held))
    yield Choice(map=EXTRACTIVE, compose=EXTRACTIVE, judge="", chunks=asked.chunks)


def _cheaper(name: str, configuration: AnsweringConfiguration) -> Iterator[str]:
    """Models that take a model's place one after the other."""
    seen = {name}
    while (name := capacity.model_of(name, configuration).cheaper) and name not in seen:
        seen.add(name)
        yield name


def _sample(choice: Choice, held: Holds) -> int:
    """How many of the best chunks the budget holds; a few when it holds none, which are then not held either."""
    least = min(FEWEST_CHUNKS, choice.chunks)
    low, high = least, choice.chunks  # the budget holds ``low`` if any, and not ``high``
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if held(choice._replace(chunks=middle)) else (low, middle)
    return low


def _plan(
    asked: Choice,
    choice: Choice,
    first: Reckoning,
    found: Reckoning,
    configuration: AnsweringConfiguration,
    most_parallel: int,
    counted: Sequence[int],
    *,
    path: AnswerPath,
) -> AnswerPlan:
    compacts = found.path is AnswerPath.COMPACT
    degraded: list[Degradation] = []
    if choice.map != asked.map and compacts:
        degraded.append(Degradation(step=Step.MAP, to=choice.map, reason=BUDGET))
    if choice.chunks != asked.chunks:
        degraded.append(Degradation(step=Step.MAP if compacts else Step.COMPOSE, to="sampled", reason=BUDGET))
    if choice.compose != asked.compose:
        degraded.append(Degradation(step=Step.COMPOSE, to=choice.compose, reason=BUDGET))
    if choice.judge != asked.judge:
        degraded.append(Degradation(step=Step.JUDGE, to="stopped", reason=BUDGET))
    steps = {Step.MAP: choice.map, Step.COMPOSE: choice.compose, Step.JUDGE: choice.judge}
    return AnswerPlan(
        path=path,
        steps={step: name for step, name in steps.items() if name},
        chunks=choice.chunks,
        tokens=list(counted),
        concurrency=min(capacity.model_of(choice.map, configuration).concurrency, most_parallel),
        asked=first.budget,
        budget=found.budget,
        degraded=degraded,
    )
