"""Plan Round and Summarise Group.

A round reads its items from the lake and leaves one node a group there. A group that failed left no node: the next
round finds it missing, goes on with the others, and counts it. Planning a round again gives the same plan.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from omnilake import aws, jobs, layout, tokens
from omnilake.answering.parts import FUSED, FusedEvidence, read_configuration, read_part, read_request, write_part
from omnilake.compaction import nodes
from omnilake.compaction.planning import Group, plan_groups, plan_merge
from omnilake.configuration import Step
from omnilake.errors import StageFailed
from omnilake.generation import GenerationProvider, Task, model_name, provider_for
from omnilake.generation.provider import ledger_line
from omnilake.models import Claim, Evidence, JobKind, LedgerLine, Model
from omnilake.settings import settings

CLAIMS = "claims"
"""Part of an answer that the compaction leaves (``CompactedClaims``)."""

MAX_GROUP_CLAIMS = 24
"""Most claims of one group."""


class RoundResult(Model):
    """``groups`` to summarise in this round; none when the claims fit one context (``done``)."""

    round: int
    groups: int
    done: bool


class GroupResult(Model):
    """What a group came to."""

    group: int
    claims: int


def output_tokens(context_tokens: int) -> int:
    """Most tokens of a group's claims: at most a quarter of the context, so that every reduce round at least halves."""
    return max(1, min(800, context_tokens // 4))


def plan_round(job_id: str, round_number: int) -> RoundResult:
    """Plan a round: the evidence in the first, the nodes of the round before in later ones.

    Raises:
        StageFailed: every group of the round before failed.
    """
    context = settings().context_tokens
    if round_number == 1:
        items, documents = _leaves(job_id)
        groups = plan_groups(
            [item.tokens for item in items], documents, context_tokens=context, concurrency=settings().map_concurrency
        )
    else:
        found = _nodes(job_id, round_number - 1)
        if not found:
            raise StageFailed("Every group of the compaction failed.")
        if sum(node.tokens for node in found) <= context:
            _finish(job_id, found, round_number - 1)
            return RoundResult(round=round_number, groups=0, done=True)
        items = [nodes.Item(key=node.key, index=node.group, tokens=node.tokens) for node in found]
        groups = plan_merge([item.tokens for item in items], context_tokens=context)
    plan = nodes.RoundPlan(round=round_number, groups=[_planned(items, group) for group in groups])
    write_part(job_id, _plan_part(round_number), plan)
    jobs.enter(job_id, JobKind.ANSWER_REQUEST, "Compact Evidence", round=round_number, groups=len(groups))
    return RoundResult(round=round_number, groups=len(groups), done=False)


def summarise_group(job_id: str, round_number: int, group: int) -> GroupResult:
    """Find the claims of one group, numbered from 1, and write its node.

    Raises:
        StageFailed: the round's plan has no such group.
    """
    plan = read_part(job_id, _plan_part(round_number), nodes.RoundPlan)
    if not 1 <= group <= len(plan.groups):
        raise StageFailed(f"Round {round_number} has no group {group}.")
    items = plan.groups[group - 1].items
    request = read_request(job_id)
    configuration = read_configuration(job_id)
    name = model_name(Step.MAP, configuration, request.providers)
    provider = provider_for(name, configuration, Step.MAP)
    limits = {"max_tokens": output_tokens(settings().context_tokens), "max_claims": MAX_GROUP_CLAIMS}
    began = time.monotonic()
    if round_number == 1:
        found = provider.extract_claims(Task.of(request), _evidence(job_id, items), **limits)
    else:
        found = provider.merge_claims(Task.of(request), _claims(job_id, round_number, items), **limits)
    line = ledger_line(f"Summarise Group {round_number}.{group}", provider, found.usage, time.monotonic() - began)
    key = _node_key(provider, limits, request.question, request.goal, items)
    node = nodes.CompactionNode(
        key=key,
        round=round_number,
        group=group,
        child_keys=[item.key for item in items],
        claims=found.claims,
        tokens=sum(tokens.count(claim.text) for claim in found.claims),
        ledger=[line],
    )
    aws.lake().write_model(layout.compaction_node(job_id, round_number, group), node)
    return GroupResult(group=group, claims=len(found.claims))


def _node_key(
    provider: GenerationProvider, limits: dict[str, int], question: str, goal: str, items: Sequence[nodes.Item]
) -> str:
    return nodes.node_key(provider, **limits, question=question, goal=goal, child_keys=[item.key for item in items])


def _plan_part(round_number: int) -> str:
    return f"compaction/{round_number}/plan"


def _leaves(job_id: str) -> tuple[list[nodes.Item], list[str]]:
    """Evidence in reading order (document, then position), with the document of each."""
    evidence = read_part(job_id, FUSED, FusedEvidence).evidence
    # Documents stand in the order of their best chunk, so that a plan cut short would lose the least relevant.
    rank: dict[tuple[str, str], int] = {}
    for each in evidence:
        rank.setdefault((each.chunk.entry_id, each.chunk.version), len(rank))
    order = sorted(
        range(len(evidence)),
        key=lambda index: (
            rank[evidence[index].chunk.entry_id, evidence[index].chunk.version],
            evidence[index].chunk.start,
            index,
        ),
    )
    items = [
        nodes.Item(
            key=nodes.chunk_key(evidence[index].chunk), index=index, tokens=tokens.count(evidence[index].chunk.text)
        )
        for index in order
    ]
    return items, [evidence[index].chunk.entry_id for index in order]


def _planned(items: Sequence[nodes.Item], group: Group) -> nodes.PlannedGroup:
    return nodes.PlannedGroup(items=list(items[group.start : group.end]), tokens=group.tokens)


def _evidence(job_id: str, items: Sequence[nodes.Item]) -> list[Evidence]:
    evidence = read_part(job_id, FUSED, FusedEvidence).evidence
    return [evidence[item.index] for item in items]


def _claims(job_id: str, round_number: int, items: Sequence[nodes.Item]) -> list[Claim]:
    keys = [layout.compaction_node(job_id, round_number - 1, item.index) for item in items]
    return [claim for key in keys for claim in aws.lake().read_model(key, nodes.CompactionNode).claims]


def _nodes(job_id: str, round_number: int) -> list[nodes.CompactionNode]:
    """Nodes of a round that were written, by group."""
    planned = read_part(job_id, _plan_part(round_number), nodes.RoundPlan).groups
    keys = [layout.compaction_node(job_id, round_number, number + 1) for number in range(len(planned))]
    return [aws.lake().read_model(key, nodes.CompactionNode) for key in keys if aws.lake().head(key) is not None]


def _finish(job_id: str, last: Sequence[nodes.CompactionNode], rounds: int) -> None:
    """Write the claims, and count over all rounds what was lost and used."""
    groups = failed = unread = 0
    ledger: list[LedgerLine] = []
    for number in range(1, rounds + 1):
        plan = read_part(job_id, _plan_part(number), nodes.RoundPlan)
        found = last if number == rounds else _nodes(job_id, number)
        written = {node.group for node in found}
        lost = [group for position, group in enumerate(plan.groups, start=1) if position not in written]
        groups += len(plan.groups)
        failed += len(lost)
        unread += sum(len(_chunks_below(job_id, number, item)) for group in lost for item in group.items)
        ledger += [line for node in found for line in node.ledger]
    compacted = nodes.CompactedClaims(
        claims=[claim for node in last for claim in node.claims],
        rounds=rounds,
        groups=groups,
        groups_failed=failed,
        chunks_unread=unread,
        ledger=ledger,
    )
    write_part(job_id, CLAIMS, compacted)


def _chunks_below(job_id: str, round_number: int, item: nodes.Item) -> list[str]:
    """Keys of the chunks that an item of a round stands for."""
    if round_number == 1:
        return [item.key]
    children = read_part(job_id, _plan_part(round_number - 1), nodes.RoundPlan).groups[item.index - 1].items
    return [key for child in children for key in _chunks_below(job_id, round_number - 1, child)]
