"""Puts ``FunctionRuntime`` behind ministack's Lambda service for every ``python*`` function.

Replaced in ministack: the executor dispatch, and the hooks that end workers when a function changes.
Unnecessary once ministack can run ``python*`` runtimes through the Lambda Runtime API (see the package).
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc

from omnilake_local.server.functions import logs
from omnilake_local.server.functions.artifacts import ArtifactStore, digest_from_code_sha256, digest_of
from omnilake_local.server.functions.environment import FunctionVersion
from omnilake_local.server.functions.pool import FunctionRuntime, NoWorkerFreeError
from omnilake_local.server.functions.runtime_api import Invocation
from omnilake_local.server.settings import ServerSettings

RESPONSE_LIMIT_BYTES = 6 * 1024 * 1024
"""Largest answer of a function, Lambda's own limit for synchronous invocations."""

_LOG = logging.getLogger(__name__)


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
        if not str(config.get("Runtime", "")).startswith("python") or not func.get("code_zip"):
            result: dict[str, Any] = self._other_runtimes(func, config, event, request_id, started)
            return result
        try:
            version = self._version(func, config)
        except zipfile.BadZipFile as broken:
            return _failure("Runtime.InvalidZip", str(broken))
        trace_id = lambda_svc._xray_trace_id_for_invocation(config)
        payload = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()

        def request() -> Invocation:
            deadline_ms = int((time.time() + version.timeout_seconds) * 1000)
            return Invocation(request_id, payload, deadline_ms, config["FunctionArn"], trace_id)

        try:
            outcome = self.runtime.invoke(version, request)
        except NoWorkerFreeError:
            throttled: dict[str, Any] = lambda_svc._throttle_response(
                reason_code="ConcurrentInvocationLimitExceeded",
                msg=f"Rate Exceeded: no worker of {version.name} came free",
            )
            return throttled
        lines = logs.invocation_lines(version, request_id, outcome, trace_id)
        logs.write_lines(version.log_group, outcome.log_stream, lines)
        body, failed = _decode(outcome.payload, outcome.failed)
        return {"body": body, "log": "\n".join(lines) + "\n", **({"error": True} if failed else {})}

    def _version(self, func: dict[str, Any], config: dict[str, Any]) -> FunctionVersion:
        account, region = lambda_runtime._account_region_from_function_config(config)
        name = config["FunctionName"]
        logging_config = config.get("LoggingConfig") or {}
        return FunctionVersion(
            arn=f"arn:aws:lambda:{region}:{account}:function:{name}",
            name=name,
            version=config.get("Version", "$LATEST"),
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
