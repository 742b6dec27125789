"""Claims by content: a node whose prompt, model, parameters, task and children are the same is paid for once.

The table says which addresses are known and until when; the claims lie in the lake, where a claim may have any size.
What an answer recalled is copied beside its other parts, so that a replay of it finds it there even when the memo has
forgotten it. A memo that does not take or give a node costs money, not the answer: it is logged.
"""

from __future__ import annotations

import time

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError
from pydantic import ValidationError

from omnilake import aws, layout
from omnilake.clock import now
from omnilake.models import Claim, InformationRequest, Model

logger = Logger(child=True)

_DAY_S = 86_400


class Remembered(Model):
    """What a node came to, and what that took."""

    claims: list[Claim]
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


def recall(job_id: str, request: InformationRequest, address: str, days: int) -> Remembered | None:
    """What is known of a node, None when it has to be made.

    Args:
        job_id: the answer that asks.
        request: its request. A replay knows what the replayed answer recalled, and nothing else.
        address: of the node.
        days: how long this deployment remembers; 0: not at all.
    """
    if request.replay_of:
        found = _read(layout.recalled(request.replay_of, address))
    elif days and _is_known(address):
        found = _read(layout.remembered(address))
    else:
        found = None
    if found is not None:
        aws.lake().write_model(layout.recalled(job_id, address), found)
    return found


def remember(request: InformationRequest, address: str, value: Remembered, days: int) -> None:
    """Keep what a node came to, for whoever needs the same again. A replay leaves nothing behind."""
    if not days or request.replay_of:
        return
    try:
        key = aws.lake().write_model(layout.remembered(address), value)
        aws.table("compaction_memo_table").put(
            {
                "address": address,
                "claims_key": key,
                "created_at": now(),
                "expires_at": int(time.time()) + days * _DAY_S,
            }
        )
    except ClientError as error:
        logger.warning("a node was not remembered", extra={"error_code": aws.error_code(error)})


def _is_known(address: str) -> bool:
    try:
        item = aws.table("compaction_memo_table").get({"address": address})
    except ClientError as error:
        logger.warning("the memo did not answer", extra={"error_code": aws.error_code(error)})
        return False
    # DynamoDB deletes expired items within days, not at once.
    return item is not None and int(item["expires_at"]) > time.time()


def _read(key: str) -> Remembered | None:
    try:
        return aws.lake().find_model(key, Remembered)
    except ClientError as error:
        logger.warning("the memo did not give a node", extra={"error_code": aws.error_code(error)})
        return None
    except ValidationError:
        logger.warning("the memo holds a node of another form")
        return None
