"""How much one call of a model reads and writes: what plans and reckonings go by.

A generative model's context holds its instructions, the question, what is read and what is written. The extractive
provider has no instructions and writes nothing that it has not read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from omnilake import tokens
from omnilake.configuration import AnsweringConfiguration, ModelConfig, Step
from omnilake.generation import Task, prompts
from omnilake.generation.provider import EXTRACTIVE
from omnilake.generation.sentences import fold
from omnilake.models import Claim, Evidence, InformationRequest, Model

TOKENIZER_SHARE = 0.9
"""Share of a context that is planned with: a model's own tokenizer may count more than cl100k does."""

MAX_GROUP_CLAIM_TOKENS = 800
"""Most tokens of a group's claims: hundreds of groups then fit one reduce."""

MAX_GROUP_CLAIMS = 24
"""Most claims of one group."""

LEAST_SHARE = 512
"""Tokens of the composing call that a group's claims get at least: about five claims with their quotes. Where there are
too many groups for that, their claims are merged first."""

CLAIM_WITH_QUOTE_TOKENS = 110
"""What a claim of a generative model is to the call that reads it, about, with its quote and the lines around it."""

MAX_ANSWER_TOKENS = 2_000
"""Most tokens of an answer's claims."""


FREE = ModelConfig(provider="extractive", output_tokens=MAX_GROUP_CLAIM_TOKENS, first_token_s=0.8)
"""What steps degrade to, where the configuration has no extractive model of its own."""


def model_of(name: str, configuration: AnsweringConfiguration) -> ModelConfig:
    """A model by its name in the configuration, or the extractive provider by its own."""
    return configuration.models.get(name, FREE) if name == EXTRACTIVE else configuration.models[name]


def is_free(model: ModelConfig) -> bool:
    """Whether it runs in the function and costs nothing: budgets do not hold it back."""
    return model.provider == "extractive"


class GroupLimits(Model):
    """How much one group may come to."""

    max_tokens: int  # of the claims' text
    max_claims: int
    carried_tokens: int  # of the claims with their quotes, as the call that reads them is told them
    label_tokens: int  # of these, of each claim, for the lines around it


class Told:
    """Tokens that every call of a request reads besides passages or claims.

    Args:
        request: its question and goal are told in every call.
        configuration: whose templates say the rest.

    Attributes:
        max_claims: most claims of the answer.
    """

    def __init__(self, request: InformationRequest, configuration: AnsweringConfiguration) -> None:
        self.max_claims = request.max_claims
        self._task = Task.of(request)
        self._configuration = configuration
        self._counted: dict[Step | None, int] = {}

    def tokens(self, step: Step, model: ModelConfig) -> int:
        """Of a call of a model for a step; the extractive provider is told nothing but question and goal.

        Raises:
            InvalidConfiguration: the step's template does not fit.
        """
        key = None if is_free(model) else step
        if key not in self._counted:
            self._counted[key] = (
                prompts.overhead(key, self._configuration, self._task)
                if key
                else tokens.count(self._task.question) + tokens.count(self._task.goal)
            )
        return self._counted[key]


def output_tokens(model: ModelConfig) -> int:
    """Most tokens that a call writes: at most half of the context."""
    return min(model.output_tokens, model.context_tokens // 2)


def evidence_capacity(model: ModelConfig, told: int) -> int:
    """Tokens of evidence or claims that one call reads: B. At least a quarter of the context, whatever is told.

    Args:
        told: tokens that the call reads besides (``Told.tokens``).
    """
    if is_free(model):
        return model.context_tokens
    room = model.context_tokens - output_tokens(model) - told
    return max(int(room * TOKENIZER_SHARE), model.context_tokens // 4)


def claim_tokens(capacity: int) -> int:
    """Most tokens of a group's claims: at most a quarter of B, so that every reduce at least halves what is left."""
    return max(1, min(MAX_GROUP_CLAIM_TOKENS, capacity // 4))


def group_limits(groups: int, room: int, model: ModelConfig, last_room: int, last: ModelConfig) -> GroupLimits:
    """How much each of so many groups may come to: as much as lets the composing call read all of them, without a merge
    between. Where that is less than ``LEAST_SHARE``, as much as lets a merge read two.

    The groups are counted in half powers of two, upwards: one group more or less seldom changes the limits, which the
    addresses of nodes depend on.

    Args:
        groups: of the round.
        room: B of the model that reads them (``evidence_capacity``).
        model: that reads them.
        last_room: B of the composing model.
        last: the composing model.
    """
    each = max(label_tokens(1, model), label_tokens(1, last))
    share = last_room // math.ceil(2 ** (math.ceil(2 * math.log2(max(groups, 1))) / 2))
    if share < LEAST_SHARE:
        return GroupLimits(
            max_tokens=claim_tokens(room), max_claims=MAX_GROUP_CLAIMS, carried_tokens=room // 2, label_tokens=each
        )
    carried = min(share, room // 2)
    claims = MAX_GROUP_CLAIMS if is_free(model) else carried // CLAIM_WITH_QUOTE_TOKENS
    return GroupLimits(
        max_tokens=min(claim_tokens(room), carried if is_free(model) else carried // 2),
        max_claims=max(1, min(claims, MAX_GROUP_CLAIMS)),
        carried_tokens=carried,
        label_tokens=each,
    )


def chunk_tokens(evidence: Sequence[Evidence]) -> list[int]:
    """cl100k tokens of each chunk's text."""
    return [tokens.count(each.chunk.text) for each in evidence]


def surrounding_tokens(evidence: Evidence, model: ModelConfig) -> int:
    """Tokens of what a prompt says of a chunk besides its text."""
    return 0 if is_free(model) else prompts.surrounding_tokens(evidence)


def label_tokens(claims: int, model: ModelConfig) -> int:
    """Tokens of what a prompt of the model says of so many claims besides their texts and quotes."""
    return 0 if is_free(model) else claims * prompts.CLAIM_TOKENS


def node_tokens(limits: GroupLimits, model: ModelConfig) -> int:
    """What the claims of a group, quotes included, are to the call that reads them, about; at most what they may be."""
    carried = limits.max_tokens if is_free(model) else 2 * limits.max_tokens
    return max(1, min(carried + limits.max_claims * limits.label_tokens, limits.carried_tokens))


def carried_tokens(claim: Claim) -> int:
    """Tokens of a claim with those of its quotes that say more than it does: what a merge reads."""
    said = fold(claim.text)
    return tokens.count(claim.text) + sum(
        tokens.count(quote.text) for quote in claim.quotes if fold(quote.text) != said
    )


def within(claims: Sequence[Claim], most: int, each: int = 0) -> list[Claim]:
    """The first claims that have at most so many tokens with their quotes; always one, with at least one quote.

    Args:
        most: tokens of all.
        each: tokens that every claim has besides.
    """
    kept: list[Claim] = []
    left = most
    for claim in claims:
        size = carried_tokens(claim) + each
        if size > left and not kept:
            claim = _shortened(claim, left - each)
            size = carried_tokens(claim) + each
        elif size > left:
            continue
        kept.append(claim)
        left -= size
    return kept


def _shortened(claim: Claim, most: int) -> Claim:
    quotes = list(claim.quotes)
    while len(quotes) > 1 and carried_tokens(claim.model_copy(update={"quotes": quotes})) > most:
        quotes.pop()
    return claim.model_copy(update={"quotes": quotes})
