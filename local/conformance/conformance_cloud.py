"""A server under test, the application deployed on it, and short ways to use both."""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
from botocore.config import Config

from omnilake_local.environments import Environment
from omnilake_local.host import detect_host
from omnilake_local.lifecycle import environments_of
from omnilake_local.paths import find_project

LOCAL = Path(__file__).resolve().parents[1]
APP = Path(__file__).with_name("app")
STACK = "conformance"
TERMINAL = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}
T = TypeVar("T")


@cache
def environments() -> dict[str, Environment]:
    """The project's environments of the embedded cloud, made if they are missing."""
    return environments_of(find_project(), detect_host())


def wait_for(look: Callable[[], T | None], seconds: float = 15.0, pause: float = 0.05) -> T:
    """The first true value that ``look`` gives; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(pause)
    pytest.fail(f"nothing within {seconds} s from {look}")


def unique(prefix: str = "") -> str:
    """A name that nothing else in the session has."""
    return prefix + uuid.uuid4().hex[:12]


def run_in_server_environment(program: str, *arguments: str, told: str = "") -> Any:
    """What a program prints as JSON that runs with the server's own packages, apart from any server.

    Args:
        program: Python.
        arguments: of its command line.
        told: its standard input.
    """
    done = subprocess.run(
        [str(environments()["cloud"].python), "-c", program, *arguments],
        input=told,
        env={**os.environ, "PYTHONPATH": str(LOCAL), "PERSIST_STATE": "0"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


class Server:
    """A server process on a free port with its own state folder, and what to add to its environment."""

    def __init__(self, state_dir: Path, environment: dict[str, str] | None = None) -> None:
        self.state_dir = state_dir
        self.environment = environment or {}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.endpoint_url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it is healthy."""
        log = (self.state_dir / "server.log").open("ab")
        environment = {**os.environ, "PYTHONPATH": str(LOCAL), "OF_THE_HOST": "1", **self.environment}
        command = [
            str(environments()["cloud"].python),
            *("-m", "omnilake_local.server", "--port", str(self.port), "--state-dir", str(self.state_dir)),
            *("--lambda-python", str(environments()["lambda"].python)),
        ]
        self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        log.close()
        wait_for(self.healthy, seconds=60)

    def healthy(self) -> bool:
        """Whether the health page answers."""
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail((self.state_dir / "server.log").read_text()[-3000:])
        try:
            return bool(self.page("health")["status"] == "running")
        except OSError:
            return False

    def page(self, name: str) -> Any:
        """A document of the server's own pages."""
        address = f"{self.endpoint_url}/_omnilake/{name}"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own server
            return json.load(answer)

    def stop(self, sign: int = signal.SIGTERM) -> float:
        """Stop by a signal and give the seconds it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(sign)
        self.process.wait(timeout=30)
        return time.monotonic() - began

    def __enter__(self) -> Server:
        """Start; the server is gone at the end of the block whatever happens in it."""
        try:
            self.start()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            finally:
                self._kill()

    def _kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def client(self, service: str, key: tuple[str, str] = ("test", "test")) -> Any:
        """A boto3 client of the server, with the account's own key or another: its id and its secret."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=key[0],
            aws_secret_access_key=key[1],
            config=Config(
                retries={"total_max_attempts": 1},
                read_timeout=60,
                max_pool_connections=64,
                inject_host_prefix=False,
                s3={"addressing_style": "path"},
            ),
        )


