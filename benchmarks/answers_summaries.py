"""Section summaries: how near extracts are to what people wrote as answers, by ROUGE-1, -2 and -L (F1, stemmed).

Sets are folders with a ``test.jsonl`` of QMSum's format: one meeting a line, ``meeting_transcripts`` (speaker, content)
and lists of queries with reference answers (https://github.com/Yale-LILY/QMSum, MIT). Every method reads the whole
meeting and gives at most ``WORDS`` words, in the order of the meeting.

omnilake   the extractive provider, asked for details, with the query as question
mmr        cosine of sentence and query by the same embedder, maximal marginal relevance with λ = 0.7
lead       the first sentences
lexrank    sumy's LexRankSummarizer
textrank   sumy's TextRankSummarizer

All methods choose among the same sentences. The provider's constants were looked at on QMSum's ``val.jsonl`` only (272
queries, where it has ROUGE-1, -2 and -L of 25.7, 5.4 and 15.2 and MMR 25.2, 4.7 and 14.7); ``test.jsonl`` is measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import report

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.answers import Run
    from omnilake.embedding import EmbeddingProvider
    from omnilake.models import Evidence

WORDS = 100
"""Most words of a summary."""

CHUNK_CHARACTERS = 1_000
"""Most characters of a chunk, unless one turn has more."""

_VOCAL = re.compile(r"\{[^}]*\}")
_BEFORE_MARK = re.compile(r"\s+([.,?!'’])")


class Meeting(NamedTuple):
    """Turns as lines of "speaker: what was said", and queries with their reference answers."""

    turns: list[str]
    queries: list[tuple[str, str]]


class Remembering:
    """An embedder that embeds each sentence of a meeting once, though every query reads all of them.

    Args:
        embedder: that does it.
    """

    def __init__(self, embedder: EmbeddingProvider) -> None:
        self._embedder = embedder
        self._vectors: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embedder, name)

    def embed_passages(self, texts: Sequence[str]) -> Any:
        import numpy as np

        missing = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        for first in range(0, len(missing), 64):
            batch = missing[first : first + 64]
            self._vectors |= dict(zip(batch, self._embedder.embed_passages(batch), strict=True))
        return np.stack([self._vectors[text] for text in texts])


def measure(run: Run) -> dict[str, Any]:
    """ROUGE of each method, by set."""
    figures: dict[str, Any] = {}
    for path in sorted(run.data.glob("*/test.jsonl")):
        if run.sets and path.parent.name not in run.sets:
            continue
        meetings = list(read(path, run.queries))
        if meetings:
            figures[path.parent.name] = _measured(run, path.parent.name, meetings)
    if not figures:
        run.say("no set of QMSum's format here (test.jsonl with meeting_transcripts)")
    return {"summaries": figures}


def read(path: Path, most: int | None) -> Iterator[Meeting]:
    """The meetings of a file, with at most so many queries together; none of a file of another format."""
    left = most
    with path.open() as lines:
        for line in lines:
            told = json.loads(line)
            if "meeting_transcripts" not in told:
                return
            queries = [
                (each["query"], each["answer"])
                for each in [*told.get("general_query_list", []), *told.get("specific_query_list", [])]
            ][:left]
            if queries:
                turns = [f"{turn['speaker']}: {_cleaned(turn['content'])}" for turn in told["meeting_transcripts"]]
                yield Meeting(turns, queries)
            if left is not None:
                left -= len(queries)
                if left == 0:
                    return


def _cleaned(text: str) -> str:
    """Without marks of coughs and gaps ({vocalsound}), punctuation where it is written."""
    return " ".join(_BEFORE_MARK.sub(r"\1", _VOCAL.sub("", text)).split())


def evidence(meeting: Meeting) -> list[Evidence]:
    """The meeting as chunks of whole turns, as if all of it had been retrieved."""
    from omnilake.models import Chunk, Evidence, Scores

    found: list[Evidence] = []
    start, lines = 0, list[str]()
    for turn in [*meeting.turns, ""]:
        if lines and (not turn or len("\n".join([*lines, turn])) > CHUNK_CHARACTERS):
            text = "\n".join(lines)
            chunk = Chunk(
                chunk_id=f"c{len(found)}",
                entry_id="meeting",
                version="v1",
                ordinal=len(found),
                start=start,
                end=start + len(text),
                tokens=len(text.split()),
                text=text,
            )
            found.append(Evidence(chunk=chunk, scores=Scores()))
            start, lines = start + len(text) + 1, []
        lines.append(turn)
    return found


def _measured(run: Run, name: str, meetings: list[Meeting]) -> dict[str, Any]:
    run.use_layers()
    from omnilake import embedding
    from omnilake.generation.extractive import METHOD, ExtractiveProvider

    embedder: Any = Remembering(embedding.provider_for(embedding.default_space()))
    provider = ExtractiveProvider(embedder)
    given = []
    for number, meeting in enumerate(meetings, 1):
        found = evidence(meeting)
        sentences = _sentences(found)
        given.append(
            {
                "sentences": [text for _, text in sentences],
                "queries": meeting.queries,
                "omnilake": [_extract(provider, query, found) for query, _ in meeting.queries],
                "mmr": _by_mmr(embedder, [text for _, text in sentences], [query for query, _ in meeting.queries]),
            }
        )
        if number % 5 == 0 or number == len(meetings):
            run.say(f"{name}: {number} of {len(meetings)} meetings")
    path = run.cache / f"{name}-summaries.json"
    path.write_text(json.dumps(given))
    told = run.peer("summaries_peers.py", path, str(WORDS))
    rows: dict[str, Any] = {
        method: "   ".join(f"ROUGE-{kind} {value:.1f}" for kind, value in zip("12L", scores.values(), strict=True))
        for method, scores in told["methods"].items()
    }
    best = {
        kind: max(scores[kind] for method, scores in told["methods"].items() if method != "omnilake")
        for kind in told["methods"]["omnilake"]
    }
    for kind, value in told["methods"]["omnilake"].items():
        rows[f"omnilake / best of the others, {kind}"] = value / best[kind]
    count = sum(len(meeting.queries) for meeting in meetings)
    rows["compared with"] = told["version"]
    report.table(f"Query-focused extracts of {WORDS} words, {name}, {count} queries", rows)
    return {"queries": count, "words": WORDS, "method": METHOD, "version": told["version"], **told["methods"]}


def _sentences(found: Sequence[Evidence]) -> list[tuple[int, str]]:
    """Offset and text of everything that can stand as a claim."""
    from omnilake.generation.sentences import claimable, fold

    return [
        (each.chunk.start + unit.start, fold(each.chunk.text[unit.start : unit.end]))
        for each in found
        for unit in claimable(each.chunk.text)
    ]


def _extract(provider: Any, query: str, found: Sequence[Evidence]) -> list[str]:
    """Texts of the claims, best first, cut to the words later."""
    from omnilake.generation import Task
    from omnilake.models import AnswerStyle

    task = Task(question=query, style=AnswerStyle.DETAILED)
    claims = provider.extract_claims(task, found, max_tokens=4 * WORDS, max_claims=40).claims
    return [claim.text for claim in claims]


def _by_mmr(embedder: EmbeddingProvider, sentences: Sequence[str], queries: Sequence[str]) -> list[list[str]]:
    import numpy as np

    from omnilake.generation.relevance import maximal_marginal_relevance

    vectors = embedder.embed_passages([text[:600] for text in sentences])
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen = []
    for query in queries:
        near = vectors @ embedder.embed_query(query)
        order = maximal_marginal_relevance(near, vectors, limit=40, trade_off=0.7)
        chosen.append([sentences[place] for place in order])
    return chosen
