"""In: messages of the upload queue, each an S3 "Object Created" event from EventBridge.
Out: the ids of messages that go back to the queue; the others' documents have executions under way."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from omnilake.handler import instrumented
from omnilake.ingest.intake import accept


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in accept(event["Records"])]}
