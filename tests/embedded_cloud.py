"""One embedded cloud for all tests that need one, and short ways to use what is deployed there.

Its state lies in ``.omnilake/test`` and is kept between sessions, so only the first session and those after a change
deploy. Tests never see each other's data: each makes archives of its own.

IAM is enforced (``AUTH=true``): what a function or a state machine may not do by its role in ``template.yaml`` fails
here. Two things are set aside for that, because the embedded cloud differs from AWS in them: it speaks plain HTTP,
which the buckets' TLS-only policies deny, and it checks ``states:SendTaskSuccess`` and ``SendTaskFailure`` against
``*``, where AWS checks the ARN of the state machine.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pytest
from expectations import Outcome

from omnilake import archives, aws, layout, settings
from omnilake.client.deployment import Deployment
from omnilake.clock import now
from omnilake.generation.sentences import fold
from omnilake.ingest.landing import INCOMING
from omnilake.models import ENDED, Answer, Job, JobStatus
from omnilake_local import lifecycle
from omnilake_local.cloud import cloud_environment
from omnilake_local.locking import lock
from omnilake_local.paths import Project, StateDir, find_project
from omnilake_local.server_process import ServerProcess, free_port, recorded_server

T = TypeVar("T")

FIRST_PORT = 4640
"""Away from 4566 and what follows, where people's own clouds run."""

PATIENCE_S = 120.0
"""Longest wait for anything. Far above what it takes: only a test that fails waits so long."""

_ENDED = ENDED


def wait_for(look: Callable[[], T | None], what: str, seconds: float = PATIENCE_S) -> T:
    """The first true value that ``look`` gives; fails the test after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds:.0f} s still not: {what}")
        time.sleep(0.25)
    return found


def unique(prefix: str = "t-") -> str:
    """A name that nothing else has, in this session or an earlier one."""
    return prefix + uuid.uuid4().hex[:16]


@dataclass
class Running:
    """The cloud's process and its project."""

    project: Project
    state: StateDir
    server: ServerProcess

    def restart(self) -> None:
        """``down`` and ``up``: what an operator does."""
        lifecycle.down(self.state)
        self.server = _up(self.project, self.state)

    @contextmanager
    def deployed_with(self, **parameters: str) -> Iterator[None]:
        """The same stack with other template parameters; afterwards as it was."""
        self.server = _up(self.project, self.state, parameters)
        try:
            yield
        finally:
            self.server = _up(self.project, self.state)

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Point boto3, LanceDB and the product's own rooms in this process at the cloud."""
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("AWS_PROFILE", raising=False)
            for name, value in cloud_environment(self.server.endpoint_url).items():
                patch.setenv(name, value)
            _forget()
            for name, value in Deployment().settings().model_dump().items():
                if isinstance(value, str) and value:
                    patch.setenv(f"OMNILAKE_{name.upper()}", value)
            _forget()
            yield
        _forget()


@contextmanager
def running() -> Iterator[Running]:
    """Start, build and deploy what is missing; stop at the end. One session at a time."""
    project = find_project()
    state = StateDir(project.home / "test")
    with lock(project.home / "test.lock"):
        started = Running(project, state, _up(project, state))
        try:
            yield started
        finally:
            lifecycle.down(state)


