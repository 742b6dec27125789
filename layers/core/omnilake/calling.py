"""Functions of this deployment that change its state, called from others: one way to write, small roles."""

from __future__ import annotations

import json
from typing import Any

from omnilake import aws
from omnilake.errors import OmniLakeError, StageFailed, TransientError, by_name
from omnilake.settings import settings

TIMEOUT_S = 28.0
"""Longest wait: API Gateway gives up after 30 s."""

_BUSY = {429, 500, 502, 503, 504}


def call(setting: str, event: dict[str, Any]) -> Any:
    """What a function returns; it is called once.

    Args:
        setting: name of the setting that holds its ARN.
        event: JSON.

    Raises:
        OmniLakeError: what the function raised, as the class that it was there.
        TransientError: it could not be called, or gave no answer.
    """
    from botocore.exceptions import ClientError, HTTPClientError

    functions = aws.impatient_client("lambda", aws.region(), TIMEOUT_S)
    try:
        answer = functions.invoke(FunctionName=settings().require(setting), Payload=json.dumps(event).encode())
        told = json.loads(answer["Payload"].read())
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) not in _BUSY:
            raise
        raise TransientError("A function could not be called.", action="Send the call again.") from None
    except HTTPClientError:
        raise TransientError("A function gave no answer in time.", action="Send the call again.") from None
    if "FunctionError" in answer:
        raise remote_error(told if isinstance(told, dict) else {})
    return told


def remote_error(told: dict[str, Any]) -> OmniLakeError:
    """The error that a function raised, as the class it was there."""
    kind = by_name(str(told.get("errorType", "")))
    if kind is None:
        # Messages of foreign errors may quote what was being worked on.
        return StageFailed(f"A function ended with {told.get('errorType') or 'an unnamed error'}.")
    text = str(told.get("errorMessage", "")).removeprefix(f"{kind.code}: ")
    if text.endswith(kind.advice):
        return kind(text.removesuffix(kind.advice).strip())
    return kind(text, action=" ")  # its own advice stands in the text
