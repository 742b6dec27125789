"""Secrets of AWS Secrets Manager, through Powertools parameters. Their values never leave the process."""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from omnilake import aws
from omnilake.errors import SourceError

MAX_AGE_S = 60
"""How long a value is kept in the process: a new key is in use after at most so many seconds."""


def read(name: str, max_age_s: int = MAX_AGE_S) -> str:
    """The text of a secret.

    Args:
        name: its name or ARN.
        max_age_s: a value read up to so many seconds ago will do; with 0 it is read anew.

    Raises:
        SourceError: it is not there, is not text, or may not be read by this function.
    """
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    try:
        value = _provider().get(name, max_age=max(max_age_s, 1), force_fetch=max_age_s == 0)
    except GetParameterError as error:
        cause = error.__context__  # Powertools' own message may hold more than is good for a log
        code = aws.error_code(cause) if isinstance(cause, ClientError) else type(cause).__name__
        raise SourceError(
            f"The secret {name} can't be read: {code}.",
            action="Create it in AWS Secrets Manager, under a name that this deployment may read.",
        ) from error
    if not isinstance(value, str):
        raise SourceError(f"The secret {name} holds no text.", action="Store its value as text, not as binary.")
    return value


@cache
def _provider() -> Any:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    return SecretsProvider(boto3_client=aws.client("secretsmanager"))
