"""Plan Round and Summarise Group.

Whoever plans a round writes the input of each group, so a worker reads one object, and leaves one node in the lake. A
group that failed left no node: the next round finds it missing, goes on with the others, and counts it. Planning a
round again gives the same plan.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from omnilake import aws, jobs, layout, tokens
from omnilake.answering import budgeting
from omnilake.answering.degradation import MAX_WAITS, Attempt, attempt, earlier, last_resort
from omnilake.answering.parts import (
    ANSWER_PLAN,
    FUSED,
    AnswerPlan,
    FusedEvidence,
    read_configuration,
    read_part,
    read_request,
    write_part,
)
from omnilake.compaction import capacity, memo, nodes
from omnilake.compaction.planning import Group, document_order, plan_groups, plan_merge
from omnilake.configuration import AnsweringConfiguration, ModelConfig, Step
from omnilake.errors import ReplayIncomplete, StageFailed
from omnilake.generation import ClaimSet, GenerationProvider, Task, provider_for
from omnilake.generation.claims import OVER_LIMIT
from omnilake.generation.provider import EXTRACTIVE, extractive, ledger_line
from omnilake.generation.recording import Calls
from omnilake.models import Degradation, Evidence, InformationRequest, JobKind, LedgerLine, Model

CLAIMS = "claims"
"""Part of an answer that the compaction leaves (``CompactedClaims``)."""

_THREADS = 24  # for objects of a round, one a group


class RoundResult(Model):
    """``groups`` to summarise in this round; none when the claims fit one context (``done``)."""

    round: int
    groups: int
    done: bool
    inline: bool = True  # of few groups; a Distributed Map reads many
    concurrency: int = 1  # groups at a time


class GroupResult(Model):
    """What a group came to."""

    group: int
    claims: int


def plan_round(job_id: str, round_number: int) -> RoundResult:
    """Plan a round: the evidence in the first, the nodes of the round before in later ones.

    Raises:
        StageFailed: every group of the round before failed.
    """
    plan, configuration = read_part(job_id, ANSWER_PLAN, AnswerPlan), read_configuration(job_id)
    told = capacity.Told(read_request(job_id), configuration)
    model = capacity.model_of(plan.steps[Step.MAP], configuration)
    read_each = told.tokens(Step.MAP, model)
    room = capacity.evidence_capacity(model, read_each)
    last = capacity.model_of(plan.steps[Step.COMPOSE], configuration)
    last_room = capacity.evidence_capacity(last, told.tokens(Step.COMPOSE, last))
    if round_number == 1:
        evidence, items = _leaves(job_id, plan, model, room)
        groups = plan_groups(
            [item.tokens for item in items],
            [each.chunk.entry_id for each in evidence],
            context_tokens=room,
            concurrency=plan.concurrency,
            call_tokens=read_each,
        )
        limits = capacity.group_limits(len(groups), room, model, last_room, last)
        inputs = [
            nodes.GroupInput(
                child_keys=[item.key for item in items[group.start : group.end]],
                limits=limits,
                evidence=evidence[group.start : group.end],
            )
            for group in groups
        ]
    else:
        found = _nodes(job_id, round_number - 1)
        if not found:
            raise StageFailed("Every group of the compaction failed.")
        if sum(_read_tokens(node, last) for node in found) <= last_room or len(found) == 1:
            _finish(job_id, found, round_number - 1)
            return RoundResult(round=round_number, groups=0, done=True)
        items = [
            nodes.Item(key=nodes.claims_key(each.claims), index=each.group, tokens=_read_tokens(each, model))
            for each in found
        ]
        groups = plan_merge([item.tokens for item in items], context_tokens=room)
        limits = capacity.group_limits(len(groups), room, model, last_room, last)
        inputs = [
            nodes.GroupInput(
                child_keys=[item.key for item in items[group.start : group.end]],
                limits=limits,
                claims=[claim for node in found[group.start : group.end] for claim in node.claims],
            )
            for group in groups
        ]
    aws.concurrently(
        lambda numbered: aws.lake().write_model(
            layout.compaction_input(job_id, round_number, numbered[0]), numbered[1]
        ),
        list(enumerate(inputs, start=1)),
        _THREADS,
    )
    write_part(
        job_id,
        _plan_part(round_number),
        nodes.RoundPlan(round=round_number, groups=[_planned(items, group) for group in groups]),
    )
    jobs.enter(
        job_id, JobKind.ANSWER_REQUEST, "Compact Evidence", round=round_number, groups=len(groups), groups_done=0
    )
    is_inline = budgeting.inline(len(groups), plan.concurrency)
    return RoundResult(
        round=round_number,
        groups=len(groups),
        done=False,
        inline=is_inline,
        concurrency=min(plan.concurrency, budgeting.MAX_INLINE_PARALLEL) if is_inline else plan.concurrency,
    )


def summarise_group(job_id: str, round_number: int, group: int, waits: int = 0) -> GroupResult:
    """Find the claims of one group, numbered from 1, and write its node.

    Args:
        waits: times that the group has waited for the model's quota. After as many as any step waits, and when a
            model's answer is rejected or its provider refuses the call, the extractive provider reads the group
            instead, and the node says so. A replay goes on as the replayed answer did.

    Raises:
        StageFailed: the round's plan has no such group; or the embedder of the extractive provider stays throttled.
        RateLimited: the model's quota is used up for now.
        TransientError: the model did not answer.
        ReplayIncomplete: the group failed in the job that is replayed.
    """
    work = aws.lake().find_model(layout.compaction_input(job_id, round_number, group), nodes.GroupInput)
    if work is None:
        raise StageFailed(f"Round {round_number} has no group {group}.")
    request, configuration = read_request(job_id), read_configuration(job_id)
    name = read_part(job_id, ANSWER_PLAN, AnswerPlan).steps[Step.MAP]
    instead = _instead(request, round_number, group)
    began = time.monotonic()

    def node_by(named: str) -> nodes.CompactionNode:
        return _node(job_id, round_number, group, work, request, configuration, named)

    if capacity.is_free(capacity.model_of(name, configuration)):
        tried = Attempt(last_resort(lambda: node_by(name), waits=waits))
    else:
        tried = attempt(lambda: node_by(name), waits=waits, instead=instead)
    node = tried.value
    if node is None:
        lost = round(time.monotonic() - began, 3)
        node = last_resort(lambda: node_by(EXTRACTIVE), waits=waits, most=2 * MAX_WAITS)
        ledger = node.ledger
        if tried.lost.calls:
            model = configuration.models[name]
            paid = LedgerLine(
                state=_state(round_number, group),
                provider=model.provider,
                model=model.model,
                **tried.lost.model_dump(),
                seconds=lost,
            )
            ledger = [paid, *ledger]
        degraded = Degradation(step=Step.MAP, to=EXTRACTIVE, reason=tried.reason)
        node = node.model_copy(update={"degraded": [degraded], "ledger": ledger})
    aws.lake().write_model(layout.compaction_node(job_id, round_number, group), node)
    jobs.count(job_id, groups_done=1)
    return GroupResult(group=group, claims=len(node.claims))


def _instead(request: InformationRequest, round_number: int, group: int) -> str:
    """Why the model is not called: it was not, or did not answer, when the answer that is replayed was made.

    Raises:
        ReplayIncomplete: the group failed then.
    """
    if not request.replay_of:
        return ""
    replayed = _find_node(layout.compaction_node(request.replay_of, round_number, group))
    if replayed is None:
        raise ReplayIncomplete(f"Group {group} of round {round_number} came to nothing in the job {request.replay_of}.")
    return earlier(Step.MAP, replayed.degraded)


def _state(round_number: int, group: int) -> str:
    """How a ledger names a group."""
    return f"Summarise Group {round_number}.{group}"


def _read_tokens(node: nodes.CompactionNode, model: ModelConfig) -> int:
    """Tokens of a node's claims as a model reads them."""
    return node.tokens + capacity.label_tokens(len(node.claims), model)


