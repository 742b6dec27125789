"""Cohere: ``POST /v2/embed``.

https://docs.cohere.com/reference/embed: at most 96 texts; ``input_type`` is required; ``truncate`` NONE makes too long
a text an error; ``embedding_types`` names what ``embeddings`` holds; ``output_dimension`` for embed-v4 and later;
billed tokens stand in ``meta.billed_units.input_tokens``, and what the API did of its own accord in ``meta.warnings``.
https://docs.cohere.com/docs/rate-limits: 2,000 inputs a minute, so texts are counted and not requests.
"""

from __future__ import annotations

from typing import Any

from omnilake.embedding.wires.wire import Purpose, Reply, Request, count_of, member, rows_of
from omnilake.provider_http import post_json

INPUT_TYPES = {Purpose.DOCUMENT: "search_document", Purpose.QUERY: "search_query"}


class Cohere:
    """See :class:`~omnilake.embedding.wires.wire.Wire`."""

    service = "Cohere"
    endpoints = ("https://api.cohere.com",)
    needs_key = True
    at_once = 4

    def send(self, request: Request) -> Reply:
        """See :class:`~omnilake.embedding.wires.wire.Wire`."""
        headers = {"Authorization": f"Bearer {request.key}"} if request.key else {}
        body = {"model": request.model.model, **parameters(request)}
        told = post_json(f"{request.endpoint}/v2/embed", body, headers=headers, service=self.service)
        return Reply(
            rows=rows_of(member(told, "embeddings", "float"), len(request.texts), self.service),
            tokens=count_of(member(told, "meta", "billed_units", "input_tokens")),
            truncated=says_truncated(member(told, "meta", "warnings")),
        )


def parameters(request: Request) -> dict[str, Any]:
    """What a request says besides its model; the same on Bedrock."""
    sized = {"output_dimension": request.dimensions} if request.model.sizable else {}
    return {
        "texts": list(request.texts),
        "input_type": INPUT_TYPES[request.purpose],
        "embedding_types": ["float"],
        "truncate": "NONE",
        **sized,
    }


def says_truncated(warnings: Any) -> bool:
    """Whether a warning speaks of a text that was cut."""
    return isinstance(warnings, list) and any("truncat" in str(each).lower() for each in warnings)
