"""What all models share: the prompt, the shape of the answer, and one repair of an answer that does not fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from omnilake.errors import InsightsRejected
from omnilake.generation import Usage
from omnilake.insights import prompt
from omnilake.insights.excerpt import Excerpt
from omnilake.insights.provider import Wanted
from omnilake.insights.schema import Extraction, Misfit, answer_schema, distinct, validated
from omnilake.models import ExtractedDocument

MAX_ANSWER_TOKENS = 4_096
"""Most tokens that a model may write."""

ANSWER_NAME = "record_insights"
"""What the answer is called where the wire format wants a name: a tool's, a schema's."""


@dataclass(frozen=True)
class Reply:
    """What a model answered.

    Attributes:
        value: parsed JSON of the answer; None with ``problem``.
        turn: what it said, as its wire format hands it back for a repair; None when it said nothing that can be.
        problem: why there is no value; empty when there is one.
        input_tokens: as the provider counts them.
        output_tokens: as the provider counts them.
    """

    value: Any
    turn: Any
    problem: str
    input_tokens: int
    output_tokens: int


class Wire(Protocol):
    """How one kind of model is called. Nothing is repeated here."""

    @property
    def name(self) -> str:
        """Name of the provider."""

    @property
    def model(self) -> str:
        """Id of the model."""

    def ask(self, told: prompt.Prompt, schema: dict[str, Any], refused: tuple[Reply, str] | None) -> Reply:
        """Call the model, at temperature 0.

        Args:
            told: system and user message.
            schema: JSON Schema that the answer is constrained to.
            refused: an answer to the same, and what is wrong with it.

        Raises:
            RateLimited, TransientError, ProviderRejected: the call failed.
            InsightsRejected: the model or its guard refuses to answer, or the input is refused.
        """


@dataclass(frozen=True)
class Prices:
    """US dollars per million tokens."""

    input: float = 0.0
    output: float = 0.0

    @classmethod
    def parsed(cls, text: str) -> Prices:
        """Of "0.15,0.60"."""
        given, taken = text.split(",")
        return cls(float(given), float(taken))


class GenerativeProvider:
    """Insights by a model.

    Args:
        wire: how it is called.
        prices: for the ledger.
    """

    remote = True

    def __init__(self, wire: Wire, prices: Prices) -> None:
        self._wire = wire
        self._prices = prices

    @property
    def name(self) -> str:
        """Name in the registry."""
        return self._wire.name

    @property
    def model(self) -> str:
        """Id of the model."""
        return self._wire.model

    @property
    def prompt_version(self) -> str:
        """Of the template."""
        return prompt.version()

    def extract(self, document: ExtractedDocument, excerpt: Excerpt, wanted: Wanted) -> tuple[Extraction, Usage]:
        """Insights of one document; see :class:`~omnilake.insights.provider.InsightsProvider`."""
        told = prompt.render(document, excerpt, wanted)
        schema = answer_schema(wanted.schema)
        first = self._wire.ask(told, schema, None)
        try:
            extraction = _checked(first, wanted)
        except Misfit as misfit:
            second = self._wire.ask(told, schema, (first, _correction(misfit)))
            try:
                extraction = _checked(second, wanted)
            except Misfit as again:
                raise InsightsRejected(f"The answer of {self.model} does not fit: {'; '.join(again.places)}.") from None
            return _preferring(extraction, wanted), self._usage(first, second)
        return _preferring(extraction, wanted), self._usage(first)

    def _usage(self, *replies: Reply) -> Usage:
        given, taken = sum(each.input_tokens for each in replies), sum(each.output_tokens for each in replies)
        cost = (given * self._prices.input + taken * self._prices.output) / 1_000_000
        return Usage(calls=len(replies), input_tokens=given, output_tokens=taken, cost_usd=round(cost, 8))


def _checked(reply: Reply, wanted: Wanted) -> Extraction:
    if reply.problem:
        raise Misfit([reply.problem], [reply.problem])
    return validated(reply.value, wanted.schema)


def _correction(misfit: Misfit) -> str:
    told = "\n".join(f"- {problem}" for problem in misfit.problems)
    return f"That answer does not fit the schema:\n{told}\nAnswer again, whole and corrected."


def _preferring(extraction: Extraction, wanted: Wanted) -> Extraction:
    """Tags that were hinted at first, as they were spelled there."""
    hints = {hint.casefold(): hint for hint in reversed(wanted.tag_hints)}
    hinted = [hints[tag.casefold()] for tag in extraction.tags if tag.casefold() in hints]
    return extraction.model_copy(update={"tags": distinct([*hinted, *extraction.tags])})
