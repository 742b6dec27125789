"""Run every sample event through the real ``sam local invoke`` and check what comes back.

    python scripts/sam_local.py [--hold] [PATTERN ...]

The functions run in containers against the embedded cloud, which is brought up, deployed to and seeded first. Needs a
Docker engine: a running one is used; on Linux, as root, a private one is started. The image is AWS's own
(public.ecr.aws/lambda/python) where it can be had, else a stand-in made of this machine's Python.

Exit code 0 if all events gave what they must, 1 if some did not, 2 if they could not be run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import io
import ipaddress
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from omnilake_local import lifecycle
from omnilake_local.cloud import cloud_environment
from omnilake_local.deployment import client
from omnilake_local.environments import environment, find_uv
from omnilake_local.errors import LocalCloudError
from omnilake_local.fingerprint import tree_hash
from omnilake_local.host import Host, detect_host
from omnilake_local.locking import lock
from omnilake_local.paths import PACKAGE, Project, find_project, find_state_dir
from omnilake_local.progress import StepPrinter
from omnilake_local.samconfig import read_samconfig
from omnilake_local.server_process import ServerProcess

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the matching that the test of the same events uses
from expectations import Case, Outcome, find_cases  # noqa: E402

REGISTRY_IMAGE = "public.ecr.aws/lambda/python"
STAND_IN_IMAGE = "omnilake/lambda-python-stand-in"
PARALLEL = 2
INVOKE_TIMEOUT = 180
"""Seconds for one invocation with the building of its image, well above the 3-6 s it takes."""

STAND_IN_CAVEAT = """\
The image was a stand-in made of this machine's Python, not AWS's. This run does not prove that the functions work
with Amazon Linux's system libraries, with AWS's build and patch level of Python, or with the boto3 that AWS ships."""
CAVEAT = """\
With any image it does not prove IAM permissions, memory limits under load, or the behaviour of AWS's own endpoints:
the containers talked to the embedded cloud. The layers were copied to /opt of the images by this script, not by SAM."""


@dataclass(frozen=True)
class Engine:
    """A Docker engine and the image to run functions in."""

    docker_host: str | None
    image: str
    is_stand_in: bool


def docker(engine_host: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the docker client; whoever calls looks at the return code."""
    return subprocess.run(
        ["docker", *arguments], env=_docker_env(engine_host), capture_output=True, text=True, check=False
    )


def _docker_env(engine_host: str | None) -> dict[str, str]:
    return {**os.environ, **({"DOCKER_HOST": engine_host} if engine_host else {})}


@contextmanager
def docker_engine(project: Project) -> Iterator[str | None]:
    """Address of a Docker engine (None: the default one). A private one is stopped at the end.

    Raises:
        LocalCloudError: none runs and none can be started.
    """
    if shutil.which("docker") and docker(None, "version").returncode == 0:
        yield None
        return
    script, directory = ROOT / "scripts" / "docker_engine.sh", project.home / "docker"
    started = subprocess.run([script, "start", directory], stdout=subprocess.PIPE, text=True, check=False)
    if started.returncode != 0:
        raise LocalCloudError("No Docker engine runs and none could be started.", action="Start Docker.")
    try:
        yield started.stdout.strip()
    finally:
        subprocess.run([script, "stop", directory], check=False)


def registry_answers() -> bool:
    """Whether the registry of AWS's images can be reached, found out within seconds."""
    try:
        urllib.request.urlopen("https://public.ecr.aws/v2/", timeout=4).close()
    except urllib.error.HTTPError:
        return True  # 401: it wants a token, which docker gets
    except OSError:
        return False
    return True


def function_image(engine_host: str | None, host: Host) -> Engine:
    """AWS's image if the engine has it or can pull it, else a stand-in.

    Raises:
        LocalCloudError: the stand-in could not be built.
    """
    real = f"{REGISTRY_IMAGE}:{host.python_version}-{host.architecture}"
    if docker(engine_host, "image", "inspect", real).returncode == 0:
        return Engine(engine_host, real, is_stand_in=False)
    if registry_answers() and docker(engine_host, "pull", real).returncode == 0:
        return Engine(engine_host, real, is_stand_in=False)
    # Tagged by its making: another interpreter or other pins make another image.
    script, requirements = ROOT / "scripts" / "lambda_image.sh", PACKAGE / "requirements-lambda.txt"
    tag = _content_tag(str(host.interpreter), script.read_text(), requirements.read_text())
    image = f"{STAND_IN_IMAGE}:{host.python_version}-{tag}"
    if docker(engine_host, "image", "inspect", image).returncode != 0:
        made = subprocess.run(
            [script, host.interpreter, requirements, image],
            env={**_docker_env(engine_host), "UV": str(find_uv())},
            check=False,
        )
        if made.returncode != 0:
            raise LocalCloudError("The stand-in image could not be made.", action="See what it printed above.")
    return Engine(engine_host, image, is_stand_in=True)


