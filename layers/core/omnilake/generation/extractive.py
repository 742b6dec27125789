"""The provider that selects sentences: no model writes, so every claim is a quote and nothing is invented.

Sentences are scored by nearness to question and goal (cosine of sentence embeddings, and idf-weighted word overlap with
the title and section as context) and by centrality in the evidence, and chosen by maximal marginal relevance; only what
is nearly as near as the best, unless details are asked for. Then what stands around a sentence counts as well: its
passage is scored by the same measure, and very short sentences count less. ``make bench-answers`` measures it on
QMSum's summaries; the constants were looked at on the validation split of that set. It is also the degraded mode of
generative providers.

The result depends on question, goal and the chunks' text alone, not on their retrieval scores, so it can be addressed
by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from omnilake import tokens
from omnilake.embedding import EmbeddingProvider, price_of
from omnilake.embedding.passages import heading
from omnilake.generation import relevance, words
from omnilake.generation.provider import ClaimSet, Task, Usage
from omnilake.generation.sentences import UnitKind, claimable, fold
from omnilake.models import AnswerStyle, Chunk, Claim, Evidence, Quote

METHOD = "extractive-3"
"""Changes with every change that selects other sentences from the same evidence."""

COSINE_SHARE, LEXICAL_SHARE = 0.65, 0.35
CENTRALITY_SHARE = 0.08
"""How much of a sentence's score its centrality can add: enough to decide between equals."""

CONTEXT_SHARE = 0.4
"""How much of a word counts that stands in the title or section of a sentence and not in the sentence."""

GOAL_SHARE = 0.25
"""Weight of the goal beside the question, where there is one."""

QUANTITY_SHARE = 0.1
"""What a number adds to a sentence when the question asks for one."""

SCORE_FLOOR = 0.33
"""Below it a sentence is not about the question."""

RELATIVE_FLOOR = 0.65
"""Share of the best sentence's score below which others only pad the answer."""

DETAILED_FLOOR = 0.1
"""The only floor where details are asked for: a summary is made of what lies around the question as well."""

PASSAGE_SHARE = 0.4
"""How much of a sentence's nearness is that of its passage where details are asked for."""

FULL_WORDS = 12
"""A sentence of fewer words counts less where details are asked for, by the root of what it lacks."""

CONTEXT_CHARACTERS = 120
"""Most characters of the headings that are embedded with a sentence; the nearest ones stay."""

MAX_EMBEDDED = 200
"""Most sentences that are embedded in one call; words alone choose them where there are more."""


# Signs that change a value ("-5", "1.5 %") belong to the words that have to be the same.
_WORD = re.compile(r"[^\W_]+|[-+.,%<>=$€]")


class _Candidate(NamedTuple):
    text: str
    context: str  # the headings above it
    quotes: tuple[Quote, ...]
    prior: float | None = None  # score in the round before, where it was read with its headings
    passage: str = ""  # the chunk that it stands in; empty: it is read by itself


