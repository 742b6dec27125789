"""What the doctor finds of a deployment: a stack in moto, its API on a stand-in of the wire."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner
from wire import ENDPOINT, Wire, any_archive, any_job, problem, reply

from omnilake import aws, cli
from omnilake.cli import connection
from omnilake.client import diagnosis
from omnilake.client.diagnosis import Diagnosis, Finding, Health

STACK = "a-sick-stack"
ALARM = f"{STACK}-Late-1"


@pytest.fixture
def template(stack: None) -> dict[str, Any]:
    """A stack with an alarm, a dead-letter queue and parameters."""
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=ALARM,
        AlarmDescription="Slow.",
        MetricName="m",
        Namespace="n",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    return {
        "Parameters": {
            "EmbeddingModel": {"Type": "String", "Default": "local/all-MiniLM-L6-v2"},
            "AlarmEmail": {"Type": "String", "Default": "team@example.com"},
        },
        "Resources": {"Dead": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"ApiEndpoint": {"Value": ENDPOINT}, "UploadDeadLetters": {"Value": {"Ref": "Dead"}}},
    }


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    monkeypatch.delenv("OMNILAKE_ENDPOINT", raising=False)
    models = {"small": {"provider": "extractive"}}
    configuration = {"configuration": {"models": models, "steps": {"compose": "small"}}, "hash": "h"}
    return Wire(
        routes={
            "GET /v1/health": reply({"status": "ok", "version": "0.1.0"}),
            "GET /v1/archives": reply({"items": [any_archive()]}),
            "GET /v1/configuration": reply(configuration),
            "GET /v1/jobs": reply({"items": []}),
        }
    )


def findings(template: dict[str, Any], wire: Wire, unsigned: int = 403) -> list[Finding]:
    if not any(each["StackName"] == STACK for each in aws.client("cloudformation").describe_stacks()["Stacks"]):
        aws.client("cloudformation").create_stack(StackName=STACK, TemplateBody=json.dumps(template))
    transport = httpx2.MockTransport(lambda request: httpx2.Response(unsigned))
    return list(Diagnosis(STACK, wire.client(), transport).findings())


def unhealthy(found: list[Finding]) -> list[tuple[str, Health]]:
    return [(each.check, each.health) for each in found if each.health is not Health.OK]


def test_a_healthy_deployment_is_ok_in_every_check(template: dict[str, Any], wire: Wire) -> None:
    found = findings(template, wire)
    assert unhealthy(found) == []
    assert {each.check for each in found} == {"stack", "api", "access", "models", "alarms", "queues", "jobs"}


def test_alarms_dead_letters_and_failed_jobs_are_told_with_where_to_look(template: dict[str, Any], wire: Wire) -> None:
    findings(template, wire)
    aws.client("cloudwatch").set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="r")
    stacks = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    queue = next(each["OutputValue"] for each in stacks[0]["Outputs"] if each["OutputKey"] == "UploadDeadLetters")
    aws.client("sqs").send_message(QueueUrl=queue, MessageBody="x")
    error = {"code": "DOCUMENT_EMPTY", "message": "m"}
    wire.routes["GET /v1/jobs"] = reply({"items": [any_job("ingest-7", status="FAILED", error=error)]})
    found = findings(template, wire)
    assert unhealthy(found) == [("alarms", Health.BROKEN), ("queues", Health.BROKEN), ("jobs", Health.WARNING)]
    told = " ".join(each.told for each in found)
    assert f"{ALARM}: Slow." in told
    assert "UploadDeadLetters holds 1. Runbook: docs/runbooks/upload-dead-letters.md" in told
    assert "ingest-7, DOCUMENT_EMPTY" in told


def test_an_api_that_is_open_to_anybody_is_broken(template: dict[str, Any], wire: Wire) -> None:
    assert unhealthy(findings(template, wire, unsigned=200)) == [("api", Health.BROKEN)]


def test_an_api_that_refuses_the_caller_does_not_keep_the_stack_from_being_looked_at(
    template: dict[str, Any], wire: Wire
) -> None:
    for route in list(wire.routes):
        wire.routes[route] = problem(403, "FORBIDDEN", "You may not.")
    found = unhealthy(findings(template, wire))
    assert found == [(check, Health.BROKEN) for check in ("api", "access", "models", "jobs")]


@pytest.mark.parametrize(("entitlement", "health"), [("AVAILABLE", []), ("NOT_AVAILABLE", [("models", Health.BROKEN)])])
def test_a_model_on_bedrock_has_to_be_available(
    template: dict[str, Any], wire: Wire, entitlement: str, health: list[tuple[str, Health]]
) -> None:
    models = {"pro": {"provider": "bedrock", "model": "eu.amazon.nova-pro-v1:0"}}
    wire.routes["GET /v1/configuration"] = reply({"configuration": {"models": models, "steps": {"map": "pro"}}})
    told = {
        "modelId": "amazon.nova-pro-v1:0",
        "agreementAvailability": {"status": "AVAILABLE"},
        "authorizationStatus": "AUTHORIZED",
        "entitlementAvailability": entitlement,
        "regionAvailability": "AVAILABLE",
    }
    with Stubber(aws.client("bedrock")) as stub:
        stub.add_response("get_foundation_model_availability", told, {"modelId": "amazon.nova-pro-v1:0"})
        assert unhealthy(findings(template, wire)) == health


def test_the_command_exits_with_1_when_something_is_broken(
    template: dict[str, Any], wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings(template, wire)
    monkeypatch.setattr(connection, "connect", lambda stack: wire.client())
    real = Diagnosis.__init__

    def refused(self: Diagnosis, stack: str, lake: Any) -> None:
        real(self, stack, lake, httpx2.MockTransport(lambda request: httpx2.Response(200)))

    monkeypatch.setattr(diagnosis.Diagnosis, "__init__", refused)
    shown = CliRunner().invoke(cli.cli, ["--stack", STACK, "doctor"])
    assert shown.exit_code == 1
    assert "broken   api     It answers 200" in shown.output
    told = CliRunner().invoke(cli.cli, ["--stack", STACK, "doctor", "--json"])
    assert {each["check"] for each in json.loads(told.output)} >= {"stack", "api", "queues"}