def _up(project: Project, state: StateDir, parameters: Mapping[str, str] | None = None) -> ServerProcess:
    last = recorded_server(state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTH", "true")
        server = lifecycle.up(project, state, port=None if last else free_port(FIRST_PORT), parameters=parameters)
    _set_aside_differences(server)
    return server


def _set_aside_differences(server: ServerProcess) -> None:
    from omnilake_local.deployment import client

    resources = _resources(client("cloudformation", server.endpoint_url))
    for bucket in ("LandingBucket", "LakeBucket"):
        client("s3", server.endpoint_url).delete_bucket_policy(Bucket=resources[bucket])
    statement = {"Effect": "Allow", "Action": ["states:SendTaskSuccess", "states:SendTaskFailure"], "Resource": "*"}
    client("iam", server.endpoint_url).put_role_policy(
        RoleName=resources["IndexChunksFunctionRole"],
        PolicyName="answer-tasks",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def _resources(cloudformation: Any) -> dict[str, str]:
    found = cloudformation.describe_stack_resources(StackName="omnilake")["StackResources"]
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}


def _forget() -> None:
    """What the product's rooms keep for the life of a process."""
    from omnilake.stores import table

    for cached in (settings.settings, aws.client, aws.lake, table._handle, table._database):
        cached.cache_clear()


class Cloud:
    """The deployed stack.

    Args:
        running: its cloud.
        since: jobs that started earlier (ISO 8601) are not looked at; default: now.
    """

    def __init__(self, running: Running, since: str | None = None) -> None:
        self.running = running
        self.deployment = Deployment()
        self._since = now() if since is None else since

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        return self.deployment.outputs

    @cached_property
    def resources(self) -> dict[str, str]:
        """Physical ids by logical ids."""
        return _resources(aws.client("cloudformation"))

    # --- archives and documents ---------------------------------------------------------------------------------

    def archive(self) -> str:
        """A new archive; its id."""
        return self.deployment.create_archive(unique()).archive_id

    def put(self, archive_id: str, name: str, data: bytes | str | Path) -> str:
        """Upload a document; its object's version id."""
        key = f"{INCOMING}{archive_id}/{name}"
        if isinstance(data, Path):
            with data.open("rb") as file:
                return self._put(key, file)
        return self._put(key, data.encode() if isinstance(data, str) else data)

    def _put(self, key: str, body: Any) -> str:
        stored = aws.client("s3").put_object(Bucket=self.outputs["LandingBucket"], Key=key, Body=body)
        return str(stored["VersionId"])

    def ingestions(self, archive_id: str) -> list[Job]:
        """All ingestion jobs of an archive, oldest first."""
        return sorted(self.deployment.ingestions(archive_id, self._since), key=lambda job: job.created_at)

    def outcomes(self, archive_id: str, count: int, seconds: float = PATIENCE_S) -> list[dict[str, Any]]:
        """What became of an archive's documents, once ``count`` of them have an outcome and no job is open."""

        def look() -> list[dict[str, Any]] | None:
            jobs = self.ingestions(archive_id)
            found = [document for job in jobs if job.status in _ENDED for document in job.documents]
            return found if len(found) >= count and all(job.status in _ENDED for job in jobs) else None

        return wait_for(look, f"{count} outcomes in {archive_id}", seconds)

    def ingest(self, archive_id: str, documents: dict[str, bytes | str]) -> dict[str, dict[str, Any]]:
        """Upload documents (name → content) and wait for their outcomes, by name."""
        before = sum(len(job.documents) for job in self.ingestions(archive_id))
        for name, data in documents.items():
            self.put(archive_id, name, data)
        found = {each["name"]: each for each in self.outcomes(archive_id, before + len(documents))}
        return {name: found[name] for name in documents}

    def rows(self, archive_id: str) -> list[dict[str, Any]]:
        """Rows of the archive's store, without vectors."""
        from omnilake.stores.table import CHUNK_COLUMNS, open_store

        table = open_store(archives.get_store(archives.get_archive(archive_id)))
        found: list[dict[str, Any]] = table.search().select(CHUNK_COLUMNS).limit(100_000).to_arrow().to_pylist()
        return found

    def objects(self, prefix: str) -> dict[str, dict[str, str]]:
        """Objects of the landing bucket below a prefix, all versions, with their user metadata (of the last one)."""
        bucket, s3 = self.outputs["LandingBucket"], aws.client("s3")
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        keys = {each["Key"] for page in pages for each in page.get("Versions", [])}
        return {key: s3.head_object(Bucket=bucket, Key=key)["Metadata"] for key in keys}

    # --- questions ----------------------------------------------------------------------------------------------

    def ask(self, archive_id: str, question: str, **options: Any) -> tuple[Job, Answer]:
        """Ask, wait, and read the answer; fails the test when the job fails."""
        job = self.deployment.wait(self.deployment.submit(archive_id, question, **options), timeout_s=PATIENCE_S)
        assert job.status is JobStatus.COMPLETED, job.error
        return job, self.deployment.answer(job)

    def failed_request(self, archive_id: str, question: str, **options: Any) -> Job:
        """Ask what can't be answered; the job, which must have failed."""
        job = self.deployment.wait(self.deployment.submit(archive_id, question, **options), timeout_s=PATIENCE_S)
        assert job.status is JobStatus.FAILED, job
        return job

    @staticmethod
    def misquotes(answer: Answer) -> list[str]:
        """Citations whose quote does not stand at its offsets in the stored text."""
        wrong = []
        for citation in answer.citations:
            key = layout.quoted_text(answer.job_id, citation.entry_id, citation.version)
            text = aws.lake().read(key).decode()
            if fold(text[citation.start : citation.end]) != citation.quote:
                wrong.append(f"[{citation.number}] {citation.quote!r}")
        return wrong

    # --- executions, queues, logs -------------------------------------------------------------------------------

    def history(self, execution_arn: str) -> list[dict[str, Any]]:
        """All events of an execution."""
        pages = aws.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=execution_arn)
        return [event for page in pages for event in page["events"]]

    def executions(self, machine: str, since: float = 0.0) -> list[dict[str, Any]]:
        """Executions of a machine (by output name) that started since a time (Unix), newest first."""
        pages = (
            aws.client("stepfunctions").get_paginator("list_executions").paginate(stateMachineArn=self.outputs[machine])
        )
        return [each for page in pages for each in page["executions"] if each["startDate"].timestamp() >= since]

    def execution_of(self, job: Job) -> dict[str, Any]:
        """The description of a job's execution once it has ended."""

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = aws.client("stepfunctions").describe_execution(executionArn=job.execution_arn)
            return found if found["status"] != "RUNNING" else None

        return wait_for(look, f"the end of {job.execution_arn}")

    def in_state(self, look: Callable[[], Sequence[Job]], state: str) -> Job:
        """The first of the jobs that ``look`` finds, once its execution has entered a state."""

        def found() -> Job | None:
            jobs = look()
            return jobs[0] if jobs and state in entered(self.history(jobs[0].execution_arn)) else None

        return wait_for(found, f"an execution in {state}")

    @contextmanager
    def machine_timeout(self, machine: str, seconds: int) -> Iterator[None]:
        """Let executions of a machine (by output name) that start meanwhile end after so many seconds."""
        states, arn = aws.client("stepfunctions"), self.outputs[machine]
        usual = states.describe_state_machine(stateMachineArn=arn)["definition"]
        states.update_state_machine(
            stateMachineArn=arn, definition=json.dumps({**json.loads(usual), "TimeoutSeconds": seconds})
        )
        try:
            yield
        finally:
            states.update_state_machine(stateMachineArn=arn, definition=usual)

    def log_lines(self, since: float) -> Iterator[str]:
        """Everything in CloudWatch Logs since a time (Unix)."""
        logs = aws.client("logs")
        for group in logs.describe_log_groups()["logGroups"]:
            name = group["logGroupName"]
            for page in logs.get_paginator("describe_log_streams").paginate(logGroupName=name):
                for stream in page["logStreams"]:
                    events = logs.get_log_events(
                        logGroupName=name, logStreamName=stream["logStreamName"], startTime=int(since * 1000)
                    )["events"]
                    yield from (event["message"] for event in events)

    def waiting(self, *queues: str) -> int:
        """Messages in queues (by output name), those in flight included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        return sum(
            int(value)
            for queue in queues
            for value in aws.client("sqs")
            .get_queue_attributes(QueueUrl=self.outputs[queue], AttributeNames=names)["Attributes"]
            .values()
        )

    def dead_letters(self) -> int:
        """Messages in all dead-letter queues."""
        return self.waiting("UploadDeadLetters", "IndexDeadLetters", "DeliveryDeadLetters")

    @contextmanager
    def visibility_timeout(self, queue: str, seconds: int) -> Iterator[None]:
        """Let what a consumer could not do come back after seconds instead of minutes."""
        sqs, url = aws.client("sqs"), self.outputs[queue]
        name = "VisibilityTimeout"
        usual = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={name: str(seconds)})
        try:
            yield
        finally:
            sqs.set_queue_attributes(QueueUrl=url, Attributes={name: usual})

    @contextmanager
    def receives(self, queue: str, most: int) -> Iterator[None]:
        """Let a queue give messages up after so few receives: the pauses between them grow."""
        sqs, url, name = aws.client("sqs"), self.outputs[queue], "RedrivePolicy"
        usual = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
        policy = json.dumps({**json.loads(usual), "maxReceiveCount": most})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={name: policy})
        try:
            yield
        finally:
            sqs.set_queue_attributes(QueueUrl=url, Attributes={name: usual})

    def send_object_created(self, archive_id: str, name: str, version_id: str, size: int = 1) -> None:
        """Put into the upload queue what EventBridge puts there for an object version."""
        body = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": "000000000000",
            "time": "2026-01-01T00:00:00Z",
            "region": "us-east-1",
            "resources": [f"arn:aws:s3:::{self.outputs['LandingBucket']}"],
            "detail": {
                "version": "0",
                "bucket": {"name": self.outputs["LandingBucket"]},
                "object": {
                    "key": f"{INCOMING}{archive_id}/{name}",
                    "size": size,
                    "etag": "0" * 32,
                    "version-id": version_id,
                    "sequencer": "0055AED6DCD90281E5",
                },
                "reason": "PutObject",
            },
        }
        aws.client("sqs").send_message(QueueUrl=self.outputs["UploadQueue"], MessageBody=json.dumps(body))

    # --- functions ----------------------------------------------------------------------------------------------

    def invoke(self, function: str, event: Any) -> Outcome:
        """Invoke a function by logical id."""
        answer = aws.client("lambda").invoke(FunctionName=self.resources[function], Payload=json.dumps(event).encode())
        return Outcome.of_payload(json.loads(answer["Payload"].read()))

    @contextmanager
    def setting(self, function: str, name: str, value: str) -> Iterator[None]:
        """Another value of an environment variable of a function (by logical id)."""
        functions, physical = aws.client("lambda"), self.resources[function]
        usual = functions.get_function_configuration(FunctionName=physical)["Environment"]["Variables"]
        functions.update_function_configuration(FunctionName=physical, Environment={"Variables": usual | {name: value}})
        try:
            yield
        finally:
            functions.update_function_configuration(FunctionName=physical, Environment={"Variables": usual})

    def peak_memory_mb(self, function: str) -> float:
        """Most memory that a process of a function (by logical id) has used since the cloud started."""
        figures = lifecycle.function_figures(self.running.server.endpoint_url)
        return max(float(each["peak_rss_mb"]) for each in figures if each["function"] == self.resources[function])


def payloads(history: Sequence[dict[str, Any]]) -> list[str]:
    """Every input and output of every state and of the execution, as they stand in a history."""
    found = []
    for event in history:
        for name, details in event.items():
            if name.endswith("EventDetails") and isinstance(details, dict):
                found += [details[key] for key in ("input", "output", "parameters", "cause") if details.get(key)]
    return found


def entered(history: Sequence[dict[str, Any]]) -> list[str]:
    """Names of the states that an execution entered, in order."""
    return [event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event]


ROOT = Path(__file__).resolve().parents[1]
