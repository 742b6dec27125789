"""Executions of state machines, started once under a name of their own."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from omnilake import aws
from omnilake.errors import TransientError


def start_once(machine_arn: str, name: str, event: dict[str, Any]) -> bool:
    """Start an execution unless one of that name was ever started.

    Returns:
        False when there was one already. (While that one runs, Step Functions answers the same call as if it had
        started it: then True comes again.)

    Raises:
        TransientError: it could not be started now.
    """
    try:
        aws.client("stepfunctions").start_execution(stateMachineArn=machine_arn, name=name, input=json.dumps(event))
    except ClientError as error:
        if aws.error_code(error) == "ExecutionAlreadyExists":
            return False
        raise TransientError(f"The execution could not be started: {aws.error_code(error)}.") from error
    return True


def stop(execution_arn: str, error: str, cause: str) -> None:
    """Stop an execution; nothing happens when it has ended, or has not been started.

    Args:
        execution_arn: of it.
        error: error name that it ends with.
        cause: why, without content.

    Raises:
        TransientError: it could not be stopped now.
    """
    try:
        aws.client("stepfunctions").stop_execution(executionArn=execution_arn, error=error, cause=cause)
    except ClientError as failure:
        if aws.error_code(failure) in {"ExecutionDoesNotExist", "ValidationException"}:
            return
        raise TransientError(f"The execution could not be stopped: {aws.error_code(failure)}.") from failure
