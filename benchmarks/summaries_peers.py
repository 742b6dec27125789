"""Lead, LexRank and TextRank beside extracts that are given, all scored by ROUGE, in an environment of its own.

    python benchmarks/summaries_peers.py FILE WORDS

FILE: JSON list of meetings with ``sentences``, ``queries`` ([query, reference]) and each given method's sentences by
query, best first. Prints one line of JSON: ``version`` and, by method, ROUGE F1 in percent.
"""

import json
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

GIVEN = ("omnilake", "mmr")


def fitting(ranked: Sequence[str], sentences: Sequence[str], words: int) -> str:
    """The first of a ranking that have so many words together, in the order of the text."""
    chosen: list[str] = []
    left = words
    for sentence in ranked:
        size = len(sentence.split())
        if size <= left:
            chosen.append(sentence)
            left -= size
    place = {sentence: number for number, sentence in reversed(list(enumerate(sentences)))}
    return " ".join(sorted(chosen, key=lambda each: place.get(each, 0)))


class Sentences:
    """A tokenizer for sumy: one sentence a paragraph, words as they stand between spaces."""

    def to_sentences(self, paragraph: str) -> list[str]:
        return [paragraph]

    def to_words(self, sentence: str) -> list[str]:
        return [word.strip(".,?!:;'\"()[]-").lower() for word in sentence.split()]


def by_sumy(summarizer: Any, sentences: Sequence[str]) -> list[str]:
    """All sentences, best first."""
    from sumy.parsers.plaintext import PlaintextParser

    order: list[str] = []

    def keep_order(infos: Sequence[Any]) -> Sequence[Any]:
        order.extend(str(info.sentence) for info in infos)
        return infos

    # A blank line between them: the parser joins the lines of a paragraph before it asks for its sentences.
    summarizer(PlaintextParser("\n\n".join(sentences), Sentences()).document, keep_order)
    return order


def main(path: Path, words: int) -> dict[str, Any]:
    """ROUGE of every method."""
    from rouge_score.rouge_scorer import RougeScorer
    from sumy.nlp.stemmers import Stemmer
    from sumy.summarizers.lex_rank import LexRankSummarizer
    from sumy.summarizers.text_rank import TextRankSummarizer

    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    stemmer = Stemmer("english")
    scores: dict[str, list[Any]] = {method: [] for method in (*GIVEN, "lead", "lexrank", "textrank")}
    for meeting in json.loads(path.read_text()):
        sentences = meeting["sentences"]
        same = {
            "lead": sentences,
            "lexrank": by_sumy(LexRankSummarizer(stemmer), sentences),
            "textrank": by_sumy(TextRankSummarizer(stemmer), sentences),
        }
        for number, (_, reference) in enumerate(meeting["queries"]):
            ranked = same | {method: meeting[method][number] for method in GIVEN}
            for method, order in ranked.items():
                scores[method].append(scorer.score(reference, fitting(order, sentences, words)))
    methods = {
        method: {
            kind: 100 * statistics.mean(each[kind].fmeasure for each in found)
            for kind in ("rouge1", "rouge2", "rougeL")
        }
        for method, found in scores.items()
    }
    return {"version": f"sumy {version('sumy')}, rouge-score {version('rouge-score')}", "methods": methods}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
