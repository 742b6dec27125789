"""How much a response may hold: Lambda hands over at most 6 MB, and API Gateway makes a 500 of what is more.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (invocation payload, synchronous). The limit is
on the function's whole result, in which the body is a JSON string: its quotes and line ends are escaped once more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_RESPONSE_BYTES = 6 * 1024 * 1024

_OTHER_BYTES = 16 * 1024
"""Of a result besides what is measured: status, headers, the other fields of a body."""

_MOST_A_CHARACTER = 14
"""Bytes: an emoji as two surrogates, each escaped, the backslashes of both escaped again."""


def fits(response: Mapping[str, Any]) -> bool:
    """Whether a function's result can be handed over.

    It is measured as ASCII: runtimes before Python 3.12 hand it over so, and others in less.
    """
    body = response.get("body") or ""
    most = len(body) * (_MOST_A_CHARACTER - 2) + _OTHER_BYTES
    return most <= MAX_RESPONSE_BYTES or len(json.dumps(response)) <= MAX_RESPONSE_BYTES


def holds(body: str) -> bool:
    """Whether a response can hold a body."""
    return fits({"body": body, "headers": " " * _OTHER_BYTES})


def fitting(text: str) -> str:
    """The longest beginning of a text, or nearly, that a response can hold as a field of its body."""
    while len(text) * _MOST_A_CHARACTER > _TEXT_BYTES:
        size = len(json.dumps(json.dumps(text, ensure_ascii=False)))
        if size <= _TEXT_BYTES:
            break
        text = text[: len(text) * _TEXT_BYTES // size]
    return text


_TEXT_BYTES = MAX_RESPONSE_BYTES - _OTHER_BYTES
