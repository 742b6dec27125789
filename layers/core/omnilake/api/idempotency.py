"""The same POST under the same ``Idempotency-Key`` is done once; later ones get the first one's response.

Powertools' idempotency on a DynamoDB table, with the body's hash beside each key. Only responses that tell of something
done (2xx) are kept, and none that an item can't hold; imported only when a call has the header.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from omnilake.errors import IdempotencyKeyInvalid, IdempotencyMismatch, RequestInProgress
from omnilake.settings import settings

KEPT_S = 86_400
"""How long a response is kept."""

MOST_KEPT_BYTES = 300_000
"""Longest response that is kept: an item of DynamoDB holds 400 KB. Longer ones are of calls that read, or that wait for
an answer, whose request is found again by the key itself."""

_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class _NotKept(Exception):
    """Carries a response that a repeated call must not get."""

    def __init__(self, response: dict[str, Any]) -> None:
        super().__init__("not kept")
        self.response = response


def once(
    key: str, principal: str, route: str, body: str, context: Any, serve: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The response of ``serve``, or that of the first call under this key.

    Args:
        key: the header's value.
        principal: who calls: keys of two callers never meet.
        route: method and path; part of what must be the same.
        body: as it came; likewise.
        context: of the Lambda: a call that ended in a timeout may be repeated.
        serve: does it.

    Raises:
        IdempotencyKeyInvalid: too long, or not printable.
        IdempotencyMismatch: the key was used for another call.
        RequestInProgress: the first call has not ended.
    """
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
    from aws_lambda_powertools.utilities.idempotency.exceptions import (
        IdempotencyAlreadyInProgressError,
        IdempotencyValidationError,
    )

    if not _KEY.fullmatch(key):
        raise IdempotencyKeyInvalid("The Idempotency-Key is not 1 to 255 printable ASCII characters.")
    config = IdempotencyConfig(
        event_key_jmespath="[principal, key]",
        payload_validation_jmespath="[route, body]",
        raise_on_no_idempotency_key=True,
        expires_after_seconds=KEPT_S,
        hash_function="sha256",
        lambda_context=context,
    )

    def served(call: dict[str, str]) -> dict[str, Any]:
        response = serve()
        if not 200 <= int(response["statusCode"]) < 300 or len(json.dumps(response)) > MOST_KEPT_BYTES:
            raise _NotKept(response)
        return response

    keep = idempotent_function(
        data_keyword_argument="call", persistence_store=_store(), config=config, key_prefix="api"
    )
    try:
        kept: dict[str, Any] = keep(served)(call={"principal": principal, "key": key, "route": route, "body": body})
    except _NotKept as told:
        return told.response
    except IdempotencyValidationError as error:
        raise IdempotencyMismatch("The Idempotency-Key was used for another call.") from error
    except IdempotencyAlreadyInProgressError as error:
        raise RequestInProgress("The first call under this Idempotency-Key has not ended.", seconds=1) from error
    return kept


@cache
def _store() -> Any:
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

    from omnilake import aws

    return DynamoDBPersistenceLayer(
        table_name=settings().require("idempotency_table"),
        key_attr="idempotency_id",
        expiry_attr="expires_at",
        boto3_client=aws.client("dynamodb"),
    )
