"""The address of an HTTP API that every client can reach.

ministack says ``http://<api id>.execute-api.<host>:<port>``; with a host that is an IP address no resolver knows that
name, and many know none below ``localhost`` either. It serves the same API at a path of its own host, and that is the
address told here, to ``Fn::GetAtt`` and to GetApi. Unnecessary once the endpoint's form can be chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import apigateway
from ministack.services.cloudformation import provisioners

_KIND = "AWS::ApiGatewayV2::Api"


def endpoint(base: str, api_id: str) -> str:
    """Address of the ``$default`` stage of an HTTP API.

    Args:
        base: address of the embedded cloud.
        api_id: of the API.
    """
    return f"{base}/_aws/execute-api/{api_id}"


def install(base: str) -> None:
    """Tell addresses below that of the embedded cloud."""
    handlers = provisioners._RESOURCE_HANDLERS[_KIND]

    def reachable(provision: Callable[..., tuple[str, dict[str, Any]]]) -> Callable[..., tuple[str, dict[str, Any]]]:
        def provisioned(*args: Any, **kwargs: Any) -> tuple[str, dict[str, Any]]:
            api_id, attributes = provision(*args, **kwargs)
            api = apigateway._apis.get(api_id)
            if api is not None and api["protocolType"] == "HTTP":
                api["apiEndpoint"] = attributes["ApiEndpoint"] = endpoint(base, api_id)
            return api_id, attributes

        return provisioned

    handlers["create"] = reachable(handlers["create"])
    handlers["update"] = reachable(handlers["update"])
