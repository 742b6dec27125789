"""What every Lambda handler shares: logging, tracing, metrics, parsing, and the job's progress.

A handler parses its event into a model, makes one call, and returns a few ids, counts and S3 keys::

    @state_handler(BatchEvent, state="Extract Text")
    def handler(event: BatchEvent) -> StageResult:
        return extract_text(event.job_id)

Events and results are never logged: they may hold keys named by users.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ValidationError

from omnilake.errors import InvalidStateInput, OmniLakeError

logger = Logger()
tracer = Tracer(auto_patch=False)
metrics = Metrics()

# A state that counts nothing of its own is no defect; Powertools would tell of each invocation on stderr.
warnings.filterwarnings("ignore", "No application metrics to publish", UserWarning)

E = TypeVar("E", bound=BaseModel)

Handler = Callable[[dict[str, Any], LambdaContext], Any]


def instrumented(function: Callable[[dict[str, Any], LambdaContext], Any]) -> Handler:
    """Powertools logger, tracer and metrics around a raw Lambda handler; nothing of event or result is recorded."""
    traced = tracer.capture_lambda_handler(function, capture_response=False, capture_error=False)
    logged = logger.inject_lambda_context(traced, log_event=False, clear_state=True)
    measured: Handler = metrics.log_metrics(logged, capture_cold_start_metric=True)
    return measured


def state_handler(model: type[E], *, state: str) -> Callable[[Callable[[E], BaseModel]], Handler]:
    """Make a Lambda handler of a function from an event model to a result model.

    Args:
        model: pydantic model of the event.
        state: the state's name as the console shows it; goes into logs and the job's progress.

    Raises (out of the handler, as Step Functions error names):
        InvalidStateInput: the event does not fit the model.
        OmniLakeError subclasses: what the function raises, logged with its code.
    """

    def decorate(function: Callable[[E], BaseModel]) -> Handler:
        @functools.wraps(function)
        def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
            parsed = parse_event(model, event)
            job_id = getattr(parsed, "job_id", "")
            logger.append_keys(state=state, job_id=job_id)
            metrics.add_metadata(key="state", value=state)
            try:
                result = function(parsed)
            except OmniLakeError as error:
                logger.warning("state failed", extra={"error_code": error.code, "error_type": type(error).__name__})
                metrics.add_metric(name="StateErrors", unit=MetricUnit.Count, value=1)
                raise
            return result.model_dump(mode="json")

        return instrumented(handle)

    return decorate


def parse_event(model: type[E], event: Any) -> E:
    """Event as its model.

    Raises:
        InvalidStateInput: names the fields at fault, not their values.
    """
    try:
        return model.model_validate(event)
    except ValidationError as error:
        fields = sorted({".".join(str(part) for part in each["loc"]) + f" ({each['type']})" for each in error.errors()})
        raise InvalidStateInput(f"The event does not fit {model.__name__}: {', '.join(fields)}.") from error
