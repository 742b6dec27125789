"""Voyage AI: ``POST /v1/embeddings``.

https://docs.voyageai.com/reference/embeddings-api: at most 1,000 inputs; 1 M tokens in all for voyage-4-lite, 320 K for
voyage-4 and voyage-3.5, 120 K for voyage-4-large and voyage-code-3; 32,000 tokens an input; ``truncation`` is on unless
turned off; ``input_type`` query or document puts a prompt before the text; ``encoding_format`` base64 of float32.
https://docs.voyageai.com/docs/rate-limits: quotas by model and tier; without a payment method 3 requests and 10,000
tokens a minute, which a deployment says in EmbeddingOptions.
"""

from __future__ import annotations

from omnilake.embedding.wires.wire import Reply, Request, count_of, member, rows_in_order
from omnilake.provider_http import post_json


class Voyage:
    """See :class:`~omnilake.embedding.wires.wire.Wire`."""

    service = "Voyage AI"
    endpoints = ("https://api.voyageai.com/v1",)
    needs_key = True
    at_once = 4

    def send(self, request: Request) -> Reply:
        """See :class:`~omnilake.embedding.wires.wire.Wire`."""
        body = {
            "model": request.model.model,
            "input": list(request.texts),
            "input_type": request.purpose.value,
            "truncation": False,
            "output_dimension": request.dimensions,
            "output_dtype": "float",
            "encoding_format": "base64",
        }
        headers = {"Authorization": f"Bearer {request.key}"} if request.key else {}
        told = post_json(f"{request.endpoint}/embeddings", body, headers=headers, service=self.service)
        return Reply(
            rows=rows_in_order(member(told, "data"), len(request.texts), self.service),
            tokens=count_of(member(told, "usage", "total_tokens")),
        )
