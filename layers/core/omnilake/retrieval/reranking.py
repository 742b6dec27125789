"""Reranking: a cross-encoder of a provider reads question and chunk together and puts the best of a ranking in order.

Optional: it runs where the configuration or the request names a model for the step ``rerank``. Both wires are told
question and texts and nothing else, and answer with a score for each text:

``cohere``   Cohere's API reference, "Rerank API (v2)": ``POST /v2/rerank``
``bedrock``  rerank models on Amazon Bedrock by InvokeModel, whose body is that of Cohere's API. (Bedrock's own Rerank
             operation can't be allowed for named models alone: its action has no resources.)
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from omnilake import aws
from omnilake.configuration import ModelConfig
from omnilake.credentials import provider_key
from omnilake.embedding.passages import indexed_text
from omnilake.errors import InvalidRequest, ProviderRejected, RateLimited, StageFailed, TransientError
from omnilake.models import Evidence
from omnilake.provider_http import is_safe, malformed, post_json

MAX_RERANKED = 100
"""Most chunks, the best of a ranking, that a model reads: what Cohere bills as one search."""

TIMEOUT_S = 20.0
"""Longest silence of a provider; after it the ranking stays as it is."""

UNSAID_WAIT_S = 20.0

COHERE, BEDROCK = "Cohere", "Amazon Bedrock"
_COHERE_URL = "https://api.cohere.com"
_UNAUTHORISED = 401
_API_VERSION = 2
"""Of Cohere's models on Bedrock: the oldest that its rerank models take."""

_THROTTLED = {
    "ThrottlingException",
    "TooManyRequestsException",
    "ModelNotReadyException",
    "ServiceQuotaExceededException",
}
_TRANSIENT = {"InternalServerException", "ServiceUnavailableException", "ModelTimeoutException", "ModelErrorException"}


class Reranker(Protocol):
    """A rerank model."""

    @property
    def name(self) -> str:
        """Name of the provider."""

    @property
    def model(self) -> str:
        """Id of the model."""

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """How relevant each text is, in the order of the texts; higher is better.

        Raises:
            RateLimited: the quota is used up for now.
            TransientError: no answer, or one of another shape than is documented.
            ProviderRejected: any other refusal.
        """


class CohereRerank:
    """A rerank model of Cohere's API, or of an endpoint that speaks it.

    Args:
        model: "rerank-v3.5".
        endpoint: base address; empty: Cohere's own.

    Raises:
        StageFailed: an address that a key must not be sent to.
    """

    name = "cohere"

    def __init__(self, model: str, endpoint: str = "") -> None:
        self.model = model
        self._url = (endpoint or _COHERE_URL).rstrip("/") + "/v2/rerank"
        if not is_safe(self._url):
            raise StageFailed("The endpoint of a rerank model is no https address.", action="Give it one.")

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """See :class:`Reranker`."""
        body = {"model": self.model, "query": question, "documents": list(texts), "top_n": len(texts)}
        key = provider_key(self.name)
        try:
            answer = self._post(body, key)
        except ProviderRejected as error:
            # Once more with the key as it is now when the one at hand is refused: keys are rotated.
            renewed = provider_key(self.name, renew=True) if error.details.get("status") == _UNAUTHORISED else key
            if renewed == key:
                raise
            answer = self._post(body, renewed)
        return read_scores(answer, len(texts), COHERE)

    def _post(self, body: dict[str, Any], key: str) -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return post_json(self._url, body, headers=headers, service=COHERE, timeout_s=TIMEOUT_S)


class BedrockRerank:
    """A rerank model on Amazon Bedrock.

    Args:
        model: "cohere.rerank-v3-5:0", or the ARN of a model.
    """

    name = "bedrock"

    def __init__(self, model: str) -> None:
        self.model = model

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """See :class:`Reranker`."""
        body: dict[str, Any] = {"query": question, "documents": list(texts), "top_n": len(texts)}
        if "cohere." in self.model:
            body["api_version"] = _API_VERSION
        try:
            answer = aws.impatient_client("bedrock-runtime", aws.region(), TIMEOUT_S).invoke_model(
                modelId=self.model,
                contentType="application/json",
                accept="application/json",
                body=json.dumps(body).encode(),
            )
            data = answer["body"].read()
        except ClientError as error:
            raise _error(aws.error_code(error)) from error
        except BotoCoreError as error:
            raise TransientError(f"{BEDROCK} could not be reached ({type(error).__name__}).") from error
        try:
            told = json.loads(data)
        except ValueError as error:
            raise malformed(BEDROCK) from error
        return read_scores(told, len(texts), BEDROCK)


def reranker_for(model: ModelConfig) -> Reranker:
    """The reranker that a model of the configuration is.

    Raises:
        InvalidRequest: it is no rerank model.
    """
    if model.provider == "cohere":
        return CohereRerank(model.model, model.endpoint)
    if model.provider == "bedrock":
        return BedrockRerank(model.model)
    raise InvalidRequest(
        f"A model of the provider {model.provider} can't rerank.", action="Name one of cohere or bedrock."
    )


def read_scores(answer: Any, count: int, service: str) -> list[float]:
    """The scores in an answer, in the order of the texts.

    Args:
        answer: ``{"results": [{"index": …, "relevance_score": …}]}``, each text once.
        count: of texts.
        service: its name for people.

    Raises:
        TransientError: the answer has another shape, an index of no text, or not all of them.
    """
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise malformed(service)
    found: dict[int, float] = {}
    for each in results:
        place, score = (each.get("index"), each.get("relevance_score")) if isinstance(each, dict) else (None, None)
        if type(place) is not int or isinstance(score, bool) or not isinstance(score, int | float):
            raise malformed(service)
        if not 0 <= place < count or place in found or not math.isfinite(score):
            raise malformed(service)
        found[place] = float(score)
    if len(found) != count:
        raise malformed(service)
    return [found[place] for place in range(count)]


def texts_of(evidence: Sequence[Evidence]) -> list[str]:
    """What of a ranking a model reads: the first ``MAX_RERANKED`` chunks with their headings."""
    return [indexed_text(each.chunk) for each in evidence[:MAX_RERANKED]]


def reordered(evidence: Sequence[Evidence], scores: Sequence[float]) -> list[Evidence]:
    """A ranking with its first in the order of their scores, equals as they were; the others behind as they were."""
    scored = [
        each.model_copy(update={"scores": each.scores.model_copy(update={"reranked": score})})
        for each, score in zip(evidence, scores, strict=False)
    ]
    return [*sorted(scored, key=lambda each: -(each.scores.reranked or 0.0)), *evidence[len(scores) :]]


def address(reranker: Reranker, question: str, texts: Sequence[str]) -> str:
    """sha256, hex, of all that decides the scores."""
    content = {"rerank": [reranker.name, reranker.model, question, list(texts)]}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _error(code: str) -> RateLimited | TransientError | ProviderRejected:
    if code in _THROTTLED:
        return RateLimited.after(UNSAID_WAIT_S, BEDROCK)
    if code in _TRANSIENT:
        return TransientError(f"{BEDROCK} failed: {code}.")
    return ProviderRejected(f"{BEDROCK} refuses the call: {code}.")
