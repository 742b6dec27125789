"""How fast the API answers, and how long its functions take to import.

    python benchmarks/api.py [--rate 200] [--seconds 60]

Needs a running embedded cloud (`omnilake local up`). Calls are signed and go the whole way: API Gateway's data plane of
ministack, awslambdaric in a process of its own, DynamoDB. They are sent at a fixed rate, whether or not earlier ones
are answered, and a call's time counts from when it was due. The mix: health, a description of an archive, a list of
archives, a list of jobs, and an archive that is not there.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from omnilake.client.deployment import Deployment
from omnilake.errors import ArchiveExists
from omnilake_local.cloud import connect

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks import report

ROOT = Path(__file__).resolve().parents[1]
FUNCTIONS = sorted((ROOT / "functions" / "api").glob("*.py"))
ARCHIVE = "bench-api"
MIX = (
    ("/v1/health", 200),
    (f"/v1/archives/{ARCHIVE}", 200),
    ("/v1/archives?limit=10", 200),
    ("/v1/jobs?limit=10", 200),
    ("/v1/archives/bench-nowhere", 404),
)
THREADS = 64


def import_ms(function: Path) -> float:
    """CPU milliseconds that importing a handler takes beyond bare Python: the median of five processes."""
    code = "import sys, time; began = time.process_time(); exec(sys.argv[1]); print(time.process_time() - began)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "layers" / "core")}
    source = f"import runpy; runpy.run_path({str(function)!r})"
    command = [sys.executable, "-c", code, source]
    times = [float(subprocess.run(command, env=environment, capture_output=True, check=True).stdout) for _ in range(5)]
    return statistics.median(times) * 1_000


def send(session: requests.Session, endpoint: str, path: str) -> int:
    """Make a signed call; its status."""
    request = AWSRequest("GET", endpoint + path)
    SigV4Auth(Credentials("test", "test"), "execute-api", "us-east-1").add_auth(request)
    return session.get(endpoint + path, headers=dict(request.headers), timeout=60).status_code


def load(endpoint: str, rate: int, seconds: int) -> tuple[list[float], Counter[str]]:
    """Seconds from when each call was due to its answer, and errors by kind."""
    local = threading.local()
    errors: Counter[str] = Counter()
    began = time.monotonic() + 0.5

    def call(number: int) -> float:
        due = began + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        if not hasattr(local, "session"):
            local.session = requests.Session()
        path, expected = MIX[number % len(MIX)]
        try:
            status = send(local.session, endpoint, path)
        except requests.RequestException as error:
            errors[type(error).__name__] += 1
        else:
            if status != expected:
                errors[str(status)] += 1
        return time.monotonic() - due

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(call, range(rate * seconds))), errors


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="How fast the API answers.")
    parser.add_argument("--rate", type=int, default=200, help="calls a second")
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    os.environ.update(connect().env)
    deployment = Deployment()
    endpoint = deployment.outputs["ApiEndpoint"]
    with contextlib.suppress(ArchiveExists):
        deployment.create_archive(ARCHIVE, "Of the benchmark of the API.")
    for path, _ in MIX * 2:  # every function has its processes
        send(requests.Session(), endpoint, path)
    imports = {each.stem: import_ms(each) for each in FUNCTIONS}
    began = time.monotonic()
    times, errors = load(endpoint, given.rate, given.seconds)
    took = time.monotonic() - began
    percentiles = statistics.quantiles(times, n=100)
    figures = {
        "rps": len(times) / took,
        "p50_ms": percentiles[49] * 1_000,
        "p95_ms": percentiles[94] * 1_000,
        "p99_ms": percentiles[98] * 1_000,
        "errors": sum(errors.values()),
        "import_ms": max(imports.values()),
    }
    report.table("API", {**figures, **{f"import {name}, ms": value for name, value in imports.items()}, **errors})
    told = {"asked_rps": given.rate, "seconds": given.seconds, "imports_ms": imports, "errors_by_kind": dict(errors)}
    print(report.write("api", {**figures, **told, "load_average": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
