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