def _node(
    job_id: str,
    round_number: int,
    group: int,
    work: nodes.GroupInput,
    request: InformationRequest,
    configuration: AnsweringConfiguration,
    name: str,
) -> nodes.CompactionNode:
    """The node of a group as a model makes it, or as it is remembered."""
    model = capacity.model_of(name, configuration)
    provider = (
        extractive()
        if capacity.is_free(model)
        else provider_for(name, configuration, Step.MAP, Calls.of(job_id, request))
    )
    task = Task.of(request)
    limits = work.limits
    step = "extract" if round_number == 1 else "merge"
    key = nodes.node_key(
        provider,
        step=step,
        parameters=limits.model_dump(),
        task=task,
        child_keys=work.child_keys,
    )
    state = _state(round_number, group)
    known = memo.recall(job_id, request, key, configuration.memo_days)
    if known is not None:
        claims, line = known.claims, LedgerLine(state=state, provider=provider.name, model=provider.model)
        rejected: dict[str, int] = {}
    else:
        began = time.monotonic()
        found = _claims(provider, task, work, round_number)
        line = ledger_line(state, provider, found.usage, time.monotonic() - began)
        claims = capacity.within(found.claims, limits.carried_tokens, limits.label_tokens)
        rejected = dict(found.rejected)
        if left := len(found.claims) - len(claims):
            rejected[OVER_LIMIT] = rejected.get(OVER_LIMIT, 0) + left
        used = found.usage
        memo.remember(
            request,
            key,
            memo.Remembered(claims=claims, **used.model_dump()),
            configuration.memo_days,
        )
    return nodes.CompactionNode(
        key=key,
        round=round_number,
        group=group,
        child_keys=work.child_keys,
        claims=claims,
        tokens=sum(capacity.carried_tokens(claim) for claim in claims),
        ledger=[line],
        remembered=known is not None,
        rejected=rejected,
    )


