"""JSONata for moto's interpreter, evaluated by ``jsonata-python``.

moto writes ``$states`` and all variables into the expression's text and parses that text for each evaluation,
which costs milliseconds a kilobyte and breaks on a variable that holds a quote or a line break. Here an
expression is compiled once, kept, and evaluated with the values bound. Unnecessary once moto evaluates
JSONata in Python with bindings.

Functions that Step Functions adds to JSONata are described at
https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html#transforming-data-jsonata
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import uuid
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jsonata import Jsonata
from jsonata.utils import Utils
from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

_NULL = Utils.NULL_VALUE
_LARGEST_EXACT_INTEGER = 2**53
_DIGESTS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}

# moto's pattern also matches a lone $ and $$, and refuses both; Step Functions allows $ inside predicates
_VARIABLE_REFERENCE = re.compile(
    r"(?:\/(?:\\.|[^\\/])*\/[a-zA-Z]*)"
    r"|(?:\"(?:\\.|[^\"\\])*\"|\'(?:\\.|[^\'\\])*\')"
    r"|(\$[A-Za-z0-9_$]+(?:\.[A-Za-z0-9_][A-Za-z0-9_$]*)*)"
)


class QueryEvaluationError(Exception):
    """An expression could not be evaluated; the text says why."""


def partition(array: Any, size: float) -> list[list[Any]]:
    """``$partition``: chunks of ``size`` items, the last one perhaps shorter."""
    items, step = array if isinstance(array, list) else [array], int(size)
    if step < 1:
        raise ValueError("$partition needs a positive chunk size")
    return [items[start : start + step] for start in range(0, len(items), step)]


def number_range(first: float, last: float, step: float = 1) -> list[int]:
    """``$range``: first, first + step, … up to and including last."""
    if int(step) == 0:
        raise ValueError("$range needs a step other than zero")
    return list(range(int(first), int(last) + (1 if step > 0 else -1), int(step)))


def digest(text: str, algorithm: str) -> str:
    """``$hash``: hexadecimal digest by MD5, SHA-1, SHA-256, SHA-384 or SHA-512."""
    if algorithm not in _DIGESTS:
        raise ValueError(f"$hash does not know the algorithm {algorithm}")
    return hashlib.new(_DIGESTS[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def random_number(seed: Any = None) -> float:
    """``$random``: a number in [0, 1), the same one for the same seed."""
    return (random.Random(seed) if seed is not None else random).random()  # noqa: S311 - no secret


STEP_FUNCTIONS_EXTRAS: Mapping[str, Any] = {
    "partition": Jsonata.JLambda(partition),
    "range": Jsonata.JLambda(number_range),
    "hash": Jsonata.JLambda(digest),
    "uuid": Jsonata.JLambda(lambda: str(uuid.uuid4())),
    "random": Jsonata.JLambda(random_number),
    "parse": Jsonata.JLambda(lambda text: _to_jsonata(json.loads(text))),
}


class UndefinedType:
    """The type of ``UNDEFINED``: the expression selected nothing."""

    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED = UndefinedType()


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    """Value of a JSONata expression with ``variables`` bound (names without ``$``).

    Returns plain JSON values, ``None`` for null and ``UNDEFINED`` where the expression selects nothing.
    Raises ``QueryEvaluationError`` for whatever goes wrong inside.
    """
    spare = _compiled(expression)
    try:
        program = spare.pop() if spare else Jsonata(expression)
        program.output_convert_nulls = False
        # library functions reach the running program through this thread-local
        Jsonata.CURRENT.jsonata = program
        bindings = {name: _to_jsonata(value) for name, value in variables.items()}
        result = program.evaluate(None, {**STEP_FUNCTIONS_EXTRAS, **bindings})
        value = UNDEFINED if result is None else _from_jsonata(result)
    except Exception as error:
        raise QueryEvaluationError(str(error)) from error
    spare.append(program)
    return value


@lru_cache(maxsize=4096)
def _compiled(_expression: str) -> deque[Jsonata]:
    """Idle compiled programs of an expression; one program serves one evaluation at a time."""
    return deque(maxlen=64)


def _to_jsonata(value: Any) -> Any:
    if value is None:
        return _NULL
    if isinstance(value, dict):
        return {key: _to_jsonata(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_jsonata(item) for item in value]
    return value


def _from_jsonata(value: Any) -> Any:
    if value is _NULL or value is None:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_EXACT_INTEGER:
        return int(value)
    if isinstance(value, dict):
        return {key: _from_jsonata(item) for key, item in value.items()}
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | range):
        return [_from_jsonata(item) for item in value]
    raise QueryEvaluationError("the expression returned a value that is not JSON")


def _scope(env: Environment) -> dict[str, Any]:
    states = env.states._states_data
    # the context holds datetimes, which JSONata is to see as text
    context = json.loads(to_json_str(states["context"]))
    named = {"input": states["input"], "context": context}
    for optional in ("result", "errorOutput"):
        if states.get(optional) is not None:
            named[optional] = states[optional]
    store = env.variable_store
    return {**store._outer_scope, **store._inner_scope, "states": named}


def _evaluation_failure(env: Environment, cause: str) -> FailureEventException:
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    details = EventDetails(
        evaluationFailedEventDetails=EvaluationFailedEventDetails(cause=cause, error=name.error_name)
    )
    event = FailureEvent(env=env, error_name=name, event_type=HistoryEventType.EvaluationFailed, event_details=details)
    return FailureEventException(failure_event=event)


def _eval_string_jsonata(self: StringJSONata, env: Environment) -> None:
    try:
        value = evaluate(self.expression, _scope(env))
    except QueryEvaluationError as error:
        cause = f"The JSONata expression '{self.expression}' could not be evaluated: {error}"
        raise _evaluation_failure(env, cause) from error
    if value is UNDEFINED:
        cause = f"The JSONata expression '{self.expression}' returned nothing (undefined)."
        raise _evaluation_failure(env, cause)
    env.stack.append(value)


def install() -> None:
    """Make moto's interpreter evaluate JSONata here."""
    StringJSONata._eval_body = _eval_string_jsonata
    moto_jsonata._PATTERN_VARIABLE_REFERENCE = _VARIABLE_REFERENCE
