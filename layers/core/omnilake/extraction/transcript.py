"""Transcripts: WebVTT and SRT subtitles, and plain text in which each turn names its speaker.

Subtitles become ``Speaker: text`` lines, one a turn, with the time of the turn's first cue; a plain transcript stays
as it is. WebVTT: https://www.w3.org/TR/webvtt1/ .
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

from omnilake.errors import CorruptDocument
from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.structure import SpanRecorder, TextRecorder, fold
from omnilake.models import ExtractedDocument, SegmentKind

_VTT_TITLE = re.compile(r"WEBVTT[ \t]+(?:-[ \t]*)?(?P<title>\S[^\n]*)")
_CUE_TIMING = re.compile(
    r"^\s*(?:(?P<h>\d{1,4}):)?(?P<m>\d{1,2}):(?P<s>\d{2})[.,](?P<ms>\d{1,3})\s*-->\s*(?:\d{1,4}:)?\d{1,2}:\d{2}[.,]\d{1,3}"
)
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+(?P<name>[^<>]+)>")
_TAG = re.compile(r"</?[a-zA-Z0-9][^<>]*>|<(?:\d+:)?\d{2}:\d{2}\.\d{3}>")
_NAME = r"[A-Z\u00c0-\u1fff\u3040-\uffdc][^\s:,;.!?()\[\]<>]*\.?(?:[ \t][^\s:,;!?()\[\]<>]{1,24}){0,3}"
_SPOKEN = re.compile(rf"^(?P<name>{_NAME}):\s+(?P<words>\S.*)$", re.S)
_TIME = r"(?:(?P<h>\d{1,3}):)?(?P<m>\d{1,2}):(?P<s>\d{2})(?:[.,]\d{1,3})?"
_TURN = re.compile(
    rf"^[^\S\n]*(?:\[{_TIME}\]|\({_TIME.replace('<h>', '<h2>').replace('<m>', '<m2>').replace('<s>', '<s2>')}\)"
    rf"|{_TIME.replace('<h>', '<h3>').replace('<m>', '<m3>').replace('<s>', '<s3>')}(?=[\s-]))?"
    rf"[^\S\n]*-?[^\S\n]*(?P<name>{_NAME})[^\S\n]*:(?=\s)",
    re.M,
)
_LINE = re.compile(r"^[^\S\n]*\S", re.M)

_TURN_CHARACTERS = 400
"""Cues of one speaker are joined to turns of about this length, so that a turn's time stays near its words."""
_MIN_TURNS = 4
_MIN_TURN_SHARE = 0.6
_SAMPLE_CHARACTERS = 256 * 1024


@dataclass(frozen=True, slots=True)
class Cue:
    """Words on the screen from a time on, in seconds."""

    time_s: float
    speaker: str | None
    words: str


def read_subtitles(text: str, title: str, media_type: str, limits: ExtractionLimits) -> ExtractedDocument:
    """Document of a normalised WebVTT or SRT text.

    Args:
        title: used when the WebVTT header line holds no text of its own.
    Raises:
        CorruptDocument: it has text and no cue.
        NoTextFound: no cue holds words.
        DocumentTooLarge: more text or turns than the limits allow.
    """
    recorder = TextRecorder(limits)
    turn: list[Cue] = []
    length = 0
    any_cue = False
    for cue in cues(text):
        any_cue = True
        if turn and (cue.speaker != turn[0].speaker or length >= _TURN_CHARACTERS):
            _add_turn(recorder, turn)
            turn, length = [], 0
        turn.append(cue)
        length += len(cue.words) + 1
    _add_turn(recorder, turn)
    if not any_cue and text.strip().removeprefix("WEBVTT").strip():
        raise CorruptDocument("The subtitles have no cue with a valid time.")
    named = _VTT_TITLE.match(text)
    return recorder.finish(media_type, fold(named["title"]) if named else title)


def _add_turn(recorder: TextRecorder, turn: list[Cue]) -> None:
    words = " ".join(cue.words for cue in turn if cue.words)
    if words:
        speaker = turn[0].speaker
        line = f"{speaker}: {words}" if speaker else words
        recorder.add(line, SegmentKind.TURN, speaker=speaker, time_s=turn[0].time_s)


