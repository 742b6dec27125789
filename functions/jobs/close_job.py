"""In: EventBridge's "Step Functions Execution Status Change" of an execution that failed, timed out or was aborted.
Out: whether its job was still open; the job and its documents are closed then."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from omnilake.closing import close_job
from omnilake.handler import instrumented


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    detail = event["detail"]
    closed = close_job(detail["name"], detail["status"], detail.get("error") or "", detail.get("cause") or "")
    return {"closed": closed}
