"""Providers behind an API: batches within their limits, shared quotas, endpoints of the same model, nothing ever
cut."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from omnilake import aws, credentials, rate_limits
from omnilake.embedding import counting
from omnilake.embedding.metered import Portion
from omnilake.embedding.models import KnownModel, known_model
from omnilake.embedding.options import options
from omnilake.embedding.provider import windows
from omnilake.embedding.wires import Purpose, Reply, Request, Wire, wire_for
from omnilake.errors import EmbeddingRejected, OmniLakeError, ProviderRejected, RateLimited, TransientError
from omnilake.models import EmbeddingSpace, ErrorRecord
from omnilake.provider_http import INPUT_REFUSED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from omnilake.embedding.provider import Vectors

_UNAUTHORISED = 401


_SEAM_TOKENS = 16
"""Left free in a window of a long question: a cut inside a word can add tokens."""

_JOINT_TOKENS = 2
"""What a heading and its passage may have more together than apart: the line break between them."""


@dataclass(frozen=True)
class _Work:
    """Texts with their tokens, and what they are to the search."""

    texts: Sequence[str]
    counts: Sequence[int]
    purpose: Purpose


@dataclass(frozen=True)
class _Place:
    """Where a call goes, and with which key."""

    endpoint: str
    key: str


@dataclass(frozen=True)
class _Failure:
    """A request that brought no vectors."""

    positions: list[int]
    error: OmniLakeError


class RemoteProvider:
    """Embeds by calls to an API.

    Args:
        space: of a known model.

    Raises:
        EmbeddingRejected: no known model makes vectors of that space.
    """

    def __init__(self, space: EmbeddingSpace) -> None:
        self._model = known_model(space.provider, space.model)
        if space.dimensions not in self._model.dimensions or space != self._model.space(space.dimensions):
            raise EmbeddingRejected(
                f"{self._model.name} makes no vectors of {space.space_id}.",
                action="Ingest into a new archive: an archive keeps the space it was created with.",
            )
        self.space = space
        self.max_tokens = self._model.max_tokens
        self._wire: Wire = wire_for(space.provider)
        self._encode = counting.encoder(self._model.tokenizer, self._model.limit)

    def encode(self, text: str) -> list[tuple[int, int]]:
        """See :class:`~omnilake.embedding.provider.EmbeddingProvider` and :mod:`omnilake.embedding.counting`."""
        return self._encode(text)

    def embed_passages(self, texts: list[str]) -> Vectors:
        """See :class:`~omnilake.embedding.provider.EmbeddingProvider`.

        Raises:
            RateLimited, TransientError, ProviderRejected: of the provider.
        """
        return self._whole(texts, Purpose.DOCUMENT)

    def embed_query(self, text: str) -> Vectors:
        """See :class:`~omnilake.embedding.provider.EmbeddingProvider`.

        A question longer than the model reads is embedded in windows; its vector is their mean, weighted by tokens. A
        person waits for it, so it is not held back by a quota that passages have used up.

        Raises:
            RateLimited, TransientError, ProviderRejected: of the provider.
        """
        import numpy as np

        spans = self.encode(text)
        if not text.strip() or not spans:
            raise EmbeddingRejected("The question has no token.")
        room = self._room(Purpose.QUERY)
        pieces = [(0, len(text), len(spans))] if len(spans) <= room else windows(spans, max(1, room - _SEAM_TOKENS))
        vectors = self._whole([text[start:end] for start, end, _ in pieces], Purpose.QUERY)
        mean = np.average(vectors, axis=0, weights=[tokens for _, _, tokens in pieces]).astype(np.float32)
        made = _usable(mean, self.space)
        if isinstance(made, str):
            raise EmbeddingRejected(made)
        vector: Vectors = made[0]
        return vector

    def embed_each(self, texts: Sequence[str]) -> Iterator[Portion]:
        """See :class:`~omnilake.embedding.metered.MeteredProvider`."""
        yield from self._embed(texts, Purpose.DOCUMENT)

    def _whole(self, texts: Sequence[str], purpose: Purpose) -> Vectors:
        """Vectors of all texts, or the error of the first that has none."""
        import numpy as np

        vectors = np.empty((len(texts), self.space.dimensions), dtype=np.float32)
        for portion in self._embed(texts, purpose):
            for position, reason in sorted(portion.rejected.items()):
                kind = ProviderRejected if reason.code == ProviderRejected.code else EmbeddingRejected
                raise kind(f"Text {position}: {reason.message}", action=reason.action)
            vectors[portion.positions] = portion.vectors
        return vectors

    def _embed(self, texts: Sequence[str], purpose: Purpose) -> Iterator[Portion]:
        counts = [len(self.encode(text)) for text in texts]
        refused: dict[int, ErrorRecord] = {}
        for position, text in enumerate(texts):
            reason = self._refusal(text, counts[position], purpose)
            if reason:
                error = EmbeddingRejected(reason, action="Use a smaller chunking.max_tokens for this archive.")
                refused[position] = ErrorRecord.of(error)
        if refused:
            yield self._portion([], [], refused)
        fitting = [position for position in range(len(texts)) if position not in refused]
        limit = options().limit(self._model)
        work = _Work(texts, counts, purpose)
        for wave in waves([counts[position] for position in fitting], self._model, limit, self._wire.at_once):
            yield from self._run([[fitting[each] for each in request] for request in wave], work, limit)

    def _refusal(self, text: str, count: int, purpose: Purpose) -> str:
        """Why a text can't be sent, empty when it can: the provider would refuse it, or worse, cut it."""
        room, most = self._room(purpose), self._model.most_characters
        characters = len(self._prefix(purpose)) + len(text)
        if not text.strip() or count == 0:
            return "The text has no token."
        if count > room + _JOINT_TOKENS:
            return f"The text has {count} tokens; {room} can be embedded."
        if most is not None and characters > most:
            return f"The text has {characters} characters; {most} can be embedded."
        return ""

    def _room(self, purpose: Purpose) -> int:
        prefix = self._prefix(purpose)
        return self.max_tokens - (len(self.encode(prefix)) if prefix else 0)

    def _prefix(self, purpose: Purpose) -> str:
        return self._model.query_prefix if purpose is Purpose.QUERY else self._model.document_prefix

    # --- calls --------------------------------------------------------------------------------------------------

    def _run(self, requests: list[list[int]], work: _Work, limit: rate_limits.RateLimit) -> Iterator[Portion]:
        """One wave of requests, at the first endpoint that serves them. What succeeds is told before what fails."""
        pending = requests
        failures: list[OmniLakeError] = []
        for endpoint in options().endpoints.get(self._model.provider) or self._wire.endpoints:
            left: list[list[int]] = []
            for outcome in self._at(endpoint, pending, work, limit):
                if isinstance(outcome, Portion):
                    yield outcome
                else:
                    left.append(outcome.positions)
                    failures.append(outcome.error)
            pending = left
            if not pending or any(isinstance(error, ProviderRejected) for error in failures):
                break
        if pending:
            raise _worst(failures)

    def _at(
        self, endpoint: str, requests: list[list[int]], work: _Work, limit: rate_limits.RateLimit
    ) -> list[Portion | _Failure]:
        """The requests at one endpoint, within its quota."""
        texts = sum(map(len, requests))
        try:
            key = self._key(endpoint)
            bucket = f"embedding#{self._model.name}#{endpoint}#{credentials.fingerprint(key)}"
            rate_limits.acquire(
                bucket,
                self._wire.service,
                limit,
                requests=texts if self._model.counts_texts else len(requests),
                tokens=sum(work.counts[position] for request in requests for position in request),
                urgent=work.purpose is Purpose.QUERY,
            )
        except OmniLakeError as error:
            return [_Failure(request, error) for request in requests]
        place = _Place(endpoint, key)
        answered = aws.concurrently(lambda request: self._send(request, work, place), requests, threads=len(requests))
        outcomes = [outcome for each in answered for outcome in each]
        waits = [
            float(outcome.error.details["seconds"])
            for outcome in outcomes
            if isinstance(outcome, _Failure) and isinstance(outcome.error, RateLimited)
        ]
        if waits:
            rate_limits.drain(bucket, limit, max(waits))
        return outcomes

    def _send(
        self, positions: list[int], work: _Work, place: _Place, *, call_is_right: bool = False
    ) -> list[Portion | _Failure]:
        """One request. When its input is refused, the texts that are to blame are found and the others embedded.

        Args:
            positions: of its texts.
            work: where they stand.
            place: where to send it.
            call_is_right: another text has passed in just such a call, so the texts are to blame.
        """
        try:
            reply = self._reply(positions, work, place)
        except ProviderRejected as error:
            if error.details.get("status") not in INPUT_REFUSED:
                return [_Failure(positions, error)]
            if len(positions) == 1:
                return [self._portion([], [], {positions[0]: ErrorRecord.of(error)}, calls=1)]
            return self._send_parts(positions, work, place, None if call_is_right else error)
        except (RateLimited, TransientError) as error:
            return [_Failure(positions, error)]
        counted = sum(work.counts[position] for position in positions)
        return [
            self._portion(positions, reply.rows, {}, calls=1, tokens=counted if reply.tokens is None else reply.tokens)
        ]

    def _send_parts(
        self, positions: list[int], work: _Work, place: _Place, error: ProviderRejected | None
    ) -> list[Portion | _Failure]:
        """Halves of a request that was refused, after its shortest text alone has shown that texts are to blame."""
        outcomes: list[Portion | _Failure] = []
        if error is not None:
            shortest = min(positions, key=lambda position: work.counts[position])
            outcomes = self._send([shortest], work, place)
            if any(isinstance(outcome, Portion) and outcome.rejected for outcome in outcomes):
                return [_Failure(positions, error)]
            positions = [position for position in positions if position != shortest]
        middle = -(-len(positions) // 2)
        for half in (positions[:middle], positions[middle:]):
            if half:
                outcomes = outcomes + self._send(half, work, place, call_is_right=True)
        return outcomes

    def _reply(self, positions: list[int], work: _Work, place: _Place) -> Reply:
        prefix = self._prefix(work.purpose)
        request = Request(
            model=self._model,
            dimensions=self.space.dimensions,
            texts=[prefix + work.texts[position] for position in positions],
            purpose=work.purpose,
            endpoint=place.endpoint,
            key=place.key,
        )
        reply = self._called(request)
        if reply.truncated:
            raise ProviderRejected(f"{self._wire.service} cut a text.", status=min(INPUT_REFUSED))
        return reply

    def _called(self, request: Request) -> Reply:
        """The call, once more with the key as it is now when the one at hand is refused: keys are rotated."""
        try:
            return self._wire.send(request)
        except ProviderRejected as error:
            if error.details.get("status") != _UNAUTHORISED or not request.key:
                raise
            key = credentials.provider_key(self._model.provider, renew=True)
            if key == request.key:
                raise
            return self._wire.send(replace(request, key=key))

    def _key(self, endpoint: str) -> str:
        key = "" if self._model.provider == "bedrock" else credentials.provider_key(self._model.provider)
        if self._wire.needs_key and not key and endpoint in self._wire.endpoints:
            raise ProviderRejected(
                f"There is no key for {self._wire.service}.",
                action="Deploy with EmbeddingSecretName or EmbeddingParameterName (docs/embedding.md).",
            )
        return key

    def _portion(
        self,
        positions: list[int],
        rows: Sequence[NDArray[np.float32]],
        rejected: dict[int, ErrorRecord],
        *,
        calls: int = 0,
        tokens: int = 0,
    ) -> Portion:
        import numpy as np

        kept: list[int] = []
        vectors: list[Vectors] = []
        lengths: list[float] = []
        bad = dict(rejected)
        for position, values in zip(positions, rows, strict=True):
            made = _usable(values, self.space)
            if isinstance(made, str):
                bad[position] = ErrorRecord.of(EmbeddingRejected(made))
            else:
                kept.append(position)
                vectors.append(made[0])
                lengths.append(made[1])
        return Portion(
            positions=kept,
            vectors=np.array(vectors, dtype=np.float32).reshape(-1, self.space.dimensions),
            lengths=np.array(lengths, dtype=np.float32),
            rejected=bad,
            calls=calls,
            tokens=tokens,
        )


def waves(
    counts: Sequence[int], model: KnownModel, limit: rate_limits.RateLimit, at_once: int
) -> Iterator[list[list[int]]]:
    """Positions of texts in requests, and requests in waves that run together.

    Args:
        counts: tokens of each text.
        model: whose limits hold: texts and tokens of one request.
        limit: quota; a wave takes no more than a full bucket holds, unless a single text does.
        at_once: most requests of a wave.

    Yields:
        Waves of requests of positions, in the order of the texts.
    """
    most_tokens = min(model.request_tokens or math.inf, limit.most_tokens)
    most_texts = int(min(model.most_texts, limit.most_requests if model.counts_texts else model.most_texts))
    wave: list[list[int]] = []
    texts = tokens = 0
    for request in _requests(counts, max(1, most_texts), most_tokens):
        weight = sum(counts[position] for position in request)
        units = texts + len(request) if model.counts_texts else len(wave) + 1
        full = len(wave) == at_once or units > limit.most_requests or tokens + weight > limit.most_tokens
        if wave and full:
            yield wave
            wave, texts, tokens = [], 0, 0
        wave.append(request)
        texts, tokens = texts + len(request), tokens + weight
    if wave:
        yield wave


def _requests(counts: Sequence[int], most_texts: int, most_tokens: float) -> Iterator[list[int]]:
    request: list[int] = []
    tokens = 0
    for position, count in enumerate(counts):
        if request and (len(request) == most_texts or tokens + count > most_tokens):
            yield request
            request, tokens = [], 0
        request.append(position)
        tokens += count
    if request:
        yield request


def _usable(values: NDArray[np.float32], space: EmbeddingSpace) -> tuple[Vectors, float] | str:
    """A vector of the space with the length it came with, or why it can't be used."""
    import numpy as np

    if values.shape != (space.dimensions,):
        return f"A vector has {values.size} dimensions where {space.dimensions} were expected."
    if not np.isfinite(values).all():
        return "A vector holds NaN or infinity."
    length = float(np.linalg.norm(values.astype(np.float64)))
    if length < float(np.finfo(np.float32).tiny):
        return "A vector has length zero."
    vector: Vectors = (values / length).astype(np.float32) if space.normalised else values
    return vector, length


def _worst(failures: list[OmniLakeError]) -> OmniLakeError:
    """What to tell of several failures: a refusal, else the shortest wait, else the last failure."""
    refusals = [error for error in failures if isinstance(error, ProviderRejected)]
    if refusals:
        return refusals[0]
    waits = [error for error in failures if isinstance(error, RateLimited)]
    return min(waits, key=lambda error: float(error.details["seconds"])) if waits else failures[-1]
