"""One function of the API: its routers behind what every call goes through.

In this order: size, media type and JSON of the body; who calls; the idempotency key; path, query and body by their
models; the route; ``If-None-Match``. Whatever fails becomes a problem document (``api.problems``).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter, Router
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)
from aws_lambda_powertools.shared.json_encoder import Encoder
from pydantic import BaseModel, ValidationError

from omnilake.api import problems, sizes
from omnilake.api.access import Principal, principal_of
from omnilake.api.pagination import DEFAULT_LIMIT
from omnilake.api.preferences import wait_of
from omnilake.errors import (
    BodyTooLarge,
    InvalidBody,
    MethodNotAllowed,
    OmniLakeError,
    ResponseTooLarge,
    RevisionMismatch,
    RevisionRequired,
    RouteNotFound,
    StageFailed,
    UnsupportedMediaType,
)

MAX_BODY_BYTES = 2 * 1024 * 1024
"""Largest body of a call. Documents go straight to S3."""

JSON = "application/json"

_METHODS_WITH_BODY = {"POST", "PUT", "PATCH"}

logger = Logger()

to_json: Callable[[Any], str] = partial(json.dumps, separators=(",", ":"), cls=Encoder, ensure_ascii=False)
"""The JSON of a body. As UTF-8: escapes would take twice to four times the bytes."""

M = TypeVar("M", bound=BaseModel)

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class SeeOther(Exception):
    """What a route answers with lies elsewhere: a response (303) that its return type says nothing of."""

    def __init__(self, location: str) -> None:
        super().__init__("see other")
        self.location = location


class _Resolver(APIGatewayHttpResolver):
    """Powertools' resolver; its routes can be asked which methods a path takes."""

    def methods_of(self, path: str) -> list[str]:
        """Methods that some route takes at a path."""
        return sorted({each.method for each in self._static_routes + self._dynamic_routes if each.rule.match(path)})

    def is_list(self, path: str) -> bool:
        """Whether GET of a path gives a page of a list, as long as its ``limit`` says."""
        return any(
            each.method == "GET" and "limit" in {parameter.alias for parameter in each.dependant.query_params}
            for each in self._static_routes + self._dynamic_routes
            if each.rule.match(path)
        )


def make_router() -> Router:
    """An empty router: the routes of one concern."""
    return Router()  # type: ignore[no-untyped-call]


def make_app(*routers: Router) -> _Resolver:
    """A resolver of these routers, as a function serves them and as the OpenAPI document describes them."""
    app = _Resolver(
        enable_validation=True,
        response_validation_error_http_code=500,
        json_body_deserializer=parse_body,
        serializer=to_json,
        debug=False,
    )
    for router in routers:
        app.include_router(router)
    app.use(middlewares=[_known_query, _conditional])

    def no_route(_: NotFoundError) -> Response[Any]:
        methods = app.methods_of(app.current_event.path)
        if methods:
            return _problem(MethodNotAllowed("The path does not take this method.", allow=", ".join(methods)))
        return _problem(RouteNotFound("There is nothing at this path."))

    def invalid(error: RequestValidationError) -> Response[Any]:
        return _problem(problems.misfits(error.errors()))

    def unsupported(_: RequestUnsupportedContentType) -> Response[Any]:
        return _problem(UnsupportedMediaType("The body is not of the type application/json."))

    def refused(error: OmniLakeError) -> Response[Any]:
        return _problem(error)

    def elsewhere(told: SeeOther) -> Response[Any]:
        return Response(status_code=303, headers={"Location": told.location, "Cache-Control": "no-store"}, body="")

    def failed(error: Exception) -> Response[Any]:
        return _problem(_told(error))

    handlers: dict[type[Exception], Callable[[Any], Response[Any]]] = {
        NotFoundError: no_route,
        RequestValidationError: invalid,
        RequestUnsupportedContentType: unsupported,
        OmniLakeError: refused,
        SeeOther: elsewhere,
        Exception: failed,
    }
    for kind, respond in handlers.items():
        app.exception_handler(kind)(respond)
    return app


def api_handler(*routers: Router) -> Handler:
    """The Lambda handler of a function that serves these routers."""
    app = make_app(*routers)

    def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
        began = time.monotonic()
        try:
            response = _serve_what_fits(app, event, context)
        except Exception as error:  # noqa: BLE001 (the last place: the caller gets a problem, the log the reason)
            told = error if isinstance(error, OmniLakeError) else _told(error)
            response = _raw_problem(told, _request_id(event))
        response["body"] = response.get("body") or ""  # of a 204 Powertools gives none
        _log(event, response, time.monotonic() - began)
        return response

    return logger.inject_lambda_context(handle, log_event=False, clear_state=True)


