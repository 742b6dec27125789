"""The provider without a model: the same document gives the same insights, and every word of them is the document's.

Title of the document, summary of its own sentences (the first, and those nearest to what the whole is about), tags by
hints and key phrases, entities and dates by patterns, fields from metadata and columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from omnilake.generation import Usage
from omnilake.generation.sentences import Unit, UnitKind, claimable, fold, split
from omnilake.generation.words import tidy
from omnilake.insights import dates, entities, fields, phrases
from omnilake.insights.excerpt import GAP, Excerpt, centrality
from omnilake.insights.provider import Wanted
from omnilake.insights.schema import MAX_DATES, MAX_ENTITIES, MAX_TAGS, Extraction, distinct
from omnilake.models import ExtractedDocument, Processor, Segment, SegmentKind

METHOD = "deterministic-1"
"""Changes with every change that gives other insights of the same document."""

MAX_PHRASES = 8
SUMMARY_SENTENCES = 4
SUMMARY_CHARACTERS = 1_200
SAME_SHARE = 0.6
"""A sentence that shares more of its terms with one chosen before says the same again."""

_PHRASED = {Processor.PROSE, Processor.CONVERSATION, Processor.TRANSCRIPT}
"""Rows and code have no phrases of their own: their words are names of columns and variables."""

_MARKUP = re.compile(r"[*`_~|]+|^#{1,6}\s+|\[([^\]]*)\]\([^)]*\)", re.M)
_KEYWORD_NAMES = ("keywords", "tags", "subject")


class DeterministicProvider:
    """See the module. Costs nothing."""

    name = "deterministic"
    model = "deterministic"
    prompt_version = METHOD
    remote = False

    def extract(self, document: ExtractedDocument, excerpt: Excerpt, wanted: Wanted) -> tuple[Extraction, Usage]:
        """Insights of one document; never fails for what the document says."""
        text = _prose(document, excerpt)
        units = claimable(text) or [unit for unit in split(text) if unit.kind != UnitKind.HEADING] or split(text)
        sentences = [_plain(document, text[unit.start : unit.end]) for unit in units]
        headings = _headings(document, excerpt)
        language = document.metadata.get("language", "")[:2].casefold() or phrases.language_of(text)
        extraction = Extraction(
            title=_title(document, text, units),
            summary=_summary(document, text, units, language),
            tags=_tags(document, wanted, headings, excerpt.text, sentences, language),
            entities=entities.find(document, excerpt.text, sentences, language, MAX_ENTITIES),
            dates=_dates(document, excerpt.text),
            fields=fields.find(document, wanted.schema),
        )
        return extraction, Usage()


def _read(document: ExtractedDocument, excerpt: Excerpt) -> Iterator[Segment]:
    """Segments of which something is read."""
    spans = iter(excerpt.spans)
    span = next(spans, None)
    for segment in document.segments:
        while span and span[1] <= segment.start:
            span = next(spans, None)
        if span is None:
            return
        if segment.end > span[0]:
            yield segment


def _prose(document: ExtractedDocument, excerpt: Excerpt) -> str:
    """What is read, without code and tables when the document is mainly something else."""
    left_out = {SegmentKind.CODE, SegmentKind.TABLE, SegmentKind.ROW}
    segments = list(_read(document, excerpt))
    if document.processor not in _PHRASED or all(segment.kind in left_out for segment in segments):
        return excerpt.text.replace(GAP, "\n\n")
    parts = []
    spans = iter(excerpt.spans)
    span = next(spans)
    for segment in segments:
        while span[1] <= segment.start:
            span = next(spans)
        if segment.kind not in left_out:
            parts.append(document.text[max(segment.start, span[0]) : min(segment.end, span[1])])
    return "\n\n".join(parts)


def _headings(document: ExtractedDocument, excerpt: Excerpt) -> str:
    """Title and headings, a line each."""
    found = (each for each in _read(document, excerpt) if each.kind == SegmentKind.HEADING)
    return "\n".join([document.title, *(document.text[each.start : each.end] for each in found)])


def _plain(document: ExtractedDocument, sentence: str) -> str:
    """A sentence without markup, and without the name of who says it."""
    if document.processor in {Processor.TRANSCRIPT, Processor.CONVERSATION}:
        sentence = re.sub(r"^[^\n:]{1,80}: ", "", sentence)
    return _MARKUP.sub(r" \1 ", sentence)


def _title(document: ExtractedDocument, text: str, units: list[Unit]) -> str:
    first = text[units[0].start : units[0].end] if units else ""
    return (tidy(document.title) or tidy(first))[:300] or "Untitled"


def _summary(document: ExtractedDocument, text: str, units: list[Unit], language: str) -> str:
    """Sentences word for word, in the document's order."""
    told = [fold(text[unit.start : unit.end]) for unit in units]
    if not told:
        return tidy(document.title) or "Untitled"
    terms = [phrases.content_terms(each, language) for each in told]
    wanted = SUMMARY_SENTENCES if document.processor in _PHRASED else 1
    chosen = [0]
    scores = centrality(terms)
    for number in sorted(range(1, len(told)), key=lambda each: -scores[each]):
        if len(chosen) >= wanted:
            break
        if all(_alike(terms[number], terms[other]) <= SAME_SHARE for other in chosen):
            chosen.append(number)
    summary = tidy(told[0])[:SUMMARY_CHARACTERS]
    for number in sorted(chosen[1:]):
        if len(summary) + len(told[number]) < SUMMARY_CHARACTERS:
            summary += " " + tidy(told[number])
    return summary or tidy(document.title) or "Untitled"


def _alike(some: list[str], others: list[str]) -> float:
    shorter = min(len(set(some)), len(set(others)))
    return len(set(some) & set(others)) / shorter if shorter else 1.0


def _tags(
    document: ExtractedDocument, wanted: Wanted, headings: str, text: str, sentences: list[str], language: str
) -> list[str]:
    """Hints that fit, then the document's own keywords, then key phrases."""
    own = [
        part
        for name in _KEYWORD_NAMES
        for part in re.split(r"[;,]", document.metadata.get(name, ""))
        if name != "subject" or len(part.split()) <= phrases.MAX_WORDS
    ]
    hinted = phrases.fitting(wanted.tag_hints, "\n".join([headings, *own]), text)
    found = phrases.key_phrases(sentences, language, MAX_PHRASES) if document.processor in _PHRASED else []
    # A hint is given by the rule above alone: naming it once must not bring it in as a phrase.
    refused = {tidy(hint).casefold() for hint in wanted.tag_hints} - {hint.casefold() for hint in hinted}
    clean = [
        tag
        for tag in distinct([*hinted, *own, *found])
        if len(tag) <= 64 and not re.search(r"[<>]", tag) and tag.casefold() not in refused
    ]
    return clean[: max(MAX_TAGS, len(hinted))][:50]


def _dates(document: ExtractedDocument, text: str) -> list[str]:
    """Of the metadata first: they are the document's own."""
    stated = "\n".join(document.metadata.get(name, "") for name in ("date", "created", "modified", "published"))
    return list(dict.fromkeys([*dates.find(stated, MAX_DATES), *dates.find(text, MAX_DATES)]))[:MAX_DATES]
