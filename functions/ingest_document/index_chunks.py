"""In: up to ten messages of the index queue, staged batches of any number of executions.
Out: which of them go back to the queue; the executions are answered by their task tokens."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from omnilake.handler import instrumented
from omnilake.stores.indexing import index_messages


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return index_messages(event).model_dump()
