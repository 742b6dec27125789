"""EventBridge: rules, transformed input, targets that cannot be reached, events of executions."""

from __future__ import annotations

import json
from typing import Any

from conformance_cloud import Cloud, unique, wait_for


def put(cloud: Cloud, source: str, detail: dict[str, Any]) -> None:
    entry = {"Source": source, "DetailType": "Conformance", "Detail": json.dumps(detail)}
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
