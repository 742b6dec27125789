"""In: EventBridge's "Step Functions Execution Status Change" of an execution that failed, timed out or was aborted.
Out: whether its job was still open; the job and its documents are closed then."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from omnilake.closing import ExecutionStatusChange, close_job
from omnilake.handler import instrumented, parse_event


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    ended = parse_event(ExecutionStatusChange, event).detail
    return {"closed": close_job(ended.name, ended.status, ended.error or "", ended.cause or "")}
