"""Puts ``FunctionRuntime`` behind ministack's Lambda service for every ``python*`` function.

Replaced in ministack: the executor dispatch, the thread that API Gateway starts for each call of a function, and the
hooks that end workers when a function changes.
Unnecessary once ministack can run ``python*`` runtimes through the Lambda Runtime API (see the package).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import apigateway, lambda_svc

from omnilake_local.server.functions import logs
from omnilake_local.server.functions.artifacts import ArtifactStore, digest_from_code_sha256, digest_of
from omnilake_local.server.functions.environment import FunctionVersion
from omnilake_local.server.functions.pool import FunctionRuntime, NoWorkerFreeError
from omnilake_local.server.functions.runtime_api import Invocation
from omnilake_local.server.functions.worker import InvocationOutcome
from omnilake_local.server.settings import ServerSettings

RESPONSE_LIMIT_BYTES = 6 * 1024 * 1024
"""Largest answer of a function, Lambda's own limit for synchronous invocations."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Call:
    """One invocation of a version of a function."""

    version: FunctionVersion
    request_id: str
    payload: bytes
    function_arn: str
    trace_id: str | None

    def invocation(self) -> Invocation:
        """Its deadline counts from now."""
        deadline_ms = int((time.time() + self.version.timeout_seconds) * 1000)
        return Invocation(self.request_id, self.payload, deadline_ms, self.function_arn, self.trace_id)


