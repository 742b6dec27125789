"""Calls of the deployed API, signed with AWS credentials."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


@dataclass
class Caller:
    """Someone with AWS credentials."""

    endpoint: str
    access_key: str
    secret_key: str

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Make a signed call; ``_`` in names of headers stands for ``-``."""
        url = self.endpoint + path
        data = json.dumps(body).encode() if body is not None else None
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            told.setdefault("content-type", "application/json")
        request = AWSRequest(method, url, data=data, headers=told)
        SigV4Auth(Credentials(self.access_key, self.secret_key), "execute-api", "us-east-1").add_auth(request)
        return requests.request(method, url, data=data, headers=dict(request.headers), timeout=60)
