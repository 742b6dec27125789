"""What a group of a round comes to, and the address it has by its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from omnilake.generation import GenerationProvider
from omnilake.models import Chunk, Claim, LedgerLine, Model


class Item(Model):
    """One thing that a group reads: a chunk in the first round, a node of the round before in later ones."""

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


class CompactionNode(Model):
    """Claims of one group. ``key`` addresses them by everything they depend on."""

    key: str
    round: int
    group: int
    child_keys: list[str]
    claims: list[Claim]
    tokens: int  # of the claims' text
    ledger: list[LedgerLine]


class CompactedClaims(Model):
    """What is left when the claims fit one context, with what the rounds lost and used."""

    claims: list[Claim]
    rounds: int
    groups: int
    groups_failed: int
    chunks_unread: int  # of groups that failed
    ledger: list[LedgerLine]


def chunk_key(chunk: Chunk) -> str:
    """Address of a leaf: the span, of which version, and its text."""
    return _address(
        {"entry": chunk.entry_id, "version": chunk.version, "start": chunk.start, "end": chunk.end, "text": chunk.text}
    )


def node_key(
    provider: GenerationProvider,
    *,
    max_tokens: int,
    max_claims: int,
    question: str,
    goal: str,
    child_keys: Sequence[str],
) -> str:
    """Address of a node: prompt version, provider, model, parameters, question, goal and child keys in order."""
    return _address(
        {
            "prompt": provider.prompt_version,
            "provider": provider.name,
            "model": provider.model,
            "parameters": {"max_tokens": max_tokens, "max_claims": max_claims},
            "question": question,
            "goal": goal,
            "children": list(child_keys),
        }
    )


def _address(content: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
