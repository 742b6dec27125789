"""The environment variables of a worker process, as the Lambda service sets them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class FunctionVersion:
    """One deployed version of a function: all that is needed to run it."""

    arn: str
    name: str
    version: str
    handler: str
    runtime: str
    memory_mb: int
    timeout_seconds: float
    task_root: Path
    layer_roots: Sequence[Path] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)
    region: str = "us-east-1"
    log_group: str = ""


def python_path(version: FunctionVersion) -> list[str]:
    """Import path in Lambda's order: the function's own code, then the layers, the last attached first.

    AWS merges layers into one ``/opt``, where a later layer's file hides an earlier layer's; separate folders
    in reverse order have the same effect for whole packages, but do not merge two halves of one package.
    """
    digits = version.runtime.removeprefix("python")
    paths = [str(version.task_root)]
    for root in reversed(version.layer_roots):
        paths.append(str(root / "python"))
        paths.append(str(root / "python" / "lib" / f"python{digits}" / "site-packages"))
    return paths


def worker_environment(
    version: FunctionVersion,
    *,
    endpoint_url: str,
    runtime_api: str,
    log_stream: str,
    scratch_dir: Path,
) -> dict[str, str]:
    """Everything the process sees; nothing of the server's own environment but ``PATH``.

    ``AWS_ENDPOINT_URL`` makes every AWS SDK talk to this server, and ``AWS_ALLOW_HTTP`` lets Rust's
    ``object_store`` (LanceDB) do so without TLS, so product code needs no option for either. The function's
    own variables come before the reserved ones, which Lambda does not let a function set.
    """
    libraries = [str(root / "lib") for root in reversed(version.layer_roots)]
    binaries = [str(root / "bin") for root in reversed(version.layer_roots)]
    own_path = version.variables.get("PYTHONPATH")
    defaults = {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": str(scratch_dir),
        "TMPDIR": str(scratch_dir),
        "PATH": os.pathsep.join([*binaries, os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        # layer folders are shared by concurrent workers and keyed by content: leave them as they were unpacked
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    reserved = {
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": version.name,
        "AWS_LAMBDA_FUNCTION_VERSION": version.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": version.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{version.runtime}",
        "AWS_REGION": version.region,
        "AWS_DEFAULT_REGION": version.region,
        **{name: value for name, value in version.credentials.items() if value},
        "LAMBDA_TASK_ROOT": str(version.task_root),
        "_HANDLER": version.handler,
        "PYTHONPATH": os.pathsep.join([*python_path(version), *([own_path] if own_path else [])]),
    }
    if libraries:
        library_path = [*libraries, *filter(None, [version.variables.get("LD_LIBRARY_PATH")])]
        reserved["LD_LIBRARY_PATH"] = os.pathsep.join(library_path)
    return {**defaults, **{key: str(value) for key, value in version.variables.items()}, **reserved}
