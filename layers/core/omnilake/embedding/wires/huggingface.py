"""Hugging Face: feature extraction of Inference Providers, or of a Text Embeddings Inference server of one's own.

https://huggingface.co/docs/inference-providers/tasks/feature-extraction: ``inputs`` a list of texts, ``normalize``,
``truncate`` (off, so that too long a text is an error); the answer is a list of vectors and tells no tokens. Text
Embeddings Inference takes 32 texts a request unless started otherwise (``--max-client-batch-size``). A model that is
being loaded is answered with 503 and ``estimated_time``. Hugging Face bills compute time, so no price by tokens is
known.
"""

from __future__ import annotations

from omnilake.embedding.wires.wire import Reply, Request, rows_of
from omnilake.provider_http import post_json


class HuggingFace:
    """See :class:`~omnilake.embedding.wires.wire.Wire`."""

    service = "Hugging Face"
    endpoints = ("https://router.huggingface.co/hf-inference/models",)
    needs_key = True
    at_once = 4

    def send(self, request: Request) -> Reply:
        """See :class:`~omnilake.embedding.wires.wire.Wire`."""
        headers = {"Authorization": f"Bearer {request.key}"} if request.key else {}
        # Vectors as the model makes them: their lengths are worth a metric, and they are normalised here anyway.
        body = {"inputs": list(request.texts), "normalize": False, "truncate": False}
        url = f"{request.endpoint}/{request.model.model}/pipeline/feature-extraction"
        told = post_json(url, body, headers=headers, service=self.service)
        return Reply(rows=rows_of(told, len(request.texts), self.service), tokens=None)