@dataclass
class Cloud:
    """The deployed application and short ways to use it."""

    server: Server
    outputs: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, output: str) -> str:
        return self.outputs[output]

    @cached_property
    def functions(self) -> Any:
        return self.server.client("lambda")

    @cached_property
    def states(self) -> Any:
        return self.server.client("stepfunctions")

    @cached_property
    def s3(self) -> Any:
        return self.server.client("s3")

    @cached_property
    def sqs(self) -> Any:
        return self.server.client("sqs")

    @cached_property
    def table(self) -> Any:
        return self.server.client("dynamodb")

    @cached_property
    def events(self) -> Any:
        return self.server.client("events")

    @cached_property
    def scheduler(self) -> Any:
        return self.server.client("scheduler")

    @cached_property
    def logs(self) -> Any:
        return self.server.client("logs")

    def invoke(self, function: str, event: Any = None, **options: Any) -> tuple[dict[str, Any], Any]:
        """Invoke by output name: the response and the decoded payload."""
        response = self.functions.invoke(
            FunctionName=self[function], Payload=json.dumps({} if event is None else event), **options
        )
        return response, json.loads(response["Payload"].read() or b"null")

    def items(self, partition: str) -> list[dict[str, Any]]:
        """All items of a partition, by sort key."""
        answer = self.table.query(
            TableName=self["Table"],
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": partition}},
        )
        return list(answer["Items"])

    def consumed(self, run: str) -> list[dict[str, Any]]:
        """What the queue consumers noted of a run: body, batch, times."""
        return [
            {
                "body": json.loads(item["body"]["S"]),
                "began": float(item["began"]["N"]),
                "ended": float(item["ended"]["N"]),
                "batch_size": int(item["batch_size"]["N"]),
                "receive_count": int(item["receive_count"]["N"]),
                "group": item["group_id"]["S"],
            }
            for item in self.items(f"consumed#{run}")
        ]

    def machine(self, definition: dict[str, Any], **options: Any) -> str:
        """Create a state machine; its ARN."""
        created = self.states.create_state_machine(
            name=unique("m-"), definition=json.dumps(definition), roleArn=self["MachineRole"], **options
        )
        return str(created["stateMachineArn"])

    def end_of(self, execution: str, seconds: float = 30) -> dict[str, Any]:
        """The description of an execution once it has ended."""

        def ended() -> dict[str, Any] | None:
            description = self.states.describe_execution(executionArn=execution)
            return description if description["status"] in TERMINAL else None

        return wait_for(ended, seconds, pause=0.02)

    def execute(self, definition: dict[str, Any], given: Any = None, seconds: float = 30) -> dict[str, Any]:
        """Run a definition to its end; the description with the output decoded."""
        started = self.states.start_execution(
            stateMachineArn=self.machine(definition), input=json.dumps({} if given is None else given)
        )
        end = self.end_of(started["executionArn"], seconds)
        return {**end, "output": json.loads(end["output"]) if end.get("output") else None}

    def output_of(self, definition: dict[str, Any], given: Any = None, seconds: float = 30) -> Any:
        """Output of an execution that must succeed."""
        end = self.execute(definition, given, seconds)
        assert end["status"] == "SUCCEEDED", (end["status"], end.get("error"), end.get("cause"))
        return end["output"]

    def history(self, execution: str, **options: Any) -> list[dict[str, Any]]:
        """Events of an execution (first page)."""
        answer = self.states.get_execution_history(executionArn=execution, maxResults=1000, **options)
        return list(answer["events"])

    def messages_with(self, queue: str, text: str, count: int, seconds: float = 15) -> list[dict[str, Any]]:
        """So many messages of a queue (by output name) whose bodies contain ``text``.

        Every message of the queue is deleted on the way.
        """
        found: list[dict[str, Any]] = []

        def look() -> bool:
            received = self.sqs.receive_message(
                QueueUrl=self[queue],
                MaxNumberOfMessages=10,
                WaitTimeSeconds=1,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            for message in received:
                self.sqs.delete_message(QueueUrl=self[queue], ReceiptHandle=message["ReceiptHandle"])
            found.extend(message for message in received if text in message["Body"])
            return len(found) >= count

        wait_for(look, seconds)
        return found

    def message_with(self, queue: str, text: str, seconds: float = 15) -> dict[str, Any]:
        """The first message of a queue whose body contains ``text``."""
        return self.messages_with(queue, text, 1, seconds)[0]


def deploy(server: Server) -> dict[str, str]:
    """Deploy ``app/`` with the real SAM CLI; the stack's outputs."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    architecture = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    command = [
        str(environments()["sam"].path / "bin" / "sam"),
        *("deploy", "--template-file", str(APP / "template.yaml"), "--stack-name", STACK, "--resolve-s3"),
        *("--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar"),
        *("--parameter-overrides", f"PythonRuntime={python}", f"Architecture={architecture}"),
    ]
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SAM_CLI_TELEMETRY": "0",
    }
    done = subprocess.run(command, env=environment, cwd=APP, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    stack = server.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
