"""The address of an HTTP API that every client can reach, and the largest body that an HTTP API takes.

ministack says ``http://<api id>.execute-api.<host>:<port>``; with a host that is an IP address no resolver knows that
name, and many know none below ``localhost`` either. It serves the same API at a path of its own host, and that is the
address told here, to ``Fn::GetAtt`` and to GetApi. Unnecessary once the endpoint's form can be chosen.

It hands bodies of any size to the function. API Gateway refuses those over 10 MB (its quota of an HTTP API's payload)
with 413 before the function is called. Unnecessary once ministack keeps that limit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.services import apigateway, cloudformation
from ministack.services.cloudformation import provisioners

_ADDRESS = re.compile(r"^http://127\.0\.0\.1:\d+/_aws/execute-api/([0-9a-f]+)$")

MAX_BODY_BYTES = 10 * 1024 * 1024

_Response = tuple[int, dict[str, str], bytes]
_Execute = Callable[..., Awaitable[_Response]]
_Provision = Callable[..., tuple[str, dict[str, Any]]]


def endpoint(base: str, api_id: str) -> str:
    """Address of the ``$default`` stage of an HTTP API.

    Args:
        base: address of the embedded cloud.
        api_id: of the API.
    """
    return f"{base}/_aws/execute-api/{api_id}"


class HttpApis:
    """Keeps the addresses of HTTP APIs at the address that the embedded cloud has now.

    Args:
        base: that address.
    """

    def __init__(self, base: str) -> None:
        self._base = base

    def install(self) -> None:
        """Tell the address of APIs that are made or changed, and refuse bodies over the limit."""
        handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
        handlers["create"] = self._reachable(handlers["create"])
        handlers["update"] = self._reachable(handlers["update"])
        apigateway.handle_execute = limited(apigateway.handle_execute)

    def start(self) -> None:
        """Tell it of APIs that were made when the embedded cloud had another port."""
        for _, api in apigateway._apis.all_items():
            if api["protocolType"] == "HTTP":
                api["apiEndpoint"] = endpoint(self._base, api["apiId"])
        for _, stack in cloudformation._stacks.all_items():
            for output in stack.get("Outputs", []):
                output["OutputValue"] = moved(str(output.get("OutputValue", "")), self._base)
            for resource in stack.get("_resources", {}).values():
                attributes = resource.get("Attributes") or {}
                if "ApiEndpoint" in attributes:
                    attributes["ApiEndpoint"] = moved(str(attributes["ApiEndpoint"]), self._base)

    def suspend(self) -> None:
        """Nothing goes on here."""

    def _reachable(self, provision: _Provision) -> _Provision:
        def provisioned(*args: Any, **kwargs: Any) -> tuple[str, dict[str, Any]]:
            api_id, attributes = provision(*args, **kwargs)
            api = apigateway._apis.get(api_id)
            if api is not None and api["protocolType"] == "HTTP":
                api["apiEndpoint"] = attributes["ApiEndpoint"] = endpoint(self._base, api_id)
            return api_id, attributes

        return provisioned


def limited(execute: _Execute) -> _Execute:
    """The same call of an API, refused as API Gateway does when its body is too large."""

    async def limited_execute(
        api_id: str, stage: str, path: str, method: str, headers: Any, body: bytes, *rest: Any, **options: Any
    ) -> _Response:
        if len(body or b"") > MAX_BODY_BYTES:
            told = json.dumps({"message": "Request Entity Too Large"}).encode()
            return 413, {"Content-Type": "application/json"}, told
        return await execute(api_id, stage, path, method, headers, body, *rest, **options)

    return limited_execute


def moved(address: str, base: str) -> str:
    """The address of an HTTP API of this host at another port; anything else as it is."""
    return _ADDRESS.sub(lambda found: endpoint(base, found[1]), address)
