"""How the interpreter's service tasks reach the services: in process, with names as AWS writes them.

moto resolves parameter and result names through a partial table and calls services over HTTP. Here names come
from botocore's own service models, and a call is handed to ministack's dispatcher without a socket. Unnecessary
once moto names things by the models and lets the caller give the client factory.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import uuid
from functools import lru_cache
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.model import OperationModel
from ministack import app as ministack_app
from ministack.core.responses import StreamingResponse, set_request_account_id, set_request_region
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import (
    StateTaskService,
)
from moto.stepfunctions.parser.utils import camel_to_snake_case

from omnilake_local.server.settings import ACCOUNT_ID, REGION, ServerSettings

_BOTO_NAMES = {"eventbridge": "events", "bedrock": "bedrock-runtime"}
"""Service names of Step Functions that botocore calls otherwise."""

_MODELS = botocore.session.get_session()


@lru_cache(maxsize=1024)
def operation_model(service: str, action: str) -> OperationModel:
    """botocore's model of an API action named in snake or camel case.

    Raises ``RuntimeError``, with the words AWS uses, if the service has no such action.
    """
    model = _MODELS.get_service_model(service)
    for name in model.operation_names:
        if camel_to_snake_case(name) == camel_to_snake_case(action):
            return model.operation_model(name)
    raise RuntimeError(f"No api action named '{action}' available for service '{service}'.")


def error_prefix(service: str) -> str:
    """Prefix of an SDK integration's error names, for example ``DynamoDb`` or ``S3``."""
    service_id = _MODELS.get_service_model(_BOTO_NAMES.get(service, service)).service_id.replace(" ", "")
    return str({"DynamoDB": "DynamoDb", "SFN": "Sfn"}.get(service_id, service_id[0].upper() + service_id[1:]))


class _RawBody(BytesIO):
    """What botocore expects of a urllib3 response."""

    def stream(self, amount: int = 65536, **_: Any) -> Any:
        while chunk := self.read(amount):
            yield chunk


def _dispatch(request: Any, **_: Any) -> AWSResponse:
    """Answer a prepared botocore request from ministack's dispatcher (a ``before-send`` handler)."""
    url = urlsplit(request.url)
    headers = {
        name.lower(): value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    headers["host"] = url.netloc
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()

    async def call() -> tuple[int, dict[str, str], Any]:
        set_request_account_id(ACCOUNT_ID)
        set_request_region(REGION)
        answer: tuple[int, dict[str, str], Any] = await ministack_app._dispatch_service_request(
            request.method,
            unquote(url.path),
            headers,
            bytes(body),
            parse_qs(url.query, keep_blank_values=True),
            str(uuid.uuid4()),
        )
        return answer

    loop = ministack_app._MAIN_LOOP
    status, answer_headers, payload = asyncio.run_coroutine_threadsafe(call(), loop).result()
    if isinstance(payload, StreamingResponse):
        raise TypeError(f"{request.method} {url.path} answered with a stream")
    if isinstance(payload, str):
        payload = payload.encode()
    return AWSResponse(request.url, status, _Headers(answer_headers), _RawBody(payload or b""))


class _Headers(dict[str, str]):
    """Response headers by any case, as urllib3 gives them."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__({name.lower(): str(value) for name, value in headers.items()})

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key.lower(), default)

    def __getitem__(self, key: str) -> str:
        return super().__getitem__(key.lower())

    def __contains__(self, key: object) -> bool:
        return super().__contains__(str(key).lower())


class ServiceClients:
    """boto3 clients for the interpreter, one a service and region."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, region: str, service: str, state_credentials: Any = None) -> Any:
        """A client of ``service``; stands in for moto's ``boto_client_for``."""
        key = (region or REGION, service)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make(*key)
            return self._clients[key]

    def _make(self, region: str, service: str) -> Any:
        client = boto3.session.Session().client(
            service,
            region_name=region,
            endpoint_url=self._settings.endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the embedded cloud's public constant
            config=Config(
                parameter_validation=False,
                retries={"max_attempts": 0, "total_max_attempts": 1},
                inject_host_prefix=False,
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        client.meta.events.register("before-send", _dispatch)
        return client


def _normalise_parameters(
    self: StateTaskService,
    parameters: dict[str, Any],
    boto_service_name: str | None = None,
    service_action_name: str | None = None,
) -> None:
    model = operation_model(
        self._get_boto_service_name(boto_service_name), self._get_boto_service_action(service_action_name)
    )
    if model.input_shape is not None:
        self._to_boto_request(parameters, model.input_shape)


def _normalise_response(
    self: StateTaskService,
    response: Any,
    boto_service_name: str | None = None,
    service_action_name: str | None = None,
) -> None:
    model = operation_model(
        self._get_boto_service_name(boto_service_name), self._get_boto_service_action(service_action_name)
    )
    if model.output_shape is not None:
        self._from_boto_response(response, model.output_shape)


def install(clients: ServiceClients) -> None:
    """Make moto's service tasks use these clients and names."""
    for name, module in list(sys.modules.items()):
        # each task module has imported the function by name
        if name.startswith("moto.stepfunctions.") and hasattr(module, "boto_client_for"):
            module.boto_client_for = clients.client  # type: ignore[attr-defined]
    StateTaskService._SERVICE_NAME_SFN_TO_BOTO_OVERRIDES = {
        **StateTaskService._SERVICE_NAME_SFN_TO_BOTO_OVERRIDES,
        **_BOTO_NAMES,
    }
    StateTaskService._normalise_parameters = _normalise_parameters
    StateTaskService._normalise_response = _normalise_response
    state_task_service_aws_sdk.StateTaskServiceAwsSdk._normalise_service_error_name = staticmethod(error_prefix)
