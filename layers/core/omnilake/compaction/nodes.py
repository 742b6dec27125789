"""What a group of a round comes to, and the address it has by its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from pydantic import Field

from omnilake.compaction.capacity import GroupLimits
from omnilake.generation import GenerationProvider, Task
from omnilake.models import Chunk, Claim, Degradation, Evidence, LedgerLine, Model


class Item(Model):
    """One thing that a group reads: a chunk or a piece of one in the first round, later a node of the round before."""

    key: str
    index: int  # of the evidence in the first round; the group's number in later ones
    tokens: int


class PlannedGroup(Model):
    """Items that one call reads."""

    items: list[Item]
    tokens: int


class RoundPlan(Model):
    """The groups of one round, numbered from 1."""

    round: int
    groups: list[PlannedGroup]


class GroupInput(Model):
    """All that one call reads, written by whoever planned it: evidence in the first round, claims in later ones; and
    how much it may come to."""

    child_keys: list[str]
    limits: GroupLimits
    evidence: list[Evidence] = Field(default=[])
    claims: list[Claim] = Field(default=[])


class CompactionNode(Model):
    """Claims of one group. ``key`` addresses them by everything they depend on."""

    key: str
    round: int
    group: int
    child_keys: list[str]
    claims: list[Claim]
    tokens: int  # of the claims with their quotes, as a merge reads them
    ledger: list[LedgerLine]
    remembered: bool = False  # known from an earlier request
    degraded: list[Degradation] = Field(default=[])
    rejected: dict[str, int] = Field(default={})  # reason → how many claims of a model's answer were not taken


class CompactedClaims(Model):
    """What is left when the claims fit one context, with what the rounds lost and used."""

    claims: list[Claim]
    rounds: int
    groups: int
    groups_failed: int
    groups_remembered: int = 0
    chunks_failed: int  # of groups that failed
    degraded: list[Degradation] = Field(default=[])
    rejected: dict[str, int] = Field(default={})
    ledger: list[LedgerLine]


def chunk_key(chunk: Chunk) -> str:
    """Address of a leaf: the span, of which version, its text, and the headings it is read with."""
    return _address(
        {
            "entry": chunk.entry_id,
            "version": chunk.version,
            "start": chunk.start,
            "end": chunk.end,
            "text": chunk.text,
            "headings": [chunk.title, chunk.section, chunk.source],
        }
    )


def claims_key(claims: Sequence[Claim]) -> str:
    """Address of what a group came to: a merge depends on it, and on nothing else below it."""
    return _address({"claims": [claim.model_dump(mode="json") for claim in claims]})


def node_key(
    provider: GenerationProvider, *, step: str, parameters: Mapping[str, int], task: Task, child_keys: Sequence[str]
) -> str:
    """Address of a node: prompt version, provider, model, parameters (limits), task and child keys in order."""
    return _address(
        {
            "step": step,
            "prompt": provider.prompt_version,
            "provider": provider.name,
            "model": provider.model,
            "parameters": dict(parameters),
            "task": task.model_dump(mode="json"),
            "children": list(child_keys),
        }
    )


def _address(content: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