def _claims(provider: GenerationProvider, task: Task, work: nodes.GroupInput, round_number: int) -> ClaimSet:
    limits = work.limits
    if round_number == 1:
        return provider.extract_claims(task, work.evidence, max_tokens=limits.max_tokens, max_claims=limits.max_claims)
    if not work.claims:
        return ClaimSet(claims=[])
    return provider.merge_claims(task, work.claims, max_tokens=limits.max_tokens, max_claims=limits.max_claims)


def _plan_part(round_number: int) -> str:
    return f"compaction/{round_number}/plan"


def _leaves(job_id: str, plan: AnswerPlan, model: ModelConfig, room: int) -> tuple[list[Evidence], list[nodes.Item]]:
    """What the plan reads of the evidence, in reading order, chunks that exceed a call's room in pieces.

    Documents stand in an order that does not depend on how they rank: a ranking changes with each document.
    """
    evidence = read_part(job_id, FUSED, FusedEvidence).evidence[: plan.chunks]
    order = sorted(
        range(len(evidence)),
        key=lambda index: (
            document_order(evidence[index].chunk.entry_id),
            evidence[index].chunk.start,
            index,
        ),
    )
    read: list[Evidence] = []
    items: list[nodes.Item] = []
    for index in order:
        whole = evidence[index]
        around = capacity.surrounding_tokens(whole, model)
        for piece in pieces(whole, plan.tokens[index], max(room - around, 1)):
            size = plan.tokens[index] if piece is whole else tokens.count(piece.chunk.text)
            read.append(piece)
            items.append(nodes.Item(key=nodes.chunk_key(piece.chunk), index=index, tokens=size + around))
    return read, items


