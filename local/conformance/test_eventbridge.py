"""EventBridge: rules, transformed input, targets that cannot be reached, events of executions."""

from __future__ import annotations

import json
from typing import Any

from conformance_cloud import Cloud, unique, wait_for


def put(cloud: Cloud, source: str, detail: dict[str, Any], bus: str = "default") -> None:
    entry = {"Source": source, "DetailType": "Conformance", "Detail": json.dumps(detail), "EventBusName": bus}
    assert cloud.events.put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_pattern_selects_and_transformer_shapes(cloud: Cloud) -> None:
    run = unique()
    put(cloud, "conformance.bus", {"key": f"{run}-no", "total": 0})
    put(cloud, "conformance.bus", {"key": f"{run}-yes", "total": 2})
    assert json.loads(cloud.message_with("Observed", run)["Body"]) == {"key": f"{run}-yes", "from": "rule"}


def test_function_target_is_invoked(cloud: Cloud) -> None:
    run = unique()
    put(cloud, "conformance.function", {"run": run})
    assert len(wait_for(lambda: cloud.items(f"event#{run}"))) == 1


def test_event_for_a_missing_target_goes_to_its_dead_letters(cloud: Cloud) -> None:
    run = unique()
    put(cloud, "conformance.nowhere", {"run": run})
    dead = cloud.message_with("RuleFailures", run)
    assert json.loads(dead["Body"])["detail"] == {"run": run}
    attributes = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
    assert attributes["TARGET_ARN"].endswith(":conformance-missing-queue")
    assert "RULE_ARN" in attributes
    assert "ERROR_CODE" in attributes


def test_failed_execution_is_announced(cloud: Cloud) -> None:
    name = unique()
    definition = {
        "StartAt": "End",
        "States": {"End": {"Type": "Fail", "Error": "Conformance.Error", "Cause": "on purpose"}},
    }
    arn = cloud.machine(definition)
    started = cloud.states.start_execution(stateMachineArn=arn, name=name, input='{"a": 1}')
    event = json.loads(cloud.message_with("Observed", name)["Body"])
    assert event["source"] == "aws.states"
    assert event["detail-type"] == "Step Functions Execution Status Change"
    assert event["resources"] == [started["executionArn"]]
    detail = event["detail"]
    assert detail["executionArn"] == started["executionArn"]
    assert detail["stateMachineArn"] == arn
    assert (detail["name"], detail["status"]) == (name, "FAILED")
    assert (detail["error"], detail["cause"]) == ("Conformance.Error", "on purpose")
    assert json.loads(detail["input"]) == {"a": 1}
    assert detail["output"] is None
    assert isinstance(detail["startDate"], int)
    assert detail["stopDate"] >= detail["startDate"]


def test_timed_out_execution_is_announced(cloud: Cloud) -> None:
    name = unique()
    wait = {"Type": "Wait", "Seconds": 30, "End": True}
    arn = cloud.machine({"TimeoutSeconds": 1, "StartAt": "Wait", "States": {"Wait": wait}})
    cloud.states.start_execution(stateMachineArn=arn, name=name)
    event = json.loads(cloud.message_with("Observed", name)["Body"])
    assert event["detail"]["status"] == "TIMED_OUT"


def test_uploads_are_announced_with_their_version_and_order(cloud: Cloud) -> None:
    bucket, key = cloud["Versioned"], unique("kept/")
    versions = [cloud.s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"] for body in (b"1", b"2")]
    copied = cloud.s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": key}, Metadata={})
    versions.append(copied["VersionId"])
    started = cloud.s3.create_multipart_upload(Bucket=bucket, Key=key)
    upload = {"Bucket": bucket, "Key": key, "UploadId": started["UploadId"]}
    part = {"PartNumber": 1, "ETag": cloud.s3.upload_part(**upload, PartNumber=1, Body=b"3")["ETag"]}
    versions.append(cloud.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]})["VersionId"])

    messages = cloud.messages_with("Observed", key, 4)
    told = [json.loads(message["Body"])["detail"]["object"] for message in messages]

    assert {each["key"] for each in told} == {key}
    in_order = sorted(told, key=lambda each: each["sequencer"])
    assert [each["version-id"] for each in in_order] == versions
    assert len({each["sequencer"] for each in told}) == len(set(versions)) == 4


class TestOwnBus:
    """A bus of the stack whose rules notify a topic that queues subscribe to.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html,
    https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
    """

    def test_rule_publishes_the_whole_event_to_a_topic(self, cloud: Cloud) -> None:
        run = unique()
        put(cloud, "conformance.ingest", {"run": run, "status": "PENDING"}, cloud["Bus"])
        put(cloud, "conformance.ingest", {"run": run, "status": "COMPLETED"})  # on another bus
        put(cloud, "conformance.ingest", {"run": run, "status": "COMPLETED", "n": 1}, cloud["Bus"])
        notification = json.loads(cloud.message_with("Notified", run)["Body"])
        assert notification["Type"] == "Notification"
        assert notification["TopicArn"].startswith("arn:aws:sns:")
        assert "Subject" not in notification
        event = json.loads(notification["Message"])
        assert event["detail"] == {"run": run, "status": "COMPLETED", "n": 1}
        assert (event["source"], event["detail-type"]) == ("conformance.ingest", "Conformance")

    def test_raw_delivery_gives_the_bare_message_and_filters_by_its_body(self, cloud: Cloud) -> None:
        """https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html"""
        run = unique()
        for status in ("COMPLETED", "FAILED"):
            put(cloud, "conformance.ingest", {"run": run, "status": status}, cloud["Bus"])
        assert json.loads(cloud.message_with("NotifiedRaw", run)["Body"])["detail"]["status"] == "FAILED"
        assert len(cloud.messages_with("Notified", run, 2)) == 2

    def test_input_path_selects_a_part_of_the_event(self, cloud: Cloud) -> None:
        """https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html"""
        run = unique()
        put(cloud, "conformance.paths", {"document": {"run": run, "n": [1, None]}, "rest": 1}, cloud["Bus"])
        assert json.loads(cloud.message_with("Observed", run)["Body"]) == {"run": run, "n": [1, None]}

    def test_input_transformer_makes_text_and_objects(self, cloud: Cloud) -> None:
        """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html"""
        run, detail = unique(), {"tags": ["a", "b"], "count": 2}
        put(cloud, "conformance.text", {"name": run, **detail}, cloud["Bus"])
        text = json.loads(json.loads(cloud.message_with("Notified", run)["Body"])["Message"])
        assert text.startswith(f"{run} ended; [")
        assert ":rule/" in text
        put(cloud, "conformance.object", {"name": f'say "{run}"', **detail}, cloud["Bus"])
        made = json.loads(cloud.message_with("Observed", run)["Body"])
        assert {**made, "event": None} == {"name": f'say "{run}"', **detail, "event": None}
        assert made["event"]["detail"]["count"] == 2

    def test_event_for_a_missing_topic_goes_to_its_dead_letters(self, cloud: Cloud) -> None:
        """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html"""
        run = unique()
        put(cloud, "conformance.nowhere", {"run": run}, cloud["Bus"])
        dead = cloud.message_with("RuleFailures", run)
        assert dead["MessageAttributes"]["TARGET_ARN"]["StringValue"].endswith(":conformance-missing-topic")
