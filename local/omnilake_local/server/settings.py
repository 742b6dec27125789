"""What the server is told when it starts, and what it tells ministack before importing it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ACCOUNT_ID = "000000000000"
REGION = "us-east-1"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class ServerSettings:
    """Where the server listens and keeps its state.

    ``workers_per_function`` bounds the processes that run one function at the same time; invocations beyond
    it wait their turn.
    """

    port: int
    state_dir: Path
    lambda_python: Path
    workers_per_function: int = 2

    @property
    def endpoint_url(self) -> str:
        """The address AWS clients use."""
        return f"http://{HOST}:{self.port}"

    @property
    def layers_dir(self) -> Path:
        """Unpacked layers, one folder per content hash, kept across restarts."""
        return self.state_dir / "layers"

    @property
    def tasks_dir(self) -> Path:
        """Unpacked function code, one folder per content hash."""
        return self.state_dir / "tasks"

    @property
    def scratch_dir(self) -> Path:
        """The ``/tmp`` of every worker; emptied when the server starts."""
        return self.state_dir / "tmp"

    def ministack_environment(self) -> dict[str, str]:
        """Environment variables that ministack reads at import.

        Only the one HTTP port may be opened: the MQTT and SFTP listeners are off, and no container engine is
        looked for.
        """
        return {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent/docker.sock",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.state_dir / "services"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.state_dir / "s3"),
            "LAMBDA_EXECUTOR": "local",
            "LAMBDA_ACCOUNT_CONCURRENCY": "1000",
        }
