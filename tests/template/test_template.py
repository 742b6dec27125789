"""Rules of reliability and security that the expanded template must keep."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stack_in_moto

from omnilake.embedding.models import KNOWN

ROOT = Path(__file__).resolve().parents[2]
Resources = dict[str, dict[str, Any]]

WILDCARD_RESOURCES = {
    # Step Functions' log delivery and CloudWatch's dashboards know no resource.
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}


REMADE_TABLES = {"CompactionMemoTable", "EmbeddingCacheTable", "IdempotencyTable", "RateLimitsTable"}
"""What they hold is made again by itself."""


def of_type(resources: Resources, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in resources.items():
        if resource["Type"] == kind:
            yield name, resource.get("Properties", {})


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def grants(resources: Resources) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every role, in the role or in a policy of its own, with who has it."""
    for name, role in of_type(resources, "AWS::IAM::Role"):
        for policy in role.get("Policies", []):
            for each in policy.get("Fn::If", [None, policy])[
                1:
            ]:  # what a condition gives is judged as if it were given
                if "PolicyDocument" in each:
                    yield from ((name, statement) for statement in as_list(each["PolicyDocument"]["Statement"]))
    for name, policy in of_type(resources, "AWS::IAM::Policy"):
        yield from ((name, statement) for statement in as_list(policy["PolicyDocument"]["Statement"]))


def target_of(value: Any) -> str:
    """Logical id that a Ref or GetAtt points to."""
    return str(value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0])


def test_should_grant_no_action_with_a_wildcard(resources: Resources) -> None:
    for name, statement in grants(resources):
        wild = [action for action in as_list(statement["Action"]) if "*" in action]
        assert not wild, f"{name} grants {wild}"


def test_should_grant_every_resource_only_where_there_is_no_resource_to_name(resources: Resources) -> None:
    for name, statement in grants(resources):
        if "*" in as_list(statement["Resource"]):
            assert set(as_list(statement["Action"])) <= WILDCARD_RESOURCES, f"{name}: {statement}"


def test_should_read_keys_only_where_a_secret_is_named(resources: Resources) -> None:
    readers = {
        name: resources[name].get("Condition")
        for name, statement in grants(resources)
        if {"secretsmanager:GetSecretValue", "ssm:GetParameter"} & set(as_list(statement["Action"]))
        and "Embedding" in json.dumps(statement["Resource"])
    }
    assert readers == {
        "EmbeddingSecretAccess": "HasEmbeddingSecret", "EmbeddingParameterAccess": "HasEmbeddingParameter",
    }  # fmt: skip


def test_should_let_exactly_those_functions_read_keys_that_are_told_where_they_are(resources: Resources) -> None:
    told = {
        target_of(function["Role"])
        for _, function in of_type(resources, "AWS::Lambda::Function")
        if "OMNILAKE_EMBEDDING_SECRET" in function["Environment"]["Variables"]
    }
    assert {"ExtractInsightsFunctionRole", "EmbedBatchFunctionRole"} <= told
    for name in ("EmbeddingSecretAccess", "EmbeddingParameterAccess"):
        assert {role["Ref"] for role in resources[name]["Properties"]["Roles"]} == told


def test_should_let_functions_invoke_exactly_the_models_that_are_known(resources: Resources) -> None:
    known = {each.model for each in KNOWN.values() if each.provider == "bedrock"}
    named = [
        (name, {str(arn["Fn::Sub"]).rsplit("/", 1)[1] for arn in as_list(statement["Resource"])})
        for name, statement in grants(resources)
        if "bedrock:InvokeModel" in as_list(statement["Action"]) and "embed" in json.dumps(statement["Resource"])
    ]
    assert {name for name, _ in named} == {
        "EmbedBatchFunctionRole", "PlanRetrievalFunctionRole", "EmbeddingFallbackAccess",
    }  # fmt: skip
    assert all(models == known for _, models in named)


def test_should_give_every_function_a_role_of_its_own(resources: Resources) -> None:
    roles = [target_of(function["Role"]) for _, function in of_type(resources, "AWS::Lambda::Function")]
    assert len(roles) == len(set(roles)) > 20


def test_should_trace_every_function_and_log_to_a_group_with_retention(resources: Resources) -> None:
    for name, function in of_type(resources, "AWS::Lambda::Function"):
        assert function["TracingConfig"]["Mode"] == "Active", name
        assert target_of(function["LoggingConfig"]["LogGroup"]) == "FunctionLogs", name
    for name, group in of_type(resources, "AWS::Logs::LogGroup"):
        assert "RetentionInDays" in group, name


def test_should_never_bring_the_model_and_the_vector_store_into_one_function(resources: Resources) -> None:
    for name, function in of_type(resources, "AWS::Lambda::Function"):
        layers = {re.sub(r"[0-9a-f]{10}$", "", target_of(layer)) for layer in function["Layers"]}
        assert "CoreLayer" in layers, name
        assert not {"ModelsLayer", "VectorLayer"} <= layers, name


