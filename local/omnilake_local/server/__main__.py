"""``python -m omnilake_local.server``: parse the arguments, tell ministack its settings, serve."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from omnilake_local.server.settings import ServerSettings


def parse_arguments(arguments: list[str] | None = None) -> ServerSettings:
    """Settings from the command line."""
    parser = argparse.ArgumentParser(prog="omnilake_local.server", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="loopback port to serve AWS APIs on")
    parser.add_argument("--state-dir", type=Path, required=True, help="folder that keeps all state")
    parser.add_argument("--lambda-python", type=Path, required=True, help="interpreter with awslambdaric and boto3")
    parser.add_argument("--workers-per-function", type=int, default=2, help="processes a function at most")
    given = parser.parse_args(arguments)
    if given.workers_per_function < 1:
        parser.error("--workers-per-function must be at least 1")
    if not given.lambda_python.exists():
        parser.error(f"--lambda-python: {given.lambda_python} does not exist")
    return ServerSettings(
        port=given.port,
        state_dir=given.state_dir.resolve(),
        # not resolved: a virtual environment's interpreter is a link whose place is what counts
        lambda_python=given.lambda_python.absolute(),
        workers_per_function=given.workers_per_function,
    )


def main() -> None:
    """Entry point."""
    settings = parse_arguments()
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    os.environ.update(settings.ministack_environment())
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    # ministack reads its environment when it is imported, so it may be imported only now
    from omnilake_local.server.serving import serve

    serve(settings)


if __name__ == "__main__":
    main()
