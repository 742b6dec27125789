"""What functions that work off SQS queues share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from omnilake import aws

logger = Logger(child=True)

FIRST_PAUSE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 120


def redeliver_soon(queue_url: str, records: Iterable[dict[str, Any]]) -> None:
    """Bring messages that go back to their queue forward: 5 s after their first receive, twice as long each time.

    Otherwise they would wait for the queue's visibility timeout, which is six times as long as the function may run.
    Where it can't be shortened, they do.

    Args:
        queue_url: of the queue.
        records: SQS records of the event (``receiptHandle``, ``attributes.ApproximateReceiveCount``).
    """
    for record in records:
        received = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (received - 1), LONGEST_PAUSE_SECONDS)
        try:
            aws.client("sqs").change_message_visibility(
                QueueUrl=queue_url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=pause
            )
        except ClientError as error:
            logger.warning("visibility not shortened", extra={"error_code": aws.error_code(error)})
        except BotoCoreError as error:  # the network: a failure here would send the batch's good messages back too
            logger.warning("visibility not shortened", extra={"error_code": type(error).__name__})
