"""Keys of providers, from Secrets Manager or the Parameter Store, kept in memory for a while.

The template's parameters name one secret or one parameter. It holds a JSON object, provider → key, or a single key as
it is, which then serves whatever provider asks. Keys are never logged and stand in no error message.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from omnilake.errors import ProviderRejected, TransientError
from omnilake.settings import settings

MAX_AGE_S = 300
"""How long a key is kept before it is asked for again."""


def provider_key(provider: str, *, renew: bool = False) -> str:
    """The key of a provider; empty when the deployment names no place where keys are.

    Args:
        provider: whose.
        renew: ask again now: the key was refused, it may have been rotated.

    Raises:
        ProviderRejected: the secret does not exist, can't be read, or holds no key of that provider.
        TransientError: the service that holds it did not answer.
    """
    if not (settings().embedding_secret or settings().embedding_parameter):
        return ""
    text = _read(renew)
    if not text.lstrip().startswith("{"):
        return text.strip()
    try:
        keys: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise ProviderRejected("The secret with the providers' keys is no JSON object.", action=_ACTION) from error
    key = keys.get(provider)
    if not isinstance(key, str) or not key:
        raise ProviderRejected(f"The secret holds no key of {provider}.", action=_ACTION)
    return key


_ACTION = 'Put {"<provider>": "<key>"} into the secret that EmbeddingSecretName or EmbeddingParameterName names.'


def fingerprint(key: str) -> str:
    """What tells keys apart without telling them: 12 hex digits of the SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def _read(renew: bool) -> str:
    from aws_lambda_powertools.utilities import parameters
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    name = settings().embedding_secret
    try:
        if name:
            return str(parameters.get_secret(name, max_age=MAX_AGE_S, force_fetch=renew))
        name = settings().embedding_parameter
        return str(parameters.get_parameter(name, decrypt=True, max_age=MAX_AGE_S, force_fetch=renew))
    except GetParameterError as error:
        code = _error_code(error)
        if code in _REFUSALS:
            raise ProviderRejected(f"The keys in {name} can't be read: {code}.", action=_ACTION) from error
        raise TransientError(f"The keys in {name} could not be read: {code}.") from error


_REFUSALS = {
    "ResourceNotFoundException", "ParameterNotFound", "AccessDeniedException", "InvalidRequestException",
    "ValidationException", "DecryptionFailure", "InvalidKeyId",
}  # fmt: skip


def _error_code(error: BaseException) -> str:
    """The AWS error code behind Powertools' own exception."""
    cause: BaseException | None = error
    while cause is not None:
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
