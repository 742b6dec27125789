"""`make bench-api`: how fast the API answers, and how long its functions take to import.

    python benchmarks/api.py [--rate 200] [--seconds 60]

Brings up the benchmarks' embedded cloud. Calls are signed and go the whole way: API Gateway's data plane of ministack,
awslambdaric in processes of their own, DynamoDB and S3. They are sent at a fixed rate, whether or not earlier ones are
answered, and a call's time counts from when it was due, so that what waits in a queue is counted. The callers share the
machine with what they measure. ``MIX`` says which calls; those that start an execution (a question, a search, an
ingestion) are not among them: their time is that of the state machine (`make bench-overhead`).

import_ms is CPU time on one core that importing a handler takes beyond starting Python, the highest of all functions.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import lru_cache
from http.client import HTTPConnection, HTTPException
from itertools import chain
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402
from benchmarks.cloud import bench_cloud  # noqa: E402

if TYPE_CHECKING:
    from omnilake_local.paths import Project

FUNCTIONS = sorted((ROOT / "functions" / "api").glob("*.py"))
DOCUMENT = "The night ferry to Selmere leaves from pier seven at half past nine."
WARMING_SECONDS = 30
"""Of calls that do not count, until every function has as many processes as it comes to have: each imports for a third
of a second, and a machine that keeps up only just takes long to make up for that. Import times are told by themselves.
"""

ENTRIES = ANSWERS = 12
"""Documents and answers that the calls are about."""

CALLERS, THREADS = 2, 24
"""Processes that call, and connections of each."""

WORKERS = 6
"""Processes that may run one function at a time, as Lambda starts more of a function that is called more."""


class Call(NamedTuple):
    """A call of the mix, and the status that it must have."""

    name: str
    method: str
    path: str
    status: int
    body: str = ""


def mix(archive_id: str, entry_ids: Sequence[str], job_ids: Sequence[str]) -> list[Call]:
    """The calls, each kind as often as the others, about one entry and answer after the other."""
    return [call for entry, job in zip(entry_ids, job_ids, strict=False) for call in kinds(archive_id, entry, job)]


def kinds(archive_id: str, entry_id: str, job_id: str) -> list[Call]:
    """A call of each kind."""
    archive = f"/v1/archives/{archive_id}"
    entry = f"{archive}/entries/{entry_id}"
    upload = {"name": "ferry.txt", "bytes": len(DOCUMENT), "media_type": "text/plain"}
    return [
        Call("health", "GET", "/v1/health", 200),
        Call("archive", "GET", archive, 200),
        Call("archives", "GET", "/v1/archives?limit=10", 200),
        Call("entries", "GET", f"{archive}/entries?limit=10", 200),
        Call("entry", "GET", entry, 200),
        Call("text of an entry", "GET", f"{entry}/content", 200),
        Call("job", "GET", f"/v1/jobs/{job_id}", 200),
        Call("jobs", "GET", "/v1/jobs?limit=10", 200),
        Call("answer", "GET", f"/v1/answers/{job_id}", 200),
        Call("new upload", "POST", f"{archive}/uploads", 201, json.dumps(upload)),
        Call("score", "PUT", f"/v1/requests/{job_id}/score", 200, json.dumps({"score": 0.9})),
        Call("archive that is not there", "GET", "/v1/archives/bench-nowhere", 404),
        Call("request that is refused", "POST", "/v1/requests", 422, json.dumps({"archives": [archive_id], "x": 1})),
    ]


def imports_ms(project: Project) -> dict[str, float]:
    """CPU milliseconds of importing each handler, beyond starting Python: the median of seven processes.

    With what the deployment gives a function: the built core layer and the runtime's interpreter and boto3.
    """
    code = "import runpy, sys, time as t; b = t.process_time(); runpy.run_path(sys.argv[1]); print(t.process_time()-b)"
    python = project.venvs / "lambda" / "bin" / "python"
    environment = {**os.environ, "PYTHONPATH": str(project.build / "CoreLayer" / "python")}
    found = {}
    for function in FUNCTIONS:
        command = [str(python), "-c", code, str(function)]
        times = [subprocess.run(command, env=environment, capture_output=True, check=True).stdout for _ in range(7)]
        found[function.stem] = statistics.median(map(float, times)) * 1_000
    return found


@lru_cache(maxsize=1_000)
def signed(endpoint: str, call: Call, second: int) -> dict[str, str]:
    """Headers of a call, signed (SigV4); calls of one second share them, because callers are not what is measured."""
    headers = {"Content-Type": "application/json"} if call.body else {}
    request = AWSRequest(call.method, endpoint + call.path, data=call.body or None, headers=headers)
    SigV4Auth(Credentials("test", "test"), "execute-api", "us-east-1").add_auth(request)
    return dict(request.headers)


def send(connection: HTTPConnection, endpoint: str, call: Call) -> int:
    """Make a signed call over a connection that stays open; its status."""
    headers = signed(endpoint, call, int(time.time()))
    connection.request(call.method, urlsplit(endpoint).path + call.path, body=call.body or None, headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def calls_of(
    caller: int, endpoint: str, calls: Sequence[Call], rate: float, total: int, began: float
) -> tuple[list[tuple[int, float]], Counter[str]]:
    """Make every ``CALLERS``-th of the calls when it is due; (number, seconds from when it was due), errors by kind."""
    address = urlsplit(endpoint).netloc
    connections: Queue[HTTPConnection] = Queue()
    for _ in range(THREADS):
        connections.put(HTTPConnection(address, timeout=60))
    errors: Counter[str] = Counter()
    lock = threading.Lock()

    def one(number: int) -> tuple[int, float]:
        due = began + number / rate
        time.sleep(max(0.0, due - time.time()))
        call = calls[number % len(calls)]
        connection = connections.get()
        try:
            status = send(connection, endpoint, call)
            error = "" if status == call.status else f"{call.name}: {status}"
        except (HTTPException, OSError) as failure:
            connection.close()  # and opened again by the next call
            error = f"{call.name}: {type(failure).__name__}"
        finally:
            connections.put(connection)
        if error:
            with lock:
                errors[error] += 1
        return number, time.time() - due

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(one, range(caller, total, CALLERS))), errors


def load(endpoint: str, calls: Sequence[Call], rate: float, seconds: int) -> tuple[dict[int, float], Counter[str]]:
    """Seconds of each call, by its number, and errors by kind."""
    total, began = int(rate * seconds), time.time() + 2
    with ProcessPoolExecutor(CALLERS, mp_context=multiprocessing.get_context("spawn")) as processes:
        waiting = [processes.submit(calls_of, each, endpoint, calls, rate, total, began) for each in range(CALLERS)]
        parts = [each.result() for each in waiting]
    return dict(chain.from_iterable(times for times, _ in parts)), sum((errors for _, errors in parts), Counter())


def prepared() -> tuple[str, list[Call]]:
    """Endpoint of the API, and the mix of calls: of a new archive with entries and answered questions."""
    from omnilake.client.client import OmniLake
    from omnilake.client.deployment import Deployment

    archive_id = f"bench-api-{time.time_ns():x}"
    with OmniLake() as lake:
        lake.archives.create(archive_id, "Of the benchmark of the API.")
        texts = [DOCUMENT.replace("seven", f"number {number}") for number in range(ENTRIES)]
        adding = [lake.entries.add(archive_id, text, sources=["https://example.com/ferries"]) for text in texts]
        for each in adding:
            each.completed()
        entry_ids = [entry.entry_id for entry in lake.entries.list(archive_id)]
        asking = [lake.ask(archive_id, f"From which pier leaves ferry {number}?") for number in range(ANSWERS)]
        for each in asking:
            each.completed()
    return Deployment().outputs["ApiEndpoint"], mix(archive_id, entry_ids, [each.job_id for each in asking])


def measure(rate: float, seconds: int) -> None:
    """Load, then import times once the cloud no longer takes part of the machine; print and write what was found."""
    from omnilake_local import paths

    with bench_cloud(WORKERS):
        endpoint, calls = prepared()
        load(endpoint, calls, rate, WARMING_SECONDS)
        times, errors = load(endpoint, calls, rate, seconds)
        load_average = os.getloadavg()[0]
    imports = imports_ms(paths.find_project())
    percentiles = statistics.quantiles(times.values(), n=100)
    last = max(number / rate + took for number, took in times.items())
    figures = {
        "rps": len(times) / last,
        "p50_ms": percentiles[49] * 1_000,
        "p95_ms": percentiles[94] * 1_000,
        "p99_ms": percentiles[98] * 1_000,
        "errors": errors.total(),
        "import_ms": max(imports.values()),
    }
    of_kind: dict[str, list[float]] = {}
    for number, took in times.items():
        of_kind.setdefault(calls[number % len(calls)].name, []).append(took * 1_000)
    by_call = {name: statistics.median(found) for name, found in of_kind.items()}
    report.table(
        f"API, {rate:g} calls a second asked for, {seconds} s",
        {
            **figures,
            **{f"p50 of {name}, ms": value for name, value in by_call.items()},
            **{f"import of {name}, ms": value for name, value in imports.items()},
            **errors,
        },
    )
    told = {"asked_rps": rate, "seconds": seconds, "p50_ms_of": by_call, "imports_ms": imports}
    told |= {"errors_by_kind": dict(errors), "load_average": load_average}
    print(report.write("api", {**figures, **told}))


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200, help="calls a second")
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    measure(given.rate, given.seconds)


if __name__ == "__main__":
    main()