def test_should_have_a_function_for_every_handler_and_a_handler_for_every_function() -> None:
    functions = [
        resource["Properties"]
        for resource in stack_in_moto.template()["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]
    named = {ROOT / each["CodeUri"] / (each["Handler"].removesuffix(".handler") + ".py") for each in functions}
    assert named == set((ROOT / "functions").rglob("*.py"))


def test_should_invoke_functions_without_a_qualifier(resources: Resources) -> None:
    """All logic lies in a layer, and SAM makes versions before it knows the layers': an alias would keep old code."""
    kinds = {resource["Type"] for resource in resources.values()}
    assert "AWS::Lambda::Function" in kinds
    assert not kinds & {"AWS::Lambda::Alias", "AWS::Lambda::Version"}


def test_should_end_every_queue_in_a_dead_letter_queue_of_its_kind_with_an_alarm(resources: Resources) -> None:
    queues = dict(of_type(resources, "AWS::SQS::Queue"))
    dead = {name for name in queues if name.endswith("DeadLetters")}
    watched = {
        target_of(dimension["Value"])
        for _, alarm in of_type(resources, "AWS::CloudWatch::Alarm")
        for dimension in alarm.get("Dimensions", [])
        if dimension["Name"] == "QueueName" and alarm["Threshold"] == 0
    }
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] is True, name
        if name in dead:
            assert name in watched, f"no alarm on {name}"
            assert queue["MessageRetentionPeriod"] == 1_209_600, name
        else:
            target = target_of(queue["RedrivePolicy"]["deadLetterTargetArn"])
            assert target in dead, name
            assert queues[target].get("FifoQueue") == queue.get("FifoQueue"), name


def test_should_hide_messages_six_times_as_long_as_their_function_may_run(resources: Resources) -> None:
    mappings = list(of_type(resources, "AWS::Lambda::EventSourceMapping"))
    assert len(mappings) == 2
    for name, mapping in mappings:
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name
        timeout = resources[target_of(mapping["FunctionName"])]["Properties"]["Timeout"]
        queue = resources[target_of(mapping["EventSourceArn"])]["Properties"]
        assert queue["VisibilityTimeout"] >= 6 * timeout, name


def test_should_send_undeliverable_events_to_a_dead_letter_queue(resources: Resources) -> None:
    for name, rule in of_type(resources, "AWS::Events::Rule"):
        for target in rule["Targets"]:
            assert target_of(target["DeadLetterConfig"]["Arn"]).endswith("DeadLetters"), name


def test_should_send_failed_asynchronous_invocations_to_a_dead_letter_queue(resources: Resources) -> None:
    permitted = {
        target_of(permission["FunctionName"])
        for _, permission in of_type(resources, "AWS::Lambda::Permission")
        if permission["Principal"] in {"events.amazonaws.com", "sns.amazonaws.com", "s3.amazonaws.com"}
    }
    permitted |= {  # EventBridge Scheduler invokes by a role
        target_of(statement["Resource"])
        for name, statement in grants(resources)
        if statement["Action"] == "lambda:InvokeFunction"
        and "scheduler.amazonaws.com" in json.dumps(resources[name]["Properties"].get("AssumeRolePolicyDocument"))
    }
    caught = {
        target_of(config["FunctionName"])
        for _, config in of_type(resources, "AWS::Lambda::EventInvokeConfig")
        if config["DestinationConfig"]["OnFailure"]["Destination"]
    }
    assert permitted == caught
    assert caught == {"CloseJobFunction", "StartSyncFunction"}


def test_should_keep_buckets_private_encrypted_and_versioned(resources: Resources) -> None:
    tls = {
        target_of(policy["Bucket"])
        for _, policy in of_type(resources, "AWS::S3::BucketPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    }
    for name, bucket in of_type(resources, "AWS::S3::Bucket"):
        assert all(bucket["PublicAccessBlockConfiguration"].values()), name
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}, name
        assert bucket["BucketEncryption"], name
        assert name in tls, name
        assert resources[name]["DeletionPolicy"] == "Retain", name


def test_should_keep_tables_recoverable_and_encrypted(resources: Resources) -> None:
    for name, table in of_type(resources, "AWS::DynamoDB::Table"):
        recoverable = table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        assert recoverable is (name not in REMADE_TABLES), name
        assert table["SSESpecification"]["SSEEnabled"] is True, name
        assert table["BillingMode"] == "PAY_PER_REQUEST", name


def test_should_let_jobs_expire(resources: Resources) -> None:
    expiring = {
        name for name, table in of_type(resources, "AWS::DynamoDB::Table") if "TimeToLiveSpecification" in table
    }
    assert expiring == {"JobsTable", *REMADE_TABLES}


def test_should_log_machines_without_execution_data(resources: Resources) -> None:
    for name, machine in of_type(resources, "AWS::StepFunctions::StateMachine"):
        assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False, name
        assert machine["TracingConfiguration"]["Enabled"] is True, name


def test_should_link_an_existing_runbook_from_every_alarm(resources: Resources) -> None:
    alarms = list(of_type(resources, "AWS::CloudWatch::Alarm"))
    assert alarms
    for name, alarm in alarms:
        linked = re.search(r"\$\{RunbookBaseUrl\}/([a-z-]+\.md)", json.dumps(alarm["AlarmDescription"]))
        assert linked, name
        assert (ROOT / "docs" / "runbooks" / linked[1]).is_file(), f"{name} links {linked[1]}"
        assert alarm["AlarmActions"], name


def test_should_watch_failures_throttles_and_age(resources: Resources) -> None:
    metrics = {alarm.get("MetricName") for _, alarm in of_type(resources, "AWS::CloudWatch::Alarm")} | {
        query["MetricStat"]["Metric"]["MetricName"]
        for _, alarm in of_type(resources, "AWS::CloudWatch::Alarm")
        for query in alarm.get("Metrics", [])
        if "MetricStat" in query
    }
    assert {
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ExecutionThrottled",
        "Throttles",
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
    } <= metrics


@pytest.mark.parametrize("environment", ["default", "local"])
def test_should_name_only_parameters_that_exist_in_samconfig(environment: str) -> None:
    import tomllib

    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    overrides = config[environment]["deploy"]["parameters"].get("parameter_overrides", "")
    named = {pair.split("=")[0] for pair in overrides.split()}
    assert named <= stack_in_moto.template()["Parameters"].keys()


# --- the API ----------------------------------------------------------------------------------------------------


def test_should_have_an_authorizer_on_every_route(resources: Resources) -> None:
    routes = dict(of_type(resources, "AWS::ApiGatewayV2::Route"))
    assert {"$default", "ANY /v1/archives"} <= {each["RouteKey"] for each in routes.values()}
    for name, route in routes.items():
        assert route["AuthorizationType"] == {"Fn::If": ["ApiTakesTokens", "JWT", "AWS_IAM"]}, name
        assert route["AuthorizerId"] == {"Fn::If": ["ApiTakesTokens", {"Ref": "ApiTokens"}, {"Ref": "AWS::NoValue"}]}
    assert not list(of_type(resources, "AWS::ApiGatewayV2::ApiGatewayManagedOverrides"))
    for _, api in of_type(resources, "AWS::ApiGatewayV2::Api"):
        assert not {"RouteKey", "Target", "Body", "CorsConfiguration"} & set(api), "a quick-created route has none"


def test_should_give_every_route_a_function_that_its_api_alone_may_call(resources: Resources) -> None:
    called = {
        target_of(each["FunctionName"]): each
        for _, each in of_type(resources, "AWS::Lambda::Permission")
        if each["Principal"] == "apigateway.amazonaws.com"
    }
    integrations = dict(of_type(resources, "AWS::ApiGatewayV2::Integration"))
    for name, route in of_type(resources, "AWS::ApiGatewayV2::Route"):
        target = re.fullmatch(r"integrations/\$\{(\w+)\}", route["Target"]["Fn::Sub"])
        assert target, name
        permission = called[target_of(integrations[target[1]]["IntegrationUri"])]
        assert permission["SourceArn"]["Fn::Sub"].endswith(":${Api}/*"), name
    functions = {name for name, each in of_type(resources, "AWS::Lambda::Function") if name.endswith("ApiFunction")}
    assert functions == set(called)
    assert {resources[name]["Properties"]["Timeout"] for name in functions} == {29}, "API Gateway waits 30 s"


def test_should_throttle_and_log_every_stage_without_content(resources: Resources) -> None:
    for _, stage in of_type(resources, "AWS::ApiGatewayV2::Stage"):
        limits = stage["DefaultRouteSettings"]
        assert {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= set(limits)
        assert target_of(stage["AccessLogSettings"]["DestinationArn"]) == "ApiLogs"
        told = stage["AccessLogSettings"]["Format"]
        assert not re.search(r"requestBody|querystring|queryString|integration\.body|rawPath|context\.path", told)


def test_the_dashboard_shows_every_state_machine_and_every_queue(resources: Resources) -> None:
    ((_, dashboard),) = of_type(resources, "AWS::CloudWatch::Dashboard")
    shown: dict[str, set[str]] = {}
    for widget in json.loads(dashboard["DashboardBody"]["Fn::Sub"])["widgets"]:
        before: list[str] = []
        for row in widget["properties"].get("metrics", []):
            before = [before[place] if told == "." else told for place, told in enumerate(row)]
            shown.setdefault(before[1], set()).add(before[3].strip("${}").removesuffix(".QueueName"))
    machines = {name for name, _ in of_type(resources, "AWS::StepFunctions::StateMachine")}
    for metric in ("ExecutionsStarted", "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionTime"):
        assert shown[metric] == machines
    assert shown["ApproximateNumberOfMessagesVisible"] == {name for name, _ in of_type(resources, "AWS::SQS::Queue")}
