"""Where the API is, and what makes it believe who asks: AWS credentials (SigV4) or a token (JWT).

Needs botocore, not boto3. Credentials, region and AWS's own endpoints come from the environment, as the AWS SDKs define
it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import httpx2

from omnilake.errors import EndpointUnknown

if TYPE_CHECKING:
    from botocore.session import Session

ENDPOINT_VARIABLE = "OMNILAKE_ENDPOINT"
STACK_VARIABLE = "OMNILAKE_STACK"
TOKEN_VARIABLE = "OMNILAKE_TOKEN"  # noqa: S105 (a variable's name)
ENDPOINT_OUTPUT = "ApiEndpoint"
"""Output of the stack that names the API."""

_SERVICE = "execute-api"
_HOST = re.compile(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.com")


def find_endpoint(endpoint: str | None = None, stack: str | None = None) -> str:
    """Address of the API, without a slash at its end.

    Args:
        endpoint: when it is known; else ``OMNILAKE_ENDPOINT``, else the output ``ApiEndpoint`` of the stack.
        stack: its CloudFormation name; else ``OMNILAKE_STACK``, else ``omnilake``.

    Raises:
        EndpointUnknown: no such stack, no such output, or it can't be read with these credentials.
    """
    found = endpoint or os.environ.get(ENDPOINT_VARIABLE) or ""
    if not found:
        found = _endpoint_of(stack or os.environ.get(STACK_VARIABLE) or "omnilake")
    if not found.startswith(("https://", "http://")):
        raise EndpointUnknown("The endpoint of the API is not an http or https address.")
    return found.rstrip("/")


def _endpoint_of(stack: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client = _session().create_client("cloudformation", region_name=_region(None))
        outputs = client.describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise EndpointUnknown(f"The stack {stack} can't be read: {code}.") from error
    except BotoCoreError as error:
        raise EndpointUnknown(f"The stack {stack} can't be read: {type(error).__name__}.") from error
    for output in outputs:
        if output["OutputKey"] == ENDPOINT_OUTPUT:
            return str(output["OutputValue"])
    raise EndpointUnknown(f"The stack {stack} has no output {ENDPOINT_OUTPUT}: it was deployed without the API.")


class SigV4(httpx2.Auth):
    """Signs each request with the AWS credentials of the environment (Signature Version 4, service execute-api).

    Args:
        region: of the API; else read from its host, else the environment's.
    """

    requires_request_body = True

    def __init__(self, region: str | None = None) -> None:
        self._region = region
        self._credentials: Any = None

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        region = self._region or _region(request.url.host)
        # The signature covers what a proxy leaves alone: host, date, token and the headers that change the meaning.
        kept = {
            name: request.headers[name]
            for name in ("host", "content-type", "idempotency-key", "if-match")
            if name in request.headers
        }
        signed = AWSRequest(request.method, str(request.url), headers=kept, data=request.content)
        SigV4Auth(self._frozen(), _SERVICE, region).add_auth(signed)
        for name in ("Authorization", "X-Amz-Date", "X-Amz-Security-Token"):
            if name in signed.headers:
                request.headers[name] = signed.headers[name]
        yield request

    def _frozen(self) -> Any:
        if self._credentials is None:
            self._credentials = _session().get_credentials()
        if self._credentials is None:
            raise EndpointUnknown(
                "There are no AWS credentials.",
                action="Set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give a token.",
            )
        return self._credentials.get_frozen_credentials()  # renewed by botocore when they expire


class Bearer(httpx2.Auth):
    """Sends a token (JWT) with each request.

    Args:
        token: as the issuer gave it.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def authentication(token: str | None = None, region: str | None = None) -> httpx2.Auth:
    """A token's when there is one (parameter, or ``OMNILAKE_TOKEN``), else the AWS credentials'."""
    told = token or os.environ.get(TOKEN_VARIABLE)
    return Bearer(told) if told else SigV4(region)


def _region(host: str | None) -> str:
    named = _HOST.search(host or "")
    region = named[1] if named else os.environ.get("AWS_REGION") or _session().get_config_variable("region")
    if not region:
        raise EndpointUnknown("No AWS region is set.", action="Set AWS_REGION.")
    return str(region)


def _session() -> Session:
    from botocore.session import Session

    return Session()
