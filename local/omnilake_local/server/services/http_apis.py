"""The address of an HTTP API that every client can reach, and the limits of HTTP APIs.

ministack says ``http://<api id>.execute-api.<host>:<port>``; with a host that is an IP address no resolver knows that
name, and many know none below ``localhost`` either. It serves the same API at a path of its own host, and that is the
address told here, to ``Fn::GetAtt`` and to GetApi. Unnecessary once the endpoint's form can be chosen.

It knows no limit. API Gateway does (the quotas of HTTP APIs,
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html), and Lambda behind it:

- a payload over 10 MB is refused with 413, and the request's line and headers over 10,240 bytes with 431;
- of an event over 6 MB Lambda says ``RequestEntityTooLargeException``, which is a 413 too;
- a function that fails, also by a result over 6 MB, is ``500 {"message":"Internal Server Error"}``
  (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html); ministack answers
  502 with what it failed with;
- calls over the rate and the burst of the stage's default route settings are refused with 429
  (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html): a token bucket a route.

The quotas are documented, and that they are kept; the words of 413 and 431 are not, and nothing should depend on them.
Unnecessary once ministack keeps these limits.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.services import apigateway, cloudformation, lambda_svc
from ministack.services.cloudformation import provisioners

_ADDRESS = re.compile(r"^http://127\.0\.0\.1:\d+/_aws/execute-api/([0-9a-f]+)$")

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_HEADER_BYTES = 10_240
MAX_EVENT_BYTES = 6 * 1024 * 1024
"""Of a synchronous invocation: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

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
        apigateway._invoke_lambda_proxy = throttled(apigateway._invoke_lambda_proxy, Buckets())
        apigateway.run_reentrant = invoked(apigateway.run_reentrant)
        # REST APIs share it, and say 502 to what fails; nothing here has one
        lambda_svc.lambda_execute_result_to_api_proxy_response = untold(
            lambda_svc.lambda_execute_result_to_api_proxy_response
        )

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
    """The same call of an API, refused as API Gateway does when its body or its headers are too large."""

    async def limited_execute(
        api_id: str, stage: str, path: str, method: str, headers: Any, body: bytes, *rest: Any, **options: Any
    ) -> _Response:
        if len(body or b"") > MAX_BODY_BYTES:
            return refusal(413)
        line = f"{method} {path}?{options.get('raw_query_string') or ''} HTTP/1.1"
        if len(line) + sum(len(str(value)) for value in headers.values()) > MAX_HEADER_BYTES:
            return refusal(431)
        return await execute(api_id, stage, path, method, headers, body, *rest, **options)

    return limited_execute


def refusal(status: int) -> _Response:
    """What API Gateway itself answers with: ``{"message": …}``."""
    told = json.dumps({"message": _REFUSALS[status]}, separators=(",", ":")).encode()
    return status, {"Content-Type": "application/json"}, told


class Buckets:
    """Token buckets, one a route of a stage: each holds as many calls as its burst, and gains its rate a second.

    Args:
        clock: seconds, never less than before.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[tuple[str, str, str], tuple[float, float]] = {}  # calls, when

    def takes(self, bucket: tuple[str, str, str], rate: float, burst: float) -> bool:
        """Whether a call may go on, and is counted."""
        now = self._clock()
        held, since = self._held.get(bucket, (burst, now))
        held = min(burst, held + (now - since) * rate)
        taken = held >= 1
        self._held[bucket] = (held - taken, now)
        return taken


def throttled(invoke: _Execute, buckets: Buckets) -> _Execute:
    """The same call of a route's function, refused over the rate and the burst of the stage's settings."""

    async def throttled_invoke(
        integration: Any, api_id: str, stage: str, path: str, method: str, headers: Any, body: Any, query: Any,
        route_key: str = "$default", *rest: Any, **options: Any,
    ) -> _Response:  # fmt: skip
        limits = limits_of(apigateway._stages.get(api_id, {}).get(stage) or {}, route_key)
        if limits and not buckets.takes((api_id, stage, route_key), *limits):
            return refusal(429)
        return await invoke(integration, api_id, stage, path, method, headers, body, query, route_key, *rest, **options)

    return throttled_invoke


def limits_of(stage: dict[str, Any], route_key: str) -> tuple[float, float] | None:
    """Rate and burst of a route: its own settings, else the stage's default; None where neither is given.

    CloudFormation's property names begin with capitals, those of API Gateway's own calls do not.
    """
    for settings in (stage.get("routeSettings", {}).get(route_key), stage.get("defaultRouteSettings")):
        told = {name[:1].lower() + name[1:]: value for name, value in (settings or {}).items()}
        if {"throttlingRateLimit", "throttlingBurstLimit"} <= told.keys():
            return float(told["throttlingRateLimit"]), float(told["throttlingBurstLimit"])
    return None


def invoked(run: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The same call of a function, which Lambda does not take when the event is too large."""

    async def invoked_run(function: Any, *arguments: Any, **options: Any) -> Any:
        event = arguments[-1] if arguments else None
        if isinstance(event, dict) and len(event.get("body") or "") > MAX_EVENT_BYTES // 8:
            size = len(json.dumps(event, ensure_ascii=False).encode(errors="surrogatepass"))
            if size > MAX_EVENT_BYTES:
                return {"error": True, "body": {"statusCode": 413, **_told(413)}}
        return await run(function, *arguments, **options)

    return invoked_run


def untold(respond: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    """The same response of an API, without what its function failed with."""

    def untold_response(result: dict[str, Any]) -> Any:
        body = result.get("body")
        if result.get("error") and not result.get("throttle") and not (isinstance(body, dict) and "statusCode" in body):
            result = {"error": True, "body": {"statusCode": 500, **_told(500)}}
        return respond(result)

    return untold_response


def _told(status: int) -> dict[str, Any]:
    _, headers, body = refusal(status)
    return {"headers": headers, "body": body.decode()}


_REFUSALS = {
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
}


def moved(address: str, base: str) -> str:
    """The address of an HTTP API of this host at another port; anything else as it is."""
    return _ADDRESS.sub(lambda found: endpoint(base, found[1]), address)
