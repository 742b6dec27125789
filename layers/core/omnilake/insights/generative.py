"""Insights by a model: the prompt, the shape of the answer, and what is made of it."""

from __future__ import annotations

from omnilake.errors import GenerationRejected, InsightsRejected
from omnilake.generation.asking import AskedModel
from omnilake.generation.provider import Usage
from omnilake.generation.wires import Shape
from omnilake.insights import prompt
from omnilake.insights.excerpt import Excerpt
from omnilake.insights.provider import Wanted
from omnilake.insights.schema import Extraction, answer_schema, distinct, validated
from omnilake.models import ExtractedDocument

MAX_ANSWER_TOKENS = 4_096
"""Most tokens that a model may write."""

ANSWER_NAME = "record_insights"
"""What the answer is called where the wire format wants a name: a tool's, a schema's."""


class GenerativeProvider:
    """Insights by a model.

    Args:
        asked: the model, with its prices for the ledger.
    """

    remote = True

    def __init__(self, asked: AskedModel) -> None:
        self._asked = asked
        self.name, self.model = asked.name, asked.model

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
            extraction, usage = self._asked.ask(told, shape, lambda value: validated(value, wanted.schema))
        except GenerationRejected as error:
            raise InsightsRejected(error.message) from error
        return _preferring(extraction, wanted), usage


def _preferring(extraction: Extraction, wanted: Wanted) -> Extraction:
    """Tags that were hinted at first, as they were spelled there."""
    hints = {hint.casefold(): hint for hint in reversed(wanted.tag_hints)}
    hinted = [hints[tag.casefold()] for tag in extraction.tags if tag.casefold() in hints]
    return extraction.model_copy(update={"tags": distinct([*hinted, *extraction.tags])})