class PythonFunctions:
    """Runs ministack's ``python*`` functions as real processes."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._tasks = ArtifactStore(settings.tasks_dir)
        self._layers = ArtifactStore(settings.layers_dir)
        shutil.rmtree(settings.scratch_dir, ignore_errors=True)
        settings.scratch_dir.mkdir(parents=True)
        self.runtime = FunctionRuntime(
            python=settings.lambda_python,
            endpoint_url=settings.endpoint_url,
            scratch_dir=settings.scratch_dir,
            workers_per_function=settings.workers_per_function,
        )

    def install(self) -> None:
        """Replace ministack's executor; call once, before the server listens."""
        self.runtime.start()
        self._other_runtimes = lambda_svc._execute_function_dispatch
        self._invalidate_others = lambda_runtime.invalidate_worker
        lambda_svc._execute_function_dispatch = self._dispatch
        self._run_in_thread = apigateway.run_reentrant
        apigateway.run_reentrant = self._run_for_api
        lambda_runtime.invalidate_worker = self._invalidate
        lambda_svc.invalidate_worker = self._invalidate

    def prune_artifacts(self) -> None:
        """Drop unpacked code and layers that no stored function or layer version refers to."""
        layers = {
            _layer_digest(version)
            for layer in lambda_svc._layers._data.values()
            for version in layer.get("versions", [])
            if version.get("_zip_data")
        }
        tasks = {
            _code_digest(record)
            for function in lambda_svc._functions._data.values()
            for record in [function, *function.get("versions", {}).values()]
            if record.get("code_zip")
        }
        self._layers.prune(layers)
        self._tasks.prune(tasks)

    def _dispatch(
        self, func: dict[str, Any], config: dict[str, Any], event: Any, request_id: str, started: float
    ) -> dict[str, Any]:
        if not _is_ours(func, config):
            result: dict[str, Any] = self._other_runtimes(func, config, event, request_id, started)
            return result
        try:
            call = self._call(func, config, event, request_id)
        except zipfile.BadZipFile as broken:
            return _failure("Runtime.InvalidZip", str(broken))
        try:
            return _told(call, self.runtime.invoke(call.version, call.invocation))
        except NoWorkerFreeError:
            return _throttled(call)

    async def _run_for_api(self, run: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Run a warm function for API Gateway without a thread for the call; anything else as ministack does.

        With hundreds of calls a second the hand-overs of the interpreter's lock to and from such threads cost more
        than what they do. The first call of a version unpacks its code and layers, which is no work for the event loop.
        """
        if run is not lambda_svc._execute_function_with_config_scope:
            return await self._run_in_thread(run, *arguments, **options)
        func, event = arguments
        config = func["config"]
        warm = _is_ours(func, config) and self.runtime.has_run(_arn(config), _version_name(config))
        slot, _ = lambda_svc._acquire_execution_slot(func, config) if warm else (None, None)
        if slot is None:
            return await self._run_in_thread(run, *arguments, **options)
        scoped = lambda_svc._run_with_function_config_scope
        try:
            call = scoped(config, self._call, func, config, event, str(uuid.uuid4()))
            # an invocation that began goes on, whoever waits for it
            outcome = await asyncio.shield(asyncio.wrap_future(self.runtime.begin(call.version, call.invocation)))
            return scoped(config, _told, call, outcome)
        except NoWorkerFreeError:
            return _throttled(call)
        finally:
            lambda_svc._release_execution_slot(slot)

    def _call(self, func: dict[str, Any], config: dict[str, Any], event: Any, request_id: str) -> _Call:
        """Raises ``zipfile.BadZipFile`` when the function's code is none."""
        payload = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
        trace_id = lambda_svc._xray_trace_id_for_invocation(config)
        return _Call(self._version(func, config), request_id, payload, config["FunctionArn"], trace_id)

    def _version(self, func: dict[str, Any], config: dict[str, Any]) -> FunctionVersion:
        _, region = lambda_runtime._account_region_from_function_config(config)
        name = config["FunctionName"]
        logging_config = config.get("LoggingConfig") or {}
        return FunctionVersion(
            arn=_arn(config),
            name=name,
            version=_version_name(config),
            # Lambda accepts pkg/module.function; the runtime client wants dots
            handler=str(config["Handler"]).replace("/", "."),
            runtime=config["Runtime"],
            memory_mb=int(config.get("MemorySize", 128)),
            timeout_seconds=float(config.get("Timeout", 3)),
            task_root=self._tasks.folder(_code_digest(func), func["code_zip"]),
            layer_roots=tuple(self._layer_roots(config)),
            variables=(config.get("Environment") or {}).get("Variables") or {},
            credentials=lambda_runtime.execution_credentials(config),
            region=region,
            log_group=logging_config.get("LogGroup") or f"/aws/lambda/{name}",
        )

    def _layer_roots(self, config: dict[str, Any]) -> Iterator[Path]:
        for attachment in config.get("Layers") or []:
            archive = lambda_svc._resolve_layer_zip(attachment)
            if archive:
                arn = attachment if isinstance(attachment, str) else attachment.get("Arn", "")
                yield self._layers.folder(_attached_layer_digest(arn, archive), archive)

    def _invalidate(
        self,
        func_name: str,
        qualifier: str | None = None,
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        account, region = account or get_account_id(), region or get_region()
        arn = f"arn:aws:lambda:{region}:{account}:function:{func_name}"
        self.runtime.discard(lambda version: version.arn == arn and (qualifier is None or version.version == qualifier))
        self._invalidate_others(func_name, qualifier, account, region)


_layer_digests: dict[str, str] = {}


def _attached_layer_digest(arn: str, archive: bytes) -> str:
    """A layer version never changes, so its archive, perhaps 100 MB, is hashed once a server's life."""
    if arn not in _layer_digests:
        _layer_digests[arn] = digest_of(archive)
    return _layer_digests[arn]


def _layer_digest(version: dict[str, Any]) -> str:
    return digest_from_code_sha256(version["Content"]["CodeSha256"])


def _code_digest(record: dict[str, Any]) -> str:
    code_sha256: str = (record.get("config") or {}).get("CodeSha256", "")
    with contextlib.suppress(ValueError, TypeError):
        return digest_from_code_sha256(code_sha256)
    return digest_of(record["code_zip"])


def _is_ours(func: dict[str, Any], config: dict[str, Any]) -> bool:
    return str(config.get("Runtime", "")).startswith("python") and bool(func.get("code_zip"))


def _arn(config: dict[str, Any]) -> str:
    account, region = lambda_runtime._account_region_from_function_config(config)
    return f"arn:aws:lambda:{region}:{account}:function:{config['FunctionName']}"


def _version_name(config: dict[str, Any]) -> str:
    return str(config.get("Version", "$LATEST"))


def _told(call: _Call, outcome: InvocationOutcome) -> dict[str, Any]:
    """What ministack wants to know of an invocation, once its log lines are written."""
    lines = logs.invocation_lines(call.version, call.request_id, outcome, call.trace_id)
    logs.write_lines(call.version.log_group, outcome.log_stream, lines)
    body, failed = _decode(outcome.payload, outcome.failed)
    return {"body": body, "log": "\n".join(lines) + "\n", **({"error": True} if failed else {})}


def _throttled(call: _Call) -> dict[str, Any]:
    throttled: dict[str, Any] = lambda_svc._throttle_response(
        reason_code="ConcurrentInvocationLimitExceeded",
        msg=f"Rate Exceeded: no worker of {call.version.name} came free",
    )
    return throttled


def _decode(payload: bytes, failed: bool) -> tuple[Any, bool]:
    if len(payload) > RESPONSE_LIMIT_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT_BYTES} bytes)."
        return {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}, True
    try:
        return json.loads(payload or b"null"), failed
    except ValueError:
        return payload.decode("utf-8", "replace"), failed


def _failure(error_type: str, message: str) -> dict[str, Any]:
    return {"body": {"errorType": error_type, "errorMessage": message}, "error": True, "log": ""}
