"""Bytes to text, without mojibake: UTF-8, UTF-16 and UTF-32, a declared encoding, or one that is beyond doubt."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter

from omnilake.errors import InvalidEncoding, UnsupportedDocumentType

_BOMS = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 64 * 1024
_MAX_CONTROL_SHARE = 0.02
_MIN_LEGACY_BYTES = 48
"""Fewer bytes beyond ASCII say too little about which legacy encoding it is."""
_MIN_MISMARKED_BYTES = 16
_MAX_CHAOS = 0.02
_MIN_COHERENCE = 0.4
_LATIN_ENCODINGS = ("cp1252", "cp1250", "cp1254", "cp1257")

# What never stands in text: C0 controls but for tab, line ends, form feed, escape and backspace.
_CONTROL = re.compile(rb"[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f]")
_C1_OR_UNASSIGNED = re.compile("[\x80-\x84\x86-\x9f\ufffd\ue000-\uf8ff]")
_MIXED_CASE = re.compile("[α-ωа-яё][Α-ΩА-ЯЁ]")  # Cyrillic and Greek read by a wrong table mix cases within words
_VALID_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def has_unicode_mark(data: bytes) -> bool:
    """Whether the data begins with a byte order mark."""
    return any(data.startswith(mark) for mark, _ in _BOMS)


def looks_binary(data: bytes) -> bool:
    """Whether bytes are no text in any encoding: too many control characters, and not UTF-16 or UTF-32."""
    if has_unicode_mark(data) or _unmarked_utf16(data):
        return False
    # Beginning, middle and end: a file may have a readable head.
    third = _SAMPLE_BYTES // 3
    middle = len(data) // 2
    sample = data if len(data) <= _SAMPLE_BYTES else data[:third] + data[middle : middle + third] + data[-third:]
    return len(_CONTROL.findall(sample)) > _MAX_CONTROL_SHARE * len(sample)


def decode(data: bytes, declared: str | None = None) -> str:
    """Text of the bytes.

    Args:
        data: not empty.
        declared: an encoding that the document itself names (HTML's charset), tried after UTF-8.
    Raises:
        InvalidEncoding: not valid UTF-8 (or what its byte order mark or declaration says), and no other encoding is
            beyond doubt.
        UnsupportedDocumentType: binary data.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            if encoding == "utf-16" and _is_utf8(data[len(mark) :]):
                raise InvalidEncoding("The text begins as UTF-16 and is UTF-8.")
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                named = encoding.removesuffix("-sig").upper()
                raise InvalidEncoding(f"The text begins as {named} and is not valid at byte {error.start}.") from None
    if looks_binary(data):
        raise UnsupportedDocumentType("The content is binary data of no known type.")
    if encoding16 := _unmarked_utf16(data):
        return data.decode(encoding16)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        invalid = error
    text = _declared(data, declared) or _legacy(data, invalid)
    if text is None:
        raise InvalidEncoding(f"The text is not valid UTF-8 at byte {invalid.start}, and its encoding is not known.")
    return text


def _is_utf8(data: bytes) -> bool:
    """Whether bytes behind a mark of UTF-16 are UTF-8 beyond doubt: UTF-16 has zero bytes in any text with blanks or
    digits, and sixteen bytes of it in other scripts are not valid UTF-8 by chance."""
    if len(data) < _MIN_MISMARKED_BYTES or b"\x00" in data:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _unmarked_utf16(data: bytes) -> str | None:
    """UTF-16 without a mark shows as zero bytes at every other place; accepted only when all of it decodes to text."""
    sample = data[:_SAMPLE_BYTES]
    if len(data) % 2 or len(data) < 4 or b"\x00" not in sample:
        return None
    half = len(sample) // 2
    zeros = {"utf-16-le": sample[1::2].count(0), "utf-16-be": sample[0::2].count(0)}
    other = {"utf-16-le": sample[0::2].count(0), "utf-16-be": sample[1::2].count(0)}
    for encoding, count in zeros.items():
        if count > 0.6 * half and not other[encoding]:
            try:
                text = data.decode(encoding)
            except UnicodeDecodeError:
                return None
            return encoding if _is_text(text) else None
    return None


def _is_text(text: str) -> bool:
    head = text[:_SAMPLE_BYTES]
    odd = sum(not (character.isprintable() or character.isspace()) for character in head)
    return odd <= _MAX_CONTROL_SHARE * len(head)


def _declared(data: bytes, declared: str | None) -> str | None:
    if not declared:
        return None
    try:
        name = codecs.lookup(declared).name
        # Browsers read both names as Windows-1252, and so do the authors of such pages.
        text = data.decode("cp1252" if name in {"iso8859-1", "ascii"} else name)
    except (LookupError, UnicodeDecodeError, TypeError):
        return None
    return text if isinstance(text, str) and not _C1_OR_UNASSIGNED.search(text) else None


def _legacy(data: bytes, invalid: UnicodeDecodeError) -> str | None:
    """Text in a legacy encoding when it is beyond doubt, or None.

    Damaged UTF-8 is told apart first: single-byte encodings accept any bytes, so that it would come out as mojibake.
    charset-normalizer knows scripts well (Cyrillic, Greek, Japanese …) but takes French in Windows-1252 for Baltic with
    no less confidence than the truth; so text in Latin script is accepted only when the encodings of Western, Central
    and Northern Europe and of Turkey give the same text (German and Finnish do, French does not).
    """
    if invalid.reason == "unexpected end of data":
        return None
    high = data.translate(None, delete=bytes(range(128)))
    valid = sum(map(len, _VALID_MULTIBYTE.findall(data)))
    if valid > 0.6 * len(high):
        return None
    from charset_normalizer import from_bytes

    # A window around the first bytes that are not ASCII says more than the head of a long English preamble.
    start = max(0, invalid.start - _SAMPLE_BYTES // 2)
    match = from_bytes(data[start : start + _SAMPLE_BYTES]).best()
    if match is None or match.chaos > _MAX_CHAOS:
        return None
    text = _strictly(data, match.encoding)
    if text is None:
        return None
    beyond_ascii = [character for character in text[:_SAMPLE_BYTES] if character > "\x7f"]
    letters = [character for character in beyond_ascii if character.isalpha()]
    latin = sum("\u00c0" <= character <= "\u024f" for character in letters)
    if latin > 0.1 * len(letters) or not letters:
        # DOS and Macintosh letters come out as quotation marks and dashes: then nothing is certain.
        certain = len(letters) == len(beyond_ascii) and match.coherence >= _MIN_COHERENCE and _latin_agrees(data, text)
    else:
        certain = len(high) >= _MIN_LEGACY_BYTES and _one_script(letters) and not _MIXED_CASE.search(text)
    return text if certain else None


def _latin_agrees(data: bytes, text: str) -> bool:
    return all(_strictly(data, encoding) == text for encoding in _LATIN_ENCODINGS)


def _one_script(letters: list[str]) -> bool:
    """Whether nearly all letters are of one script: a wrong guess mixes scripts, or yields rare characters."""
    script, count = Counter(_script(letter) for letter in letters).most_common(1)[0]
    # Half-width katakana are what Cyrillic in KOI8-R looks like; nobody writes whole documents in them.
    return script != "HALFWIDTH" and count >= 0.95 * len(letters)


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "?").split(" ", 1)[0]
    return "JAPANESE-OR-HAN" if name in {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"} else name


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if _C1_OR_UNASSIGNED.search(text) else text