def cues(text: str) -> Iterator[Cue]:
    """Cues of a WebVTT or SRT text in file order. Notes, styles, regions and cue identifiers are left out."""
    time_s: float | None = None
    lines: list[str] = []
    for block in re.split(r"\n[^\S\n]*\n", text):
        block_lines = block.strip("\n").split("\n")
        timings = [number for number, line in enumerate(block_lines) if _CUE_TIMING.match(line)]
        if not timings:
            # An empty line inside a cue's words: what follows still belongs to the cue.
            if time_s is not None and not block.lstrip().startswith(("NOTE", "STYLE", "REGION")):
                lines += block_lines
            continue
        for position, number in enumerate(timings):
            if time_s is not None:
                yield from _cue(time_s, lines)
            timing = _CUE_TIMING.match(block_lines[number])
            assert timing is not None  # noqa: S101 - found in the line above
            time_s = _seconds(timing["h"], timing["m"], timing["s"]) + int(timing["ms"].ljust(3, "0")) / 1000
            until = timings[position + 1] if position + 1 < len(timings) else len(block_lines)
            lines = block_lines[number + 1 : until]
    if time_s is not None:
        yield from _cue(time_s, lines)


def _cue(time_s: float, lines: list[str]) -> Iterator[Cue]:
    """One cue, or one for each voice in it."""
    source = "\n".join(lines)
    voices = list(_VOICE.finditer(source))
    if not voices:
        words = fold(unescape(_TAG.sub("", source)))
        spoken = _SPOKEN.match(words)
        yield Cue(time_s, spoken["name"], spoken["words"]) if spoken else Cue(time_s, None, words)
        return
    if before := fold(unescape(_TAG.sub("", source[: voices[0].start()]))):
        yield Cue(time_s, None, before)
    for number, voice in enumerate(voices):
        end = voices[number + 1].start() if number + 1 < len(voices) else len(source)
        yield Cue(time_s, fold(unescape(voice["name"])), fold(unescape(_TAG.sub("", source[voice.end() : end]))))


def _seconds(hours: str | None, minutes: str, seconds: str) -> float:
    return float(int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds))


def is_transcript(text: str) -> bool:
    """Whether most lines of a plain text begin a turn, and its speakers speak more than once.

    Lines such as ``Key: value`` are told apart by that: keys do not come again and again, unless each has a time.
    """
    sample = text[:_SAMPLE_CHARACTERS]
    turns = list(_TURN.finditer(sample))
    if len(turns) < _MIN_TURNS or len(turns) < _MIN_TURN_SHARE * len(_LINE.findall(sample)):
        return False
    speakers = Counter(turn["name"] for turn in turns)
    timed = sum(
        turn.group("m") is not None or turn.group("m2") is not None or turn.group("m3") is not None for turn in turns
    )
    return timed >= 0.8 * len(turns) or len(turns) >= 2 * len(speakers)


def read_transcript(text: str, title: str, limits: ExtractionLimits) -> ExtractedDocument:
    """Document of a normalised plain transcript: ``[00:01:02] Speaker: text`` or ``Speaker: text``, turn by turn.

    Raises:
        NoTextFound: white space alone.
        DocumentTooLarge: longer than the limits allow.
    """
    recorder = SpanRecorder(text, limits)
    previous: re.Match[str] | None = None
    for turn in _TURN.finditer(text):
        if previous is None:
            recorder.add(0, turn.start())
        else:
            _add_span(recorder, previous, turn.start())
        previous = turn
    if previous is not None:
        _add_span(recorder, previous, len(text))
    return recorder.finish("text/plain", title)


def _add_span(recorder: SpanRecorder, turn: re.Match[str], end: int) -> None:
    times = (turn.group("h", "m", "s"), turn.group("h2", "m2", "s2"), turn.group("h3", "m3", "s3"))
    time_s = next((_seconds(*time) for time in times if time[1] is not None), None)
    recorder.add(turn.start(), end, SegmentKind.TURN, speaker=turn["name"], time_s=time_s)
