"""Whether a deployment works, and what to do where it does not: what ``omnilake doctor`` tells.

Looks at the stack with AWS credentials and at the API as its callers do. Nothing is changed, and no model is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

import httpx2
from botocore.exceptions import BotoCoreError, ClientError

from omnilake import aws
from omnilake.client.client import OmniLake
from omnilake.client.signing import find_endpoint
from omnilake.errors import OmniLakeError

_GEOGRAPHY = re.compile(r"^(us|eu|apac|global|us-gov|jp|au|ca)\.")
_RECENT_HOURS = 24


class Health(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"  # it works, but look at it
    BROKEN = "broken"
    UNKNOWN = "unknown"  # these credentials may not look


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        check: stack, api, access, models, alarms, queues or jobs.
        told: what was found, and what to do about it.
    """

    check: str
    health: Health
    told: str


class Diagnosis:
    """Checks of one deployment.

    Args:
        stack: its CloudFormation name.
        lake: its API.
        transport: of the call without credentials; in place of the network, for tests.
    """

    def __init__(self, stack: str, lake: OmniLake, transport: httpx2.BaseTransport | None = None) -> None:
        self._stack_name = stack
        self._lake = lake
        self._transport = transport

    def findings(self) -> Iterator[Finding]:
        """All checks, one after the other; one that can't be made does not keep the others from being made."""
        checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
            ("stack", self._stack),
            ("api", self._api),
            ("access", self._access),
            ("models", self._models),
            ("alarms", self._alarms),
            ("queues", self._queues),
            ("jobs", self._jobs),
        ]
        for name, check in checks:
            try:
                yield from check()
            except ClientError as error:
                yield Finding(name, Health.UNKNOWN, f"AWS refuses to tell: {aws.error_code(error)}.")
            except BotoCoreError as error:
                yield Finding(name, Health.UNKNOWN, f"AWS can't be asked: {type(error).__name__}.")
            except OmniLakeError as error:
                yield Finding(name, Health.BROKEN, str(error))
            except httpx2.TransportError as error:
                yield Finding(name, Health.BROKEN, f"No answer: {type(error).__name__}.")

    @cached_property
    def _described(self) -> dict[str, Any]:
        found: dict[str, Any] = aws.client("cloudformation").describe_stacks(StackName=self._stack_name)["Stacks"][0]
        return found

    @cached_property
    def _outputs(self) -> dict[str, str]:
        return {each["OutputKey"]: each["OutputValue"] for each in self._described.get("Outputs", [])}

    @cached_property
    def _parameters(self) -> dict[str, str]:
        told = self._described.get("Parameters", [])
        return {each["ParameterKey"]: each.get("ParameterValue", "") for each in told}

    def _stack(self) -> Iterator[Finding]:
        status = str(self._described["StackStatus"])
        who = aws.client("sts").get_caller_identity()["Arn"]
        works = status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}
        told = f"{self._stack_name} is {status}, looked at as {who}."
        yield Finding("stack", Health.OK if works else Health.BROKEN, told)

    def _api(self) -> Iterator[Finding]:
        told = self._lake.health()
        endpoint = find_endpoint(stack=self._stack_name)
        yield Finding("api", Health.OK, f"{endpoint} answers: version {told.get('version', 'unknown')}.")
        with httpx2.Client(transport=self._transport, timeout=30) as anybody:
            unsigned = anybody.get(f"{endpoint}/v1/archives")
        if unsigned.status_code in {401, 403}:
            yield Finding("api", Health.OK, "It refuses calls without credentials.")
        else:
            told_status = f"It answers {unsigned.status_code} to a call without credentials: look at its authorizers."
            yield Finding("api", Health.BROKEN, told_status)

    def _access(self) -> Iterator[Finding]:
        count = len(self._lake.archives.list(limit=100).all())
        many = "100 or more" if count == 100 else str(count)
        yield Finding("access", Health.OK, f"You may read {many} archive{'' if count == 1 else 's'}.")

    def _models(self) -> Iterator[Finding]:
        configuration = self._lake.configuration.get().configuration
        models = configuration.get("models", {})
        steps = {step: name for step, name in configuration.get("steps", {}).items() if name}
        for name in dict.fromkeys(steps.values()):
            config = models.get(name, {})
            used = ", ".join(step for step, each in steps.items() if each == name)
            yield self._model(f"{name} ({used})", config.get("provider", ""), config.get("model", ""))
        provider, _, model = self._parameters.get("EmbeddingModel", "").partition("/")
        if provider:
            yield self._model(f"{provider}/{model} (embedding)", provider, model.partition("@")[0])
        if self._parameters.get("InsightsModelId"):
            provider, model = self._parameters.get("InsightsProvider", ""), self._parameters["InsightsModelId"]
            yield self._model(f"{model} (insights)", provider, model)

    def _model(self, name: str, provider: str, model: str) -> Finding:
        if provider in {"local", "extractive", "deterministic"}:
            return Finding("models", Health.OK, f"{name} needs no access.")
        if provider != "bedrock":
            return self._key(name, provider)
        told = aws.client("bedrock").get_foundation_model_availability(modelId=_GEOGRAPHY.sub("", model))
        lacking = [
            what
            for what, wanted in (
                ("authorizationStatus", "AUTHORIZED"),
                ("entitlementAvailability", "AVAILABLE"),
                ("regionAvailability", "AVAILABLE"),
            )
            if told.get(what) != wanted
        ]
        if lacking:
            told_lacking = f"{name} can't be called: {', '.join(lacking)}. Enable it in the Bedrock console."
            return Finding("models", Health.BROKEN, told_lacking)
        return Finding("models", Health.OK, f"{name} is available on Bedrock.")

    def _key(self, name: str, provider: str) -> Finding:
        secret, parameter = (self._parameters.get(f"Embedding{kind}Name", "") for kind in ("Secret", "Parameter"))
        if secret:
            aws.client("secretsmanager").describe_secret(SecretId=secret)
            return Finding("models", Health.OK, f"{name}: the secret {secret} is there for the key of {provider}.")
        if parameter:
            return Finding("models", Health.OK, f"{name}: its key is looked for in the SSM parameter {parameter}.")
        told = f"{name} may need a key of {provider}: neither EmbeddingSecretName nor EmbeddingParameterName is set."
        return Finding("models", Health.WARNING, told)

    def _alarms(self) -> Iterator[Finding]:
        # CloudFormation names them after the stack.
        pages = (
            aws.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{self._stack_name}-")
        )
        alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
        for alarm in alarms:
            if alarm["StateValue"] == "ALARM":
                yield Finding("alarms", Health.BROKEN, f"{alarm['AlarmName']}: {alarm.get('AlarmDescription', '')}")
        quiet = sum(alarm["StateValue"] != "ALARM" for alarm in alarms)
        yield Finding("alarms", Health.OK if alarms else Health.WARNING, f"{quiet} of {len(alarms)} alarms are quiet.")
        if not self._parameters.get("AlarmEmail"):
            yield Finding("alarms", Health.WARNING, "Nobody is told of alarms: the parameter AlarmEmail is empty.")

    def _queues(self) -> Iterator[Finding]:
        for output, url in self._outputs.items():
            if not output.endswith("DeadLetters"):
                continue
            name = "ApproximateNumberOfMessages"
            told = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"]
            count = int(told[name])
            runbook = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", output).lower()
            if count:
                yield Finding("queues", Health.BROKEN, f"{output} holds {count}. Runbook: docs/runbooks/{runbook}.md")
            else:
                yield Finding("queues", Health.OK, f"{output} is empty.")

    def _jobs(self) -> Iterator[Finding]:
        since = (datetime.now(UTC) - timedelta(hours=_RECENT_HOURS)).isoformat(timespec="seconds")
        failed = self._lake.jobs.list(status="FAILED", since=since, limit=100).all()
        told = f"{len(failed)} {'job' if len(failed) == 1 else 'jobs'} failed in the last {_RECENT_HOURS} hours."
        if failed:
            told += f" The last: {failed[0].job_id}, {failed[0].error.code if failed[0].error else 'no error told'}."
        yield Finding("jobs", Health.WARNING if failed else Health.OK, told)
