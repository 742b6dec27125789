"""Up, down and status of an embedded cloud."""

from __future__ import annotations

import contextlib
import json
import shutil
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from omnilake_local.cloud import cloud_environment
from omnilake_local.deployment import Deployment, client, stack_status
from omnilake_local.environments import NAMES, Environment, environment, find_uv
from omnilake_local.errors import LocalCloudError, NotRunning
from omnilake_local.fingerprint import deployment_fingerprint, server_fingerprint
from omnilake_local.host import Host, detect_host
from omnilake_local.locking import lock
from omnilake_local.paths import Project, StateDir
from omnilake_local.samconfig import read_samconfig
from omnilake_local.server_process import (
    DEFAULT_PORT,
    WORKERS,
    ServerProcess,
    free_port,
    recorded_server,
    running_server,
    start_server,
    stop_server,
)
from omnilake_local.subprocesses import Watch


class Progress(Protocol):
    """Shows what is going on."""

    def step(self, name: str) -> AbstractContextManager[Watch]:
        """A step with a name; its lines of output go to what it gives."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class Quiet:
    """Progress that shows nothing."""

    @contextmanager
    def step(self, name: str) -> Iterator[Watch]:
        yield lambda line: None

    def note(self, text: str) -> None:
        pass


def up(
    project: Project,
    state: StateDir,
    *,
    port: int | None = None,
    workers: int = WORKERS,
    progress: Progress | None = None,
    parameters: Mapping[str, str] | None = None,
) -> ServerProcess:
    """Bring the embedded cloud up, with the project's stack deployed as it is in the checkout now.

    Does only what is missing: environments, server, build, deployment. Waits for another ``up`` or ``down`` of the same
    state directory to end.

    Args:
        port: for the server; default 4566, or the port of last time, or the next free one.
        workers: processes that may run one function at a time, of a server that this call starts.
        parameters: of the template, beside those of samconfig.toml; those of an earlier call do not stay.

    Raises:
        LocalCloudError: a step failed.
    """
    progress = progress or Quiet()
    given = dict(parameters or {})
    host = detect_host()
    config = read_samconfig(project.samconfig)
    with lock(state.lock, lambda: progress.note("Another omnilake local command is at work here: waiting for it.")):
        environments = environments_of(project, host, progress)
        server = _server(state, environments, port, progress, workers)
        deployment = Deployment(project, state, host, config, environments["sam"], str(find_uv()))
        fingerprint = deployment_fingerprint(project, host)
        if not deployment.is_current(server.endpoint_url, fingerprint, given):
            with lock(project.build_lock, lambda: progress.note("Another build of this project runs: waiting for it.")):
                if not deployment.is_built(fingerprint):
                    with progress.step("Build (sam build)") as watch:
                        deployment.build(fingerprint, watch)
                if deployment.never_succeeded(server.endpoint_url):
                    progress.note("The first deployment failed: starting anew, without what it left.")
                    server = _anew(state, environments, server, progress)
                with progress.step("Deploy (sam deploy)") as watch:
                    deployment.deploy(server.endpoint_url, fingerprint, given, watch)
    return server


def environments_of(project: Project, host: Host, progress: Progress | None = None) -> dict[str, Environment]:
    """The three environments by name; those that are missing or have other pins are made, side by side.

    Raises:
        LocalCloudError: one could not be made.
    """
    progress = progress or Quiet()
    environments = {name: environment(name, project, host) for name in NAMES}
    missing = [each for each in environments.values() if not each.is_current()]
    if not missing:
        return {str(name): each for name, each in environments.items()}
    with (
        lock(project.venvs / "lock", lambda: progress.note("Environments are being made by another command: waiting.")),
        progress.step(f"Environments ({', '.join(each.name for each in missing)})") as watch,
    ):
        uv = find_uv()
        logs = project.home / "logs"

        def make(each: Environment) -> None:
            if not each.is_current():  # else made meanwhile, by whoever held the lock
                log = logs / f"venv-{each.name}.log"
                log.unlink(missing_ok=True)
                each.make(uv, log)
                watch(f"{each.name} made")

        with ThreadPoolExecutor(len(missing)) as pool:
            list(pool.map(make, missing))
    return {str(name): each for name, each in environments.items()}


def _server(
    state: StateDir,
    environments: dict[str, Environment],
    port: int | None,
    progress: Progress,
    workers: int = WORKERS,
) -> ServerProcess:
    """The running server, started if there is none, restarted if its code or pins changed."""
    fingerprint = server_fingerprint()
    running = running_server(state)
    if running is not None:
        if port not in (None, running.port):
            raise LocalCloudError(
                f"The embedded cloud already runs on port {running.port}.",
                action="Run `omnilake local down` first to move it to another port.",
            )
        if running.fingerprint == fingerprint and running.is_healthy():
            return running
        with progress.step("Stop the old server"):
            stop_server(running)
    last = recorded_server(state)
    wanted = port if port is not None else last.port if last is not None else DEFAULT_PORT
    chosen = free_port(wanted)
    if chosen != wanted:
        progress.note(f"Port {wanted} is taken: using {chosen}.")
    with progress.step("Server"):
        return start_server(
            state,
            python=environments["cloud"].python,
            lambda_python=environments["lambda"].python,
            port=chosen,
            fingerprint=fingerprint,
            workers=workers,
        )


def _anew(
    state: StateDir, environments: dict[str, Environment], server: ServerProcess, progress: Progress
) -> ServerProcess:
    """Restart the server with no state.

    Only for a cloud whose first deployment failed. CloudFormation leaves buckets and tables that are to be retained
    behind even then, and the next creation fails because they exist; nothing was ever stored in them.
    """
    with progress.step("Stop the server"):
        stop_server(server)
    shutil.rmtree(state.data)
    return _server(state, environments, None, progress)


def down(state: StateDir, progress: Progress | None = None) -> bool:
    """Stop the embedded cloud; its state is kept for the next ``up``.

    Returns:
        Whether one was running.

    Raises:
        LocalCloudError: it had to be killed, so changes since its last save may be lost.
    """
    progress = progress or Quiet()
    with lock(state.lock, lambda: progress.note("Another omnilake local command is at work here: waiting for it.")):
        server = running_server(state)
        if server is None:
            return False
        with progress.step("Stop the server"):
            saved = stop_server(server)
    if not saved:
        raise LocalCloudError(
            "The server did not end by itself and was killed: changes since its last save may be lost.",
            action="See the end of its log.",
            log=state.server_log,
        )
    return True


@dataclass(frozen=True)
class Queue:
    """How much waits in a queue."""

    name: str
    visible: int
    in_flight: int


@dataclass(frozen=True)
class Status:
    """An embedded cloud at one moment."""

    endpoint_url: str
    pid: int
    port: int
    uptime_s: float
    state_dir: str
    healthy: bool
    stack_name: str
    stack_status: str | None
    functions: list[dict[str, Any]]
    """Per function, as the server tells: memory_size_mb, peak_rss_mb, invocations, cold_starts, workers."""
    queues: list[Queue]
    env: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def status(project: Project, state: StateDir) -> Status:
    """What runs, what is deployed, how much memory functions took, how much waits in queues.

    Raises:
        NotRunning: no embedded cloud runs in this state directory.
    """
    server = running_server(state)
    if server is None:
        raise NotRunning(state.root)
    url = server.endpoint_url
    stack_name = read_samconfig(project.samconfig).stack_name
    return Status(
        endpoint_url=url,
        pid=server.pid,
        port=server.port,
        uptime_s=round(server.uptime, 1),
        state_dir=str(state.root),
        healthy=server.is_healthy(),
        stack_name=stack_name,
        stack_status=stack_status(url, stack_name),
        functions=function_figures(url),
        queues=queue_depths(url),
        env=cloud_environment(url),
    )


def function_figures(endpoint_url: str) -> list[dict[str, Any]]:
    """Memory, invocations and workers of each function that was invoked since the server started."""
    with urllib.request.urlopen(f"{endpoint_url}/_omnilake/lambda", timeout=5) as answer:  # noqa: S310
        found = json.load(answer)
    figures = found.get("functions", []) if isinstance(found, dict) else found
    return sorted(figures, key=lambda each: str(each.get("function")))


def queue_depths(endpoint_url: str) -> list[Queue]:
    """Messages of every queue, those in flight apart."""
    sqs = client("sqs", endpoint_url)
    depths = []
    for url in sqs.list_queues().get("QueueUrls", []):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with contextlib.suppress(sqs.exceptions.QueueDoesNotExist):  # deleted since it was listed
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            depths.append(Queue(url.rsplit("/", 1)[-1], int(found[names[0]]), int(found[names[1]])))
    return sorted(depths, key=lambda queue: queue.name)