def pieces(evidence: Evidence, size: int, room: int) -> list[Evidence]:
    """A chunk as one call can read it: itself, or in pieces of at most ``room`` tokens, cut between lines or words.

    Quotes of a piece point into the same text, because a piece knows where it stands in it.
    """
    if size <= room:
        return [evidence]
    chunk = evidence.chunk
    spans = tokens.spans(chunk.text)
    # Shorter than they may be: a piece's own tokens can differ from those of the whole at its ends.
    each = math.ceil(len(spans) / math.ceil(len(spans) / max(room * 19 // 20, 1)))
    cuts = [0]
    for first in range(each, len(spans), each):
        cuts.append(_cut(chunk.text, cuts[-1], spans[first][0]))
    cuts.append(len(chunk.text))
    return [
        evidence.model_copy(
            update={
                "chunk": chunk.model_copy(
                    update={
                        "start": chunk.start + begin,
                        "end": chunk.start + end,
                        "text": chunk.text[begin:end],
                    }
                )
            }
        )
        for begin, end in pairwise(cuts)
        if end > begin
    ]


def _cut(text: str, begin: int, end: int) -> int:
    """Where to end a piece that may reach to ``end``: after the last line, else the last word, of its last quarter."""
    from_here = max(begin + 1, end - (end - begin) // 4)
    for separator in ("\n", " "):
        found = text.rfind(separator, from_here, end)
        if found >= 0:
            return found + 1
    return max(end, begin)


def _planned(items: Sequence[nodes.Item], group: Group) -> nodes.PlannedGroup:
    return nodes.PlannedGroup(items=list(items[group.start : group.end]), tokens=group.tokens)


def _nodes(job_id: str, round_number: int) -> list[nodes.CompactionNode]:
    """Nodes of a round that were written, by group."""
    planned = read_part(job_id, _plan_part(round_number), nodes.RoundPlan).groups
    keys = [layout.compaction_node(job_id, round_number, number + 1) for number in range(len(planned))]
    return [node for node in aws.concurrently(_find_node, keys, _THREADS) if node is not None]


def _find_node(key: str) -> nodes.CompactionNode | None:
    return aws.lake().find_model(key, nodes.CompactionNode)


def _finish(job_id: str, last: Sequence[nodes.CompactionNode], rounds: int) -> None:
    """Write the claims, and count over all rounds what was lost and used."""
    plans = [read_part(job_id, _plan_part(number), nodes.RoundPlan) for number in range(1, rounds + 1)]
    made = [node for number in range(1, rounds) for node in _nodes(job_id, number)] + list(last)
    written = {(node.round, node.group) for node in made}
    lost = [
        (plan.round, group)
        for plan in plans
        for number, group in enumerate(plan.groups, start=1)
        if (plan.round, number) not in written
    ]
    rejected = Counter[str]()
    for node in made:
        rejected.update(node.rejected)
    compacted = nodes.CompactedClaims(
        claims=[claim for node in last for claim in node.claims],
        rounds=rounds,
        groups=sum(len(plan.groups) for plan in plans),
        groups_failed=len(lost),
        groups_remembered=sum(node.remembered for node in made),
        chunks_failed=len({chunk for number, group in lost for chunk in _chunks_below(plans, number, group)}),
        degraded=list(dict.fromkeys(each for node in made for each in node.degraded)),
        rejected=dict(rejected),
        ledger=[line for node in made for line in node.ledger],
    )
    write_part(job_id, CLAIMS, compacted)


def _chunks_below(plans: Sequence[nodes.RoundPlan], round_number: int, group: nodes.PlannedGroup) -> set[int]:
    """The chunks that a group of a round stands for, by their place in the evidence."""
    if round_number == 1:
        return {item.index for item in group.items}
    below = plans[round_number - 2].groups
    return {chunk for item in group.items for chunk in _chunks_below(plans, round_number - 1, below[item.index - 1])}