def _serve(app: APIGatewayHttpResolver, event: dict[str, Any], context: Any) -> dict[str, Any]:
    _check_body(event)
    who = principal_of(event["requestContext"])
    headers = event.get("headers") or {}
    wait_of(headers.get("prefer"))  # before anything is begun that it would come too late for
    key = headers.get("idempotency-key")
    if key is None or _method(event) != "POST":
        return app.resolve(event, context)
    from omnilake.api import idempotency

    return idempotency.once(
        key,
        who.name,
        f"POST {event['rawPath']}?{event.get('rawQueryString', '')}",
        event.get("body") or "",
        context,
        lambda: app.resolve(event, context),
    )


def _serve_what_fits(app: _Resolver, event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Of a list whose page is more than a response can hold, a shorter one; its cursor leads on."""
    response = _serve(app, event, context)
    while not sizes.fits(response):
        query = event.get("queryStringParameters") or {}
        limit = int(query.get("limit") or DEFAULT_LIMIT) // 2
        if not limit or _method(event) != "GET" or not app.is_list(event["rawPath"]):
            raise ResponseTooLarge("What is asked for is more than the 6 MB that a response can hold.")
        event = {**event, "queryStringParameters": {**query, "limit": str(limit)}}
        response = _serve(app, event, context)
    return response


# --- what routes use --------------------------------------------------------------------------------------------


def caller() -> Principal:
    """Who makes the call that is being served."""
    return principal_of(BaseRouter.current_event.raw_event["requestContext"])


def header(name: str) -> str | None:
    """A header of the call that is being served, by its lower-case name."""
    value = (BaseRouter.current_event.raw_event.get("headers") or {}).get(name)
    return None if value is None else str(value)


def request_id() -> str:
    """Id of the call that is being served."""
    return _request_id(BaseRouter.current_event.raw_event)


def remaining_s() -> float:
    """Seconds that the function may still run."""
    milliseconds = BaseRouter.lambda_context.get_remaining_time_in_millis()
    return float(milliseconds) / 1_000


def etag_of(value: BaseModel | str) -> str:
    """Strong entity tag of what a route answers: a hash of its JSON, which may be given as it is."""
    text = value if isinstance(value, str) else value.model_dump_json()
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'


def answer(body: Any, status: int = 200, *, etag: str = "", location: str = "", **headers: str) -> Response[Any]:
    """A response with a JSON body.

    Args:
        body: a model, or what JSON holds.
        status: of HTTP.
        etag: entity tag, with its quotes.
        location: path of what was made, or of the job.
        headers: others; ``_`` for ``-``.
    """
    told = {name.replace("_", "-").title(): value for name, value in headers.items()}
    if etag:
        told["Etag"] = etag
    if location:
        told["Location"] = location
    return Response(status_code=status, content_type=JSON, body=body, headers={"Cache-Control": "no-store", **told})


def next_link(cursor: str) -> str:
    """Value of the header ``Link`` that leads to the next page of the list that is being served."""
    event = BaseRouter.current_event.raw_event
    query = {**(event.get("queryStringParameters") or {}), "cursor": cursor}
    return f'<{event["rawPath"]}?{urlencode(query)}>; rel="next"'


def require_match(etag: str) -> None:
    """Check ``If-Match`` of a change that needs it.

    Raises:
        RevisionRequired: there is none.
        RevisionMismatch: it names another version.
    """
    asked = header("if-match")
    if asked is None:
        raise RevisionRequired("The change does not say which version it is made from.")
    check_match(etag)


def check_match(etag: str) -> None:
    """Check ``If-Match`` of a change that may have it. Raises ``RevisionMismatch``."""
    asked = header("if-match")
    if asked is not None and asked.strip() != "*" and etag not in {each.strip() for each in asked.split(",")}:
        raise RevisionMismatch("It was changed since it was read.")


def page(items: list[Any], cursor: str) -> Response[Any]:
    """The response with a page of a list."""
    body = {"items": items, "next_cursor": cursor}
    return answer(body, link=next_link(cursor)) if cursor else answer(body)


def validated(model: type[M], told: dict[str, Any]) -> M:
    """A model of fields that come from a caller under other names.

    Raises:
        InvalidFields: names those at fault.
    """
    try:
        return model.model_validate(told)
    except ValidationError as error:
        raise problems.misfits([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from None


def parse_body(body: str | None) -> Any:
    """The JSON of a body; None without one.

    Raises:
        InvalidBody: it is none, holds what UTF-8 or JSON can't hold, or says twice what a field is.
    """
    if body is None or body == "":
        return None
    try:
        parsed = json.loads(body, parse_constant=_no_constant, object_pairs_hook=_no_name_twice)
        json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # UnicodeEncodeError is a ValueError
        raise InvalidBody("The body is no JSON, holds what UTF-8 can't hold, or a name twice.") from error
    return parsed


# --- what every call goes through -------------------------------------------------------------------------------


def _check_body(event: dict[str, Any]) -> None:
    body = event.get("body")
    if not body or _method(event) not in _METHODS_WITH_BODY:
        return
    size = len(body) * 3 // 4 if event.get("isBase64Encoded") else len(body)
    if size > MAX_BODY_BYTES:
        raise BodyTooLarge(f"The body has over {MAX_BODY_BYTES:,} bytes.")
    headers = event.get("headers") or {}
    if str(headers.get("content-type") or "").split(";")[0].strip().lower() != JSON:
        raise UnsupportedMediaType("The body is not of the type application/json.")
    headers["content-type"] = JSON  # as Powertools knows it: in lower case


def _known_query(app: APIGatewayHttpResolver, next_middleware: Callable[..., Response[Any]]) -> Response[Any]:
    """Refuses parameters of the query that the route does not have."""
    route = app.context["_route"]
    known = {each.alias for each in route.dependant.query_params}
    unknown = sorted(set(app.current_event.raw_event.get("queryStringParameters") or {}) - known)
    if unknown and app.methods_of(app.current_event.path):  # type: ignore[attr-defined]
        fields = [
            {"loc": ("query", name), "type": "extra_forbidden", "msg": "There is no such parameter"} for name in unknown
        ]
        return _problem(problems.misfits(fields))
    return next_middleware(app)


def _conditional(app: APIGatewayHttpResolver, next_middleware: Callable[..., Response[Any]]) -> Response[Any]:
    """Answers 304 to a GET whose ``If-None-Match`` names what would be answered."""
    response = next_middleware(app)
    tag, asked = response.headers.get("Etag"), header("if-none-match")
    if tag and asked and app.current_event.http_method == "GET" and response.status_code == 200:
        named = {each.strip().removeprefix("W/") for each in asked.split(",")}
        if tag in named or "*" in named:
            return Response(status_code=304, headers={"Etag": tag, "Cache-Control": "no-store"}, body="")
    return response


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Parsers differ in which of two they take; RFC 8259 leaves it open."""
    told = dict(pairs)
    if len(told) < len(pairs):
        raise ValueError("a name twice")
    return told


def _no_constant(_: str) -> None:
    raise ValueError("not JSON")


def _told(error: Exception) -> OmniLakeError:
    """An error that is none of ours, as a problem: its kind goes to the log, its text nowhere."""
    if isinstance(error, UnicodeDecodeError):
        return InvalidBody("The body is not UTF-8.")
    known = _of_aws(error)
    if known is not None:
        return known
    logger.error("call failed", extra={"error_type": type(error).__name__, "place": _place(error)})
    return StageFailed(
        "The call failed for a reason that lies in the system.", action="Report it with the id in instance."
    )


def _of_aws(error: Exception) -> OmniLakeError | None:
    """Throttles and outages of AWS, told by their codes without importing botocore."""
    from omnilake.errors import RateLimited, TransientError

    if not any(each.__module__.startswith("botocore") for each in type(error).__mro__):
        return None
    response = getattr(error, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", ""))
    if "Throttl" in code or code in {"TooManyRequestsException", "ProvisionedThroughputExceededException", "SlowDown"}:
        return RateLimited.after(1, "an AWS service")
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
    if not response or status >= 500:
        return TransientError("A service did not answer.", action="Send the call again.")
    return None


def _place(error: Exception) -> str:
    """File and line where an error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"


def _problem(error: OmniLakeError) -> Response[Any]:
    body = problems.problem_of(error, request_id(), error.details.get("fields", ()))
    return Response(
        status_code=body.status,
        content_type=problems.MEDIA_TYPE,
        body=body.model_dump_json(),
        headers=problems.headers_of(error),
    )


def _raw_problem(error: OmniLakeError, request: str) -> dict[str, Any]:
    body = problems.problem_of(error, request, list(error.details.get("fields", ())))
    return {
        "statusCode": body.status,
        "headers": {"Content-Type": problems.MEDIA_TYPE, **problems.headers_of(error)},
        "body": body.model_dump_json(),
        "isBase64Encoded": False,
    }


def _log(event: Mapping[str, Any], response: Mapping[str, Any], seconds: float) -> None:
    route = (event.get("requestContext") or {}).get("routeKey", "")
    logger.info(
        "served",
        extra={"route": route, "method": _method(event), "status": response["statusCode"], "ms": round(seconds * 1e3)},
    )


def _method(event: Mapping[str, Any]) -> str:
    return str(((event.get("requestContext") or {}).get("http") or {}).get("method", "")).upper()


def _request_id(event: Mapping[str, Any]) -> str:
    return str((event.get("requestContext") or {}).get("requestId", ""))
