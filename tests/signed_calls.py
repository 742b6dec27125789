"""Calls of the deployed API, signed with AWS credentials."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from requests.auth import AuthBase


class Signature(AuthBase):
    """Signs whatever ``requests`` is about to send, as it is; the caller's own headers are not part of it."""

    def __init__(self, access_key: str, secret_key: str) -> None:
        self._signer = SigV4Auth(Credentials(access_key, secret_key), "execute-api", "us-east-1")

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        signed = AWSRequest(str(prepared.method), str(prepared.url), data=prepared.body)
        self._signer.add_auth(signed)
        prepared.headers.update(dict(signed.headers))
        return prepared


@dataclass
class Caller:
    """Someone with AWS credentials."""

    endpoint: str
    access_key: str
    secret_key: str

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Make a signed call; ``_`` in names of headers stands for ``-``, and bytes are a body as they are."""
        url = self.endpoint + path
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            told.setdefault("content-type", "application/json")
        request = AWSRequest(method, url, data=data, headers=told)
        SigV4Auth(Credentials(self.access_key, self.secret_key), "execute-api", "us-east-1").add_auth(request)
        return requests.request(method, url, data=data, headers=dict(request.headers), timeout=60)
