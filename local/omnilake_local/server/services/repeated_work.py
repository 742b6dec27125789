"""What ministack works out anew at every call though it can't have changed.

Of an HTTP API with 74 routes it compiles each route's pattern, and that twice a call: 0.4 ms, a tenth of all that the
embedded cloud does for a call of OmniLake's API. A query splits its condition into tokens once more for every item that
it looks at, checks the same grammar again and again, and every response formats the same date. Unnecessary once
ministack keeps these itself.
"""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from functools import lru_cache

from ministack import app
from ministack.services import apigateway, dynamodb

_PARAMETER = re.compile(r"\{([^}]+)\}")


@lru_cache(maxsize=4096)
def route_pattern(route_path: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A route's path as a regular expression, and the names of its groups; a name with ``+`` takes slashes too.

    Source: "Create routes for HTTP APIs in API Gateway",
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """
    literals_and_names = _PARAMETER.split(route_path)
    names = literals_and_names[1::2]
    pattern = re.escape(literals_and_names[0])
    for name, literal in zip(names, literals_and_names[2::2], strict=True):
        pattern += ("(.+)" if name.endswith("+") else "([^/]+)") + re.escape(literal)
    return re.compile(pattern), tuple(name.removesuffix("+") for name in names)


def path_parameters(route_path: str, request_path: str) -> dict[str, str] | None:
    """Parameters that a request's path has by a route; None where the route is another."""
    pattern, names = route_pattern(route_path)
    found = pattern.fullmatch(request_path)
    return None if found is None else dict(zip(names, found.groups(), strict=True))


@lru_cache(maxsize=1)
def _date_of(second: int, *, localtime: bool, usegmt: bool) -> str:
    return formatdate(second, localtime=localtime, usegmt=usegmt)


def date_now(timeval: float | None = None, localtime: bool = False, usegmt: bool = False) -> str:
    """As ``email.utils.formatdate``; made once a second."""
    return _date_of(int(time.time() if timeval is None else timeval), localtime=localtime, usegmt=usegmt)


def install() -> None:
    """Keep them."""
    apigateway._extract_path_params = path_parameters
    dynamodb._condition_syntax_error = lru_cache(maxsize=4096)(dynamodb._condition_syntax_error)
    dynamodb._tokenize = lru_cache(maxsize=4096)(dynamodb._tokenize)  # who gets the tokens changes none
    size_of_number = lru_cache(maxsize=65_536)(dynamodb._number_size_bytes)
    dynamodb._number_size_bytes = lambda text: size_of_number(str(text))
    app.formatdate = date_now