def _content_tag(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def layered_image(engine: Engine, build: Path, layers: tuple[str, ...]) -> str:
    """The function image with built layers at ``/opt``, later ones over earlier ones, as Lambda mounts them.

    ``sam local invoke`` would do the same for layers of the template, but anew for each invocation, which takes longer
    than all the rest; this image is made once per content.

    Raises:
        LocalCloudError: it could not be built.
    """
    tag = _content_tag(engine.image, tree_hash(build, layers, ignored=frozenset()))
    image = f"omnilake/functions-{'-'.join(layers).lower() or 'plain'}:{tag}"
    if docker(engine.docker_host, "image", "inspect", image).returncode == 0:
        return image
    dockerfile = "\n".join([f"FROM {engine.image}", *(f"COPY {layer}/ /opt/" for layer in layers)]).encode()
    process = subprocess.Popen(
        ["docker", "build", "--quiet", "--tag", image, "-"],
        env={**_docker_env(engine.docker_host), "DOCKER_BUILDKIT": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None  # noqa: S101 - stdin=PIPE
    with (
        contextlib.suppress(BrokenPipeError),
        process.stdin as stdin,
        tarfile.open(fileobj=stdin, mode="w|") as context,
    ):
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(dockerfile)
        context.addfile(member, io.BytesIO(dockerfile))
        for layer in layers:
            context.add(build / layer, arcname=layer)
    assert process.stderr is not None  # noqa: S101 - stderr=PIPE
    said = process.stderr.read().decode("utf-8", "replace")
    if process.wait() != 0:
        raise LocalCloudError(f"The image with layers {', '.join(layers)} could not be built: {_end(said)}")
    return image


def function_layers(template: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Logical ids of each function's layers, those of Globals first, as SAM merges them."""
    common = template.get("Globals", {}).get("Function", {}).get("Layers", [])
    return {
        name: tuple(layer["Ref"] for layer in [*common, *resource["Properties"].get("Layers", [])])
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def bridge_address(engine_host: str | None) -> str:
    """Address of this machine on the engine's default network, as containers see it.

    Raises:
        LocalCloudError: the engine has no such network.
    """
    found = docker(engine_host, "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}")
    for config in json.loads(found.stdout or "null") or []:
        gateway = config.get("Gateway") or str(next(ipaddress.ip_network(config["Subnet"]).hosts()))
        if ":" not in gateway:
            return str(gateway)
    raise LocalCloudError("The Docker engine has no default bridge network.", action="Enable its default network.")


@contextmanager
def reachable_from_containers(engine_host: str | None, port: int) -> Iterator[str]:
    """URL by which containers reach a server on this machine's loopback interface.

    On Linux a forwarder listens on the bridge's address, for containers alone, as long as the context lasts. (SAM's
    ``--docker-network host`` does not put the container into the host's network: it stays on the bridge.)

    Raises:
        LocalCloudError: the bridge's address is not one of this machine: the engine runs elsewhere.
    """
    if sys.platform != "linux":
        yield f"http://host.docker.internal:{port}"  # Docker Desktop forwards it to the loopback interface
        return
    address = bridge_address(engine_host)
    loop = asyncio.new_event_loop()
    try:
        server = loop.run_until_complete(asyncio.start_server(_forward_to(port), address, 0))
    except OSError as error:
        raise LocalCloudError(
            f"The Docker engine's bridge address {address} is not on this machine: {error}",
            action="Use a Docker engine on this machine.",
        ) from error
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server) -> None:
    """Close the server and end the connections that containers left open."""
    server.close()
    connections = asyncio.all_tasks() - {asyncio.current_task()}
    for connection in connections:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


def _forward_to(port: int) -> Any:
    # A container that ends leaves its connections open, and asyncio alone holds tasks weakly: they would be collected
    # while they wait, with a complaint each.
    connections: set[asyncio.Task[Any] | None] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            connections.discard(asyncio.current_task())
            return
        try:
            # A cancelled connection ends here: asyncio's streams report a task that ends as cancelled as an error.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(copy(reader, upstream_writer), copy(upstream_reader, writer))
        finally:
            upstream_writer.close()
            writer.close()
            connections.discard(asyncio.current_task())

    return forward


def deployed_environments(endpoint_url: str, stack_name: str) -> dict[str, dict[str, str]]:
    """Environment of each deployed function, by logical id: ``sam local`` itself cannot resolve resource names."""
    cloudformation, functions = client("cloudformation", endpoint_url), client("lambda", endpoint_url)
    found = {}
    for resource in cloudformation.describe_stack_resources(StackName=stack_name)["StackResources"]:
        if resource["ResourceType"] == "AWS::Lambda::Function":
            configuration = functions.get_function_configuration(FunctionName=resource["PhysicalResourceId"])
            found[resource["LogicalResourceId"]] = configuration.get("Environment", {}).get("Variables", {})
    return found


def built_template(project: Project) -> dict[str, Any]:
    """The template as ``sam build`` left it."""
    return dict(yaml.safe_load(project.built_template.read_text(encoding="utf-8")))


def write_inputs(project: Project, environments: dict[str, dict[str, str]], endpoint_url: str) -> tuple[Path, Path]:
    """Template and environment file for ``sam local``, beside the built template.

    ``sam local`` passes only variables that the template declares, so the endpoint is declared in a copy of it.
    Layers are left out of the copy: they are in the functions' images.
    """
    endpoint = {
        name: value
        for name, value in cloud_environment(endpoint_url).items()
        if name in ("AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP", "AWS_EC2_METADATA_DISABLED")
    }
    template = built_template(project)
    declared = template.setdefault("Globals", {}).setdefault("Function", {}).setdefault("Environment", {})
    declared.setdefault("Variables", {}).update(endpoint)
    template["Globals"]["Function"].pop("Layers", None)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"].pop("Layers", None)
    template_file = project.build / "template.containers.yaml"
    template_file.write_text(yaml.safe_dump(template, sort_keys=False), encoding="utf-8")
    environment_file = project.build / "environment.containers.json"
    variables = {function: {**values, **endpoint} for function, values in environments.items()}
    environment_file.write_text(json.dumps(variables, indent=1), encoding="utf-8")
    return template_file, environment_file


@dataclass(frozen=True)
class Invoker:
    """Runs ``sam local invoke``."""

    sam: Path
    docker_host: str | None
    images: dict[str, str]
    """Image of each function, by logical id."""
    template: Path
    environment_file: Path
    parameters: dict[str, str]
    region: str

    def command(self, function: str, event_file: Path) -> list[str]:
        """The command line for one function and one event."""
        return [str(part) for part in (
            self.sam, "local", "invoke", function,
            "--event", event_file,
            "--template-file", self.template,
            "--env-vars", self.environment_file,
            "--region", self.region,
            "--invoke-image", self.images[function],
            "--skip-pull-image",
            "--parameter-overrides", *(f"{name}={value}" for name, value in self.parameters.items()),
        )]  # fmt: skip

    def invoke(self, function: str, event_file: Path) -> Outcome:
        """Invoke one function with one event.

        Raises:
            LocalCloudError: SAM failed, gave no JSON, or took longer than three minutes.
        """
        # No AWS settings: SAM would ask STS whose account it is.
        env = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        env |= {"SAM_CLI_TELEMETRY": "0"}
        if self.docker_host:
            env["DOCKER_HOST"] = self.docker_host
        try:
            done = subprocess.run(
                self.command(function, event_file),
                env=env,
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=INVOKE_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LocalCloudError(f"sam local invoke took longer than {INVOKE_TIMEOUT} s.") from error
        # SAM exits with 0 when the handler fails: only what it prints tells.
        if done.returncode != 0:
            raise LocalCloudError(f"sam local invoke failed with exit code {done.returncode}: {_end(done.stderr)}")
        try:
            payload = json.loads(done.stdout)
        except ValueError as error:
            raise LocalCloudError(f"The function answered no JSON. {_end(done.stdout)} {_end(done.stderr)}") from error
        return Outcome.of_payload(payload)


def _end(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-5:])


def seed(server: ServerProcess, events: Path) -> None:
    """Put in place the data that the events refer to.

    Raises:
        LocalCloudError: events/seed.py failed.
    """
    script = events / "seed.py"
    if not script.is_file():
        return
    env = {key: value for key, value in os.environ.items() if key != "AWS_PROFILE"}
    env |= cloud_environment(server.endpoint_url)
    if subprocess.run([sys.executable, script], env=env, cwd=ROOT, check=False).returncode != 0:
        raise LocalCloudError(f"{script} failed.", action="See what it printed above.")


def run_case(invoker: Invoker, case: Case) -> tuple[Case, list[str], float]:
    """A case, what is wrong with its outcome, and the seconds it took."""
    started = time.monotonic()
    try:
        wrong = case.mismatches(invoker.invoke(case.function, case.event_file))
    except LocalCloudError as error:
        wrong = [str(error)]
    return case, wrong, time.monotonic() - started


def run(cases: list[Case], events: Path, console: Console, hold: bool = False) -> int:
    """Run the cases; print a line for each and a closing line.

    Args:
        cases: which.
        events: folder of the events and seed.py.
        console: to print on.
        hold: run none; print their commands and keep engine and network until interrupted.

    Returns:
        How many failed.
    """
    project, host = find_project(), detect_host()
    progress = StepPrinter(console)
    server = lifecycle.up(project, find_state_dir(), progress=progress)
    config = read_samconfig(project.samconfig)
    with ExitStack() as stack:
        stack.enter_context(lock(project.build_lock, lambda: progress.note("A build runs: waiting for it.")))
        with progress.step("Seed"):
            seed(server, events)
        with progress.step("Docker engine"):
            engine_host = stack.enter_context(docker_engine(project))
        with progress.step("Function image"):
            engine = function_image(engine_host, host)
        layers = function_layers(built_template(project))
        unknown = sorted({case.function for case in cases} - set(layers))
        if unknown:
            raise LocalCloudError(f"The template has no function {', '.join(unknown)}.", action="Rename its events.")
        with progress.step("Images with layers"):
            images = {name: layered_image(engine, project.build, layers[name]) for name in {c.function for c in cases}}
        url = stack.enter_context(reachable_from_containers(engine_host, server.port))
        environments = deployed_environments(server.endpoint_url, config.stack_name)
        template, environment_file = write_inputs(project, environments, url)
        sam = environment("sam", project, host).path / "bin" / "sam"
        parameters = config.parameters | host.parameters
        invoker = Invoker(sam, engine_host, images, template, environment_file, parameters, config.region)
        if hold:
            _hold(invoker, cases)
            return 0
        failed = 0
        with ThreadPoolExecutor(PARALLEL) as pool:
            for case, wrong, seconds in pool.map(lambda case: run_case(invoker, case), cases):
                failed += bool(wrong)
                console.print(f"{'FAIL' if wrong else 'ok  '} {seconds:5.1f} s  {case.id}", highlight=False)
                for line in wrong:
                    console.print(f"              {line}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"\nImage: {engine.image}")
    if engine.is_stand_in:
        console.print(STAND_IN_CAVEAT)
    console.print(CAVEAT)
    print(f"{len(cases) - failed} passed, {failed} failed", flush=True)
    return failed


def _hold(invoker: Invoker, cases: list[Case]) -> None:
    """Print how to invoke each case by hand; return at Ctrl-C."""
    print("\nunset $(compgen -e AWS_); export SAM_CLI_TELEMETRY=0")
    if invoker.docker_host:
        print(f"export DOCKER_HOST={invoker.docker_host}")
    for case in cases:
        print(f"\n{shlex.join(invoker.command(case.function, case.event_file))}")
    print("\nThese work until you press Ctrl-C here.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def main() -> int:
    console = Console(width=None if sys.stdout.isatty() else 140)
    parser = argparse.ArgumentParser(description="Run sample events through sam local invoke.")
    parser.add_argument("patterns", nargs="*", help="run events whose Function/case contains one; default all")
    parser.add_argument("--events", type=Path, default=ROOT / "events", help="folder of the events and seed.py")
    parser.add_argument("--hold", action="store_true", help="run nothing: print the commands, and wait for Ctrl-C")
    chosen = parser.parse_args()
    try:
        cases = [
            case
            for case in find_cases(chosen.events)
            if not chosen.patterns or any(pattern in case.id for pattern in chosen.patterns)
        ]
        if not cases:
            console.print("No sample event matches.")
            return 2
        return 1 if run(cases, chosen.events, console, chosen.hold) else 0
    except (LocalCloudError, ValueError) as error:
        console.print(f"{error}", style="red", markup=False, soft_wrap=True)
        if isinstance(error, LocalCloudError) and error.action:
            console.print(error.action, markup=False, soft_wrap=True)
        return 2


if __name__ == "__main__":
    sys.exit(main())
