"""Amazon Bedrock: ``InvokeModel`` of Titan Text Embeddings V2, Cohere Embed v3 and Embed v4.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html and
titan-embedding-models.html: one text a call, at most 8,192 tokens or 50,000 characters, 1,024, 512 or 256 dimensions;
embedding models are throttled by requests a minute, not by tokens.
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v3.html: at most 96 texts of at most 2,048
characters; model-parameters-embed-v4.html: 96 texts, 128,000 tokens, ``output_dimension``. ``truncate`` NONE makes too
long a text an error. Tokens of Cohere's models stand in the header ``x-amzn-bedrock-input-token-count``.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html: the errors.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from omnilake import aws
from omnilake.embedding.wires.cohere import parameters
from omnilake.embedding.wires.wire import Reply, Request, count_of, member, row, rows_of
from omnilake.errors import TransientError
from omnilake.provider_http import malformed, refusal


class Bedrock:
    """See :class:`~omnilake.embedding.wires.wire.Wire`. Endpoints are regions."""

    service = "Amazon Bedrock"
    needs_key = False
    at_once = 16

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The function's own region, then the one of the parameter EmbeddingFallbackRegion."""
        from omnilake.settings import settings

        other = settings().embedding_fallback_region
        return (aws.region(), other) if other else (aws.region(),)

    def send(self, request: Request) -> Reply:
        """See :class:`~omnilake.embedding.wires.wire.Wire`."""
        if request.model.model.startswith("amazon.titan"):
            return self._titan(request)
        told, headers = self._invoke(request, parameters(request))
        # With embedding_types the vectors stand by type; older answers are the list itself.
        embeddings = member(told, "embeddings")
        values = embeddings.get("float") if isinstance(embeddings, dict) else embeddings
        return Reply(rows=rows_of(values, len(request.texts), self.service), tokens=_tokens(headers))

    def _titan(self, request: Request) -> Reply:
        (text,) = request.texts
        body = {"inputText": text, "dimensions": request.dimensions, "normalize": True}
        told, headers = self._invoke(request, body)
        tokens = count_of(member(told, "inputTextTokenCount"))
        return Reply(
            rows=[row(member(told, "embedding"), self.service)], tokens=_tokens(headers) if tokens is None else tokens
        )

    def _invoke(self, request: Request, body: dict[str, Any]) -> tuple[Any, dict[str, str]]:
        try:
            answer = aws.impatient_client("bedrock-runtime", request.endpoint).invoke_model(
                modelId=request.model.model,
                body=json.dumps(body),
                contentType="application/json",
                accept="application/json",
            )
            data: bytes = answer["body"].read()
        except ClientError as error:
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
            headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            told = json.dumps({"code": aws.error_code(error)}).encode()
            # ModelErrorException, 424: the model failed, not the input.
            raise refusal(500 if status == 424 else status, headers, told, self.service) from error
        except BotoCoreError as error:
            raise TransientError(f"{self.service} could not be reached ({type(error).__name__}).") from error
        try:
            return json.loads(data), answer["ResponseMetadata"].get("HTTPHeaders", {})
        except ValueError as error:
            raise malformed(self.service) from error


def _tokens(headers: dict[str, str]) -> int | None:
    return count_of(headers.get("x-amzn-bedrock-input-token-count"))
