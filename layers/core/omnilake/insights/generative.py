"""Insights by a model: the prompt, the shape of the answer, and what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omnilake.errors import GenerationRejected, InsightsRejected
from omnilake.generation.asking import ask
from omnilake.generation.provider import Usage
from omnilake.generation.wires import Reply, Shape, Wire
from omnilake.insights import prompt
from omnilake.insights.excerpt import Excerpt
from omnilake.insights.provider import Wanted
from omnilake.insights.schema import Extraction, answer_schema, distinct, validated
from omnilake.models import ExtractedDocument

MAX_ANSWER_TOKENS = 4_096
"""Most tokens that a model may write."""

ANSWER_NAME = "record_insights"
"""What the answer is called where the wire format wants a name: a tool's, a schema's."""


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
        shape = Shape(
            ANSWER_NAME, "Record what the document says.", answer_schema(wanted.schema), max_tokens=MAX_ANSWER_TOKENS
        )
        try:
            extraction, replies = ask(self._wire, told, shape, lambda value: validated(value, wanted.schema))
        except GenerationRejected as error:
            raise InsightsRejected(error.message) from error
        return _preferring(extraction, wanted), self._usage(replies)

    def _usage(self, replies: Sequence[Reply]) -> Usage:
        given, taken = sum(each.input_tokens for each in replies), sum(each.output_tokens for each in replies)
        cost = (given * self._prices.input + taken * self._prices.output) / 1_000_000
        return Usage(calls=len(replies), input_tokens=given, output_tokens=taken, cost_usd=round(cost, 8))


def _preferring(extraction: Extraction, wanted: Wanted) -> Extraction:
    """Tags that were hinted at first, as they were spelled there."""
    hints = {hint.casefold(): hint for hint in reversed(wanted.tag_hints)}
    hinted = [hints[tag.casefold()] for tag in extraction.tags if tag.casefold() in hints]
    return extraction.model_copy(update={"tags": distinct([*hinted, *extraction.tags])})