class ExtractiveProvider:
    """See the module. Its ledger counts cl100k tokens read and chosen; it costs nothing, unless the embedder is paid.

    Args:
        embedder: for sentences and question; any space, both sides are embedded here.
    """

    name = "extractive"
    prompt_version = METHOD

    def __init__(self, embedder: EmbeddingProvider) -> None:
        self._embedder = embedder
        self._usd_per_token = price_of(embedder.space) / 1e6
        self._cost_usd = 0.0

    @property
    def model(self) -> str:
        return self._embedder.space.space_id

    def extract_claims(self, task: Task, evidence: Sequence[Evidence], *, max_tokens: int, max_claims: int) -> ClaimSet:
        """Sentences, list items, rows and turns of the evidence that answer the question, each with its quote."""
        candidates = [candidate for each in evidence for candidate in _candidates(each.chunk)]
        read = [task.question, task.goal, *(each.chunk.text for each in evidence)]
        return self._select(task, candidates, read, max_tokens, max_claims)

    def merge_claims(self, task: Task, claims: Sequence[Claim], *, max_tokens: int, max_claims: int) -> ClaimSet:
        """The best of the claims; those that say the same become one with all their quotes."""
        candidates = [_Candidate(claim.text, "", tuple(claim.quotes), claim.score) for claim in claims]
        read = [task.question, task.goal, *(claim.text for claim in claims)]
        return self._select(task, candidates, read, max_tokens, max_claims)

    def _select(
        self,
        task: Task,
        candidates: Sequence[_Candidate],
        read: Iterable[str],
        max_tokens: int,
        max_claims: int,
    ) -> ClaimSet:
        question, goal = task.question, task.goal
        used = Usage(calls=1, input_tokens=sum(tokens.count(text) for text in read if text))
        candidates = _without_repeats(candidates)
        if not candidates:
            return ClaimSet(claims=[], usage=used)
        detailed = task.style is AnswerStyle.DETAILED
        lexical, places = _lexical(question, goal, candidates), _passages(candidates)
        if detailed:
            lexical = _with_passage(lexical, _lexical(question, goal, _joined(candidates, places))[places])
        if len(candidates) > MAX_EMBEDDED:
            # A stable sort, so that among equals the earlier one stays.
            first = _or_prior(candidates, lexical)
            keep = sorted(np.argsort(-first, kind="stable")[:MAX_EMBEDDED].tolist())
            candidates, lexical = [candidates[index] for index in keep], lexical[keep]
            places = _passages(candidates)
        vectors = self._embed([_in_context(candidate) for candidate in candidates])
        query = self._query(question, goal)
        cosine = vectors @ query
        sizes = np.array([len(candidate.text.split()) for candidate in candidates])
        if detailed:
            cosine = _with_passage(cosine, (_centroids(vectors, places, sizes) @ query)[places])
        nearness = COSINE_SHARE * cosine + LEXICAL_SHARE * lexical
        if detailed:
            nearness = nearness * np.sqrt(np.minimum(sizes / FULL_WORDS, 1))
        if words.asks_quantity(question):
            counted = np.array([words.holds_quantity(each.text) for each in candidates])
            nearness = nearness + QUANTITY_SHARE * counted
        # Scores of two rounds are measured alike; only the weights of words differ with what was read beside them.
        nearness = (nearness + _or_prior(candidates, nearness)) / 2
        score = nearness + CENTRALITY_SHARE * relevance.centrality(vectors) * np.clip(nearness, 0, None)
        floor = DETAILED_FLOOR if detailed else max(SCORE_FLOOR, RELATIVE_FLOOR * float(score.max()))
        able = np.flatnonzero(score >= floor)
        order = [
            int(able[each])
            for each in relevance.maximal_marginal_relevance(score[able], vectors[able], limit=len(able))
        ]
        claims = _claims(candidates, score, order, max_tokens, max_claims)
        written = sum(tokens.count(claim.text) for claim in claims)
        cost, self._cost_usd = self._cost_usd, 0.0
        return ClaimSet(claims=claims, usage=used.model_copy(update={"output_tokens": written, "cost_usd": cost}))

    def _pay(self, texts: Iterable[str]) -> None:
        """Count what embedding texts costs, in tokens as they are counted for chunking."""
        if self._usd_per_token:
            self._cost_usd += self._usd_per_token * sum(len(self._embedder.encode(text)) for text in texts)

    def _query(self, question: str, goal: str) -> relevance.Vectors:
        vector = self._embedder.embed_query(question)
        self._pay([question])
        if any(character.isalnum() for character in goal):
            vector = (1 - GOAL_SHARE) * vector + GOAL_SHARE * self._embedder.embed_query(goal)
            self._pay([goal])
        return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)

    def _embed(self, texts: Sequence[str]) -> relevance.Vectors:
        read = [self._shortened(text) for text in texts]
        vectors = self._embedder.embed_passages(read)
        self._pay(read)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    def _shortened(self, text: str) -> str:
        """The text as far as the model reads: only its ranking depends on it, the claim keeps all of it."""
        most = self._embedder.max_tokens
        if len(text) <= most:  # a token has at least one character
            return text
        spans = self._embedder.encode(text)
        return text if len(spans) <= most else text[: spans[most - 1][1]]


def _candidates(chunk: Chunk) -> list[_Candidate]:
    context = heading(chunk)
    found = []
    for unit in claimable(chunk.text):
        text = chunk.text[unit.start : unit.end]
        if unit.kind == UnitKind.SENTENCE and fold(text).casefold() in {
            chunk.title.casefold(),
            chunk.section.casefold(),
        }:
            continue  # the document's own title again
        quote = Quote(
            chunk_id=chunk.chunk_id,
            entry_id=chunk.entry_id,
            version=chunk.version,
            start=chunk.start + unit.start,
            end=chunk.start + unit.end,
            text=text,
        )
        found.append(_Candidate(fold(text), context, (quote,), passage=chunk.chunk_id))
    return found


def _in_context(candidate: _Candidate) -> str:
    """What of a sentence is embedded: most sentences name their subject only in the heading above them."""
    return f"{candidate.context[-CONTEXT_CHARACTERS:]}: {candidate.text}" if candidate.context else candidate.text


