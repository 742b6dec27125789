"""OpenAI: ``POST /v1/embeddings``.

https://platform.openai.com/docs/api-reference/embeddings/create: at most 2,048 inputs of at most 8,192 tokens and
300,000 tokens in all; ``dimensions`` for text-embedding-3 and later; ``encoding_format`` float or base64
(little-endian float32, a third of the bytes). Too long an input is an error, nothing is cut. There is no input type.
Quotas by model and usage tier: https://platform.openai.com/docs/guides/rate-limits. The same shapes are served by
gateways and self-hosted servers.
"""

from __future__ import annotations

from typing import Any

from omnilake.embedding.wires.wire import Reply, Request, count_of, member, rows_in_order
from omnilake.provider_http import post_json


class OpenAI:
    """See :class:`~omnilake.embedding.wires.wire.Wire`."""

    service = "OpenAI"
    endpoints = ("https://api.openai.com/v1",)
    needs_key = True
    at_once = 4

    def send(self, request: Request) -> Reply:
        """See :class:`~omnilake.embedding.wires.wire.Wire`."""
        body: dict[str, Any] = {
            "model": request.model.model,
            "input": list(request.texts),
            "encoding_format": "base64",
        }
        if request.model.sizable:
            body["dimensions"] = request.dimensions
        headers = {"Authorization": f"Bearer {request.key}"} if request.key else {}
        told = post_json(f"{request.endpoint}/embeddings", body, headers=headers, service=self.service)
        return Reply(
            rows=rows_in_order(member(told, "data"), len(request.texts), self.service),
            tokens=count_of(member(told, "usage", "prompt_tokens")),
        )
