"""A running embedded cloud, as its users see it: an endpoint and an environment.

Light to import: tests, benchmarks and the CLI call :func:`connect` before they import boto3.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omnilake_local.errors import NotRunning
from omnilake_local.paths import find_state_dir
from omnilake_local.server_process import running_server

ACCOUNT = "000000000000"
REGION = "us-east-1"


@dataclass(frozen=True)
class LocalCloud:
    """How to reach a running embedded cloud."""

    endpoint_url: str
    env: dict[str, str]
    """Environment for boto3, the AWS CLI and LanceDB: endpoint, credentials that mean nothing, region."""


def cloud_environment(endpoint_url: str, region: str = REGION) -> dict[str, str]:
    """Environment variables that point AWS clients at an embedded cloud.

    ``AWS_PROFILE`` must not be set beside them: boto3 fails if that profile does not exist.
    """
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        # LanceDB's object store refuses plain http without it.
        "AWS_ALLOW_HTTP": "true",
    }


def connect(state_dir: Path | None = None) -> LocalCloud:
    """The embedded cloud that runs in a state directory (default: the project's).

    Raises:
        NotRunning: none does.
    """
    state = find_state_dir(state_dir)
    server = running_server(state)
    if server is None:
        raise NotRunning(state.root)
    return LocalCloud(server.endpoint_url, cloud_environment(server.endpoint_url))