def _without_repeats(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Candidates of the same words as one, at the place of the first, with the quotes of all (each span once).

    Of the same words, not of near vectors: sentences that differ in a number or a "not" alone are very near.
    """
    merged: dict[tuple[str, ...], _Candidate] = {}
    for candidate in candidates:
        key = tuple(_WORD.findall(candidate.text.casefold()))
        known = merged.get(key)
        merged[key] = known._replace(quotes=_united(known.quotes, candidate.quotes)) if known else candidate
    return list(merged.values())


def _united(first: Sequence[Quote], second: Sequence[Quote]) -> tuple[Quote, ...]:
    spans = {(quote.entry_id, quote.version, quote.start, quote.end): quote for quote in second}
    return tuple(({(quote.entry_id, quote.version, quote.start, quote.end): quote for quote in first} | spans).values())


def _lexical(question: str, goal: str, candidates: Sequence[_Candidate]) -> relevance.Vectors:
    own = [set(words.terms(candidate.text)) for candidate in candidates]
    weights = words.inverse_document_frequency(own)
    asked, aimed = words.terms(question), words.terms(goal)

    def share(query: Sequence[str], index: int) -> float:
        alone = words.overlap(query, own[index], weights)
        around = words.overlap(query, own[index] | set(words.terms(candidates[index].context)), weights)
        return alone + CONTEXT_SHARE * (around - alone)

    scores = np.array([share(asked, index) for index in range(len(candidates))], dtype=np.float32)
    if aimed:
        aims = np.array([share(aimed, index) for index in range(len(candidates))], dtype=np.float32)
        scores = (1 - GOAL_SHARE) * scores + GOAL_SHARE * aims
    return scores


def _passages(candidates: Sequence[_Candidate]) -> NDArray[np.intp]:
    """Number of each candidate's passage, in the order of their first candidates; one without has its own."""
    numbers: dict[str | int, int] = {}
    found = [numbers.setdefault(each.passage or index, len(numbers)) for index, each in enumerate(candidates)]
    return np.array(found, dtype=np.intp)


def _joined(candidates: Sequence[_Candidate], places: NDArray[np.intp]) -> list[_Candidate]:
    """Each passage as one candidate."""
    texts: dict[int, list[str]] = {}
    contexts: dict[int, str] = {}
    for place, candidate in zip(places.tolist(), candidates, strict=True):
        texts.setdefault(place, []).append(candidate.text)
        contexts.setdefault(place, candidate.context)
    return [_Candidate(" ".join(found), contexts[place], ()) for place, found in texts.items()]


def _centroids(vectors: relevance.Vectors, places: NDArray[np.intp], sizes: NDArray[np.intp]) -> relevance.Vectors:
    """The vector of each passage, shape (passages, d), unit length: that of its sentences, weighted by their words."""
    found = np.zeros((int(places.max()) + 1, vectors.shape[1]), dtype=np.float32)
    np.add.at(found, places, vectors * np.maximum(sizes, 1)[:, None])
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


def _with_passage(own: relevance.Vectors, passage: relevance.Vectors) -> relevance.Vectors:
    return (1 - PASSAGE_SHARE) * own + PASSAGE_SHARE * passage


def _or_prior(candidates: Sequence[_Candidate], scores: NDArray[Any]) -> NDArray[Any]:
    """The score of the round before where there was one, else the given one."""
    pairs = zip(candidates, scores, strict=True)
    return np.array([score if each.prior is None else each.prior for each, score in pairs], dtype=np.float64)


def _claims(
    candidates: Sequence[_Candidate], score: relevance.Vectors, order: Sequence[int], max_tokens: int, max_claims: int
) -> list[Claim]:
    """Claims in the order of choice, within the budgets; none repeats a span of one chosen before."""
    claims: list[Claim] = []
    left = max_tokens
    for index in order:
        candidate = candidates[index]
        size = tokens.count(candidate.text)
        if len(claims) == max_claims or size > left:
            continue
        if any(_overlap(candidate.quotes, claim.quotes) for claim in claims):
            continue
        claims.append(Claim(text=candidate.text, quotes=list(candidate.quotes), score=round(float(score[index]), 4)))
        left -= size
    return claims


def _overlap(some: Sequence[Quote], others: Sequence[Quote]) -> bool:
    return any(
        one.entry_id == other.entry_id
        and one.version == other.version
        and one.start < other.end
        and other.start < one.end
        for one in some
        for other in others
    )
