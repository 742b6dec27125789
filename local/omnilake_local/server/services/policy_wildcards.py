"""Wildcards of IAM policies that match any character.

``*`` and ``?`` stand for line breaks too, which S3 keys may have; ministack makes regular expressions of them that stop
there, so that a role is denied an object that it may use. Unnecessary once ``_fnmatch_compile`` compiles with
``re.DOTALL``.
"""

from __future__ import annotations

import re

from ministack.core import iam_evaluator

_KEPT: dict[tuple[str, bool], re.Pattern[str]] = {}
_MOST_KEPT = 4096


def compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """A regular expression that matches what an IAM pattern matches."""
    known = _KEPT.get((pattern, ignore_case))
    if known is not None:
        return known
    parts = [{"*": ".*", "?": "."}.get(character) or re.escape(character) for character in pattern]
    made = re.compile(rf"\A{''.join(parts)}\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))
    if len(_KEPT) < _MOST_KEPT:
        _KEPT[pattern, ignore_case] = made
    return made


def install() -> None:
    """Replace ministack's translation of patterns."""
    iam_evaluator._fnmatch_compile = compiled
