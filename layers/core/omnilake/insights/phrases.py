"""Key phrases of a text, and whether tags that were hinted at fit it.

RAKE: Rose, Engel, Cramer and Cowley 2010, "Automatic keyword extraction from individual documents". Stop words of the
text's own language; languages written without spaces between words have none here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

from omnilake.generation.words import terms
from omnilake.insights.dates import NAMES_OF_TIME

MAX_WORDS, MIN_CHARACTERS, MAX_CHARACTERS = 3, 4, 60
SHORT_TEXT_WORDS = 150
"""In a text of fewer words a phrase may stand once."""

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "fi", "pl", "cs", "ru", "uk", "tr", "id")
_SAMPLE_CHARACTERS = 10_000
_ENOUGH_STOP_WORDS = 0.15


def language_of(text: str) -> str:
    """ISO 639-1 code of the language whose stop words are most frequent in a text; empty when none are.

    A guess good enough to choose stop words by.
    """
    sample = [word.casefold() for word in _WORD.findall(text[:_SAMPLE_CHARACTERS])]
    if not sample:
        return ""
    found = {code: sum(word in _stop_words(code) for word in sample) for code in _LANGUAGES}
    # English has by far the longest list here; the stable order settles equals.
    best = max(_LANGUAGES, key=lambda code: found[code] / len(sample) - len(_stop_words(code)) / 20_000)
    return best if found[best] / len(sample) >= _ENOUGH_STOP_WORDS else ""


def content_terms(text: str, language: str) -> list[str]:
    """Lower-case words of a text without endings and without small words of its language."""
    small = _small_terms(language)
    return [term for term in terms(text) if term not in small]


@cache
def _small_terms(language: str) -> frozenset[str]:
    return (
        frozenset(term for word in _stop_words(language) for term in terms(word))
        if language in _LANGUAGES
        else frozenset()
    )


def key_phrases(sentences: Sequence[str], language: str, limit: int) -> list[str]:
    """The best phrases of up to three words, in lower case, best first.

    Args:
        sentences: of the document, without markup.
        language: ISO 639-1; without stop words of it there are no phrases.
        limit: most phrases.
    """
    if language not in _LANGUAGES or not sentences:
        return []
    text = ".\n".join(" ".join(sentence.split()) for sentence in sentences)
    words = len(_WORD.findall(text))
    stop = _stop_words(language)
    # A stop word ends a phrase as a full stop does. The library would look for each with a pattern of all 1,300.
    parted = _WORD.sub(lambda found: " . " if found.group().casefold() in stop else found.group(), text)
    ranked = _rake().run(
        re.sub(r"[^\w\s.,;:!?'’()-]|_", " . ", parted),
        minCharacters=MIN_CHARACTERS,
        maxWords=MAX_WORDS,
        minFrequency=1 if words < SHORT_TEXT_WORDS else 2,
    )
    found: dict[tuple[str, ...], str] = {}
    for phrase, _ in sorted(ranked, key=lambda each: (-each[1], each[0])):
        if _is_phrase(phrase):
            found.setdefault(tuple(terms(phrase)), phrase)  # "gauge readings" and "gauge reading" are one
    return list(found.values())[:limit]


def _is_phrase(phrase: str) -> bool:
    words = phrase.split()
    return (
        len(phrase) <= MAX_CHARACTERS
        and all(any(character.isalpha() for character in word) for word in words)
        and any(len(word) >= MIN_CHARACTERS for word in words)
        and phrase[0].isalnum()
        and phrase[-1].isalnum()
    )


def fitting(hints: Sequence[str], headings: str, text: str) -> list[str]:
    """The hinted tags that a document bears out, in the hints' order: named in a heading, or twice in the text.

    Case and a plural's ending are ignored. Once in passing is not what a document is about.
    """
    found = []
    for hint in dict.fromkeys(" ".join(each.split()) for each in hints):
        if not any(character.isalnum() for character in hint):
            continue
        pattern = _pattern(hint)
        if pattern.search(headings) or len(pattern.findall(text)) > 1:
            found.append(hint)
    return found


def _pattern(hint: str) -> re.Pattern[str]:
    words = r"[\s_-]+".join(re.escape(word) for word in re.split(r"[\s_-]+", hint) if word)
    # Scripts without spaces have no word boundaries to look for.
    bounded = ord(max(hint)) < 0x2E80
    return re.compile(rf"(?<!\w){words}(?:e?s)?(?!\w)" if bounded else words, re.I)


@cache
def _stop_words(language: str) -> frozenset[str]:
    """Of one of ``_LANGUAGES``; none of another."""
    from stopwordsiso import stopwords

    words = stopwords(language) if language in _LANGUAGES else ()
    return frozenset(word for word in words if _WORD.fullmatch(word))


@cache
def _rake():  # type: ignore[no-untyped-def]  # the library has no annotations
    from RAKE import Rake

    return Rake(["\0"])  # no word: stop words are taken out before


def capitalised(sentences: Sequence[str], language: str) -> list[str]:
    """Names: runs of capitalised words that stand twice or more, at least once not at a sentence's beginning.

    In German every noun is capitalised, so a name there has two words or more. Most frequent first.
    """
    stop = _stop_words(language)
    runs: list[tuple[list[str], bool]] = []  # words, and whether a sentence begins with them
    for sentence in sentences:
        for match in _NAME.finditer(sentence):
            words = match.group().split()
            begins = not sentence[: match.start()].strip(_MARKS)
            while words and words[0].casefold() in stop:  # "The Harbour Office"
                words, begins = words[1:], False
            if words:
                runs.append((words, begins))
    inside = {" ".join(words) for words, begins in runs if not begins}
    counts: Counter[str] = Counter()
    for words, _ in runs:
        # "Yesterday Ada Lind left": what else is known inside of sentences is the name.
        tails = (" ".join(words[first:]) for first in range(len(words)))
        counts[next((tail for tail in tails if tail in inside), " ".join(words))] += 1
    return [name for name, count in counts.most_common() if count > 1 and name in inside and _is_name(name, language)]


def _is_name(name: str, language: str) -> bool:
    enough = " " in name if language == "de" else len(name) > 2
    return enough and name.casefold() not in NAMES_OF_TIME


_MARKS = " \t\"'“„«([*_#>-"
_CAPITAL = r"(?:[A-ZÀ-ÖØ-ÞĀ-ŽА-ЯΑ-Ω][\w’'&-]*)"
_NAME = re.compile(rf"(?<!\w){_CAPITAL}(?: {_CAPITAL}){{0,3}}")
