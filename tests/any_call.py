"""Calls of the API as API Gateway hands them to a function (payload format 2.0), and their responses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

MARA = "arn:aws:iam::123456789012:user/mara"
NOAH = "arn:aws:sts::123456789012:assumed-role/reader/noah-session"
ROOT = "arn:aws:iam::123456789012:root"


def any_call(
    method: str,
    path: str,
    body: Any = None,
    *,
    who: str = MARA,
    claims: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """An event.

    Args:
        path: decoded, with the query.
        body: JSON; a text is sent as it is.
        who: ARN of the IAM caller; empty: nobody.
        claims: of a token, in place of the IAM caller.
        headers: lower-case names.
    """
    parts = urlsplit(path)
    authorizer: dict[str, Any] = {"iam": {"userArn": who, "accountId": "123456789012"}} if who else {}
    if claims is not None:
        authorizer = {"jwt": {"claims": claims, "scopes": []}}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": {"content-type": "application/json"} | (headers or {}),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcd1234",
            "http": {"method": method, "path": parts.path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
            "requestId": "a-request",
            "routeKey": "$default",
            "stage": "$default",
            "authorizer": authorizer,
        },
        "isBase64Encoded": False,
    }
    if parts.query:
        event["queryStringParameters"] = dict(parse_qsl(parts.query, keep_blank_values=True))
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    return event


@dataclass(frozen=True)
class Answered:
    """A response of a function of the API."""

    status: int
    headers: dict[str, str]
    text: str

    @classmethod
    def of(cls, response: dict[str, Any]) -> Answered:
        """From what the handler returned."""
        headers = {name.lower(): str(value) for name, value in response.get("headers", {}).items()}
        return cls(int(response["statusCode"]), headers, str(response.get("body", "")))

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)


def query(path: str, **parameters: Any) -> str:
    """A path with a query."""
    return f"{path}?{urlencode(parameters)}"
