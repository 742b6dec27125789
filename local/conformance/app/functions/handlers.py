"""Handlers of the conformance application: each shows or provokes one thing."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import boto3


class TransientError(Exception):
    """Goes away when tried again."""


class PoisonError(Exception):
    """Never goes away."""


def echo(event: Any, context: Any) -> dict[str, Any]:
    """The event and what the context says."""
    return {
        "echo": event,
        "pid": os.getpid(),
        "function": context.function_name,
        "arn": context.invoked_function_arn,
        "request_id": context.aws_request_id,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "memory_mb": context.memory_limit_in_mb,
    }


def respond(event: Any, context: Any) -> Any:
    """What the body of an HTTP API's call says; ``repeat`` times its ``body``."""
    told = json.loads(event["body"])
    if "repeat" in told:
        told["body"] *= told.pop("repeat")
    return told


def square(event: Any, context: Any) -> dict[str, Any]:
    """Square of ``n``."""
    return {"n": event["n"], "square": event["n"] ** 2}


def inspect(event: Any, context: Any) -> dict[str, Any]:
    """The process as the handler sees it."""
    import conformance_layer

    print("a printed line")
    return {
        "environment": dict(os.environ),
        "path": sys.path,
        "cwd": str(Path.cwd()),
        "layer": conformance_layer.LABEL,
        "layer_file": conformance_layer.__file__,
        "executable": sys.executable,
    }


def fail(event: Any, context: Any) -> None:
    """Raise from an inner function."""

    def inner() -> None:
        raise PoisonError(f"poison: {json.dumps(event)}")

    print("about to fail")
    inner()


def note(event: Any, context: Any) -> dict[str, Any]:
    """Note in the table that ``number`` of ``run`` was begun, sleep for ``seconds``, then note its end."""
    table = boto3.client("dynamodb")
    key = {"pk": {"S": f"noted#{event['run']}"}, "sk": {"S": f"{event['number']:04}#{context.aws_request_id}"}}
    table.put_item(TableName=os.environ["TABLE"], Item={**key, "ended": {"BOOL": False}})
    time.sleep(event.get("seconds", 0))
    table.put_item(TableName=os.environ["TABLE"], Item={**key, "ended": {"BOOL": True}})
    return {"number": event["number"], "pid": os.getpid()}


def sleep(event: Any, context: Any) -> dict[str, Any]:
    """Sleep for ``seconds``."""
    time.sleep(event["seconds"])
    return {"pid": os.getpid()}


def exit_process(event: Any, context: Any) -> None:
    """End the process without a word."""
    os._exit(event.get("code", 3))


def allocate(event: Any, context: Any) -> dict[str, int]:
    """Touch ``megabytes`` of memory and let them go."""
    block = bytearray(event["megabytes"] * 2**20)
    for place in range(0, len(block), 4096):
        block[place] = 1
    return {"bytes": len(block)}


def flaky(event: Any, context: Any) -> dict[str, Any]:
    """Fail ``failures`` times for each ``key``, then give the instants of all attempts."""
    item = boto3.client("dynamodb").update_item(
        TableName=os.environ["TABLE"],
        Key={"pk": {"S": f"flaky#{event['key']}"}, "sk": {"S": "attempts"}},
        UpdateExpression="SET instants = list_append(if_not_exists(instants, :none), :now)",
        ExpressionAttributeValues={":none": {"L": []}, ":now": {"L": [{"N": repr(time.time())}]}},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    instants = [float(instant["N"]) for instant in item["instants"]["L"]]
    if len(instants) <= event["failures"]:
        raise TransientError(f"attempt {len(instants)}")
    return {"instants": instants}


def sum_batch(event: Any, context: Any) -> dict[str, Any]:
    """Sum of a Distributed Map batch; a negative item poisons it."""
    if any(item["n"] < 0 for item in event["Items"]):
        raise PoisonError("a negative item")
    return {
        "count": len(event["Items"]),
        "sum": sum(item["n"] for item in event["Items"]),
        "batch_input": event.get("BatchInput"),
    }


def answer_token(event: Any, context: Any) -> dict[str, Any]:
    """Answer a task token as the event says: ``succeed``, ``fail`` or ``ignore``."""
    _answer(event)
    return {"answered": event.get("answer")}


def _answer(message: dict[str, Any]) -> None:
    states = boto3.client("stepfunctions")
    if message["answer"] == "succeed":
        states.send_task_success(taskToken=message["token"], output=json.dumps({"answer": message.get("value")}))
    elif message["answer"] == "fail":
        states.send_task_failure(
            taskToken=message["token"], error=message.get("error", "Reviewer.Rejected"), cause="no"
        )
    elif message["answer"] == "beat":
        for _ in range(message["beats"]):
            time.sleep(0.6)
            states.send_task_heartbeat(taskToken=message["token"])
        states.send_task_success(taskToken=message["token"], output="{}")


def consume(event: Any, context: Any) -> dict[str, Any]:
    """Note each message in the table; report those that ask to fail as failed, answer tokens."""
    table, failures = boto3.client("dynamodb"), []
    began = time.time()
    bodies = [json.loads(record["body"]) for record in event["Records"]]
    time.sleep(max(body.get("sleep", 0) for body in bodies))
    for record, body in zip(event["Records"], bodies, strict=True):
        if body.get("fail"):
            failures.append({"itemIdentifier": record["messageId"]})
            continue
        if "token" in body:
            _answer(body)
        group = body.get("run") or body["detail"]["object"]["key"]
        table.put_item(
            TableName=os.environ["TABLE"],
            Item={
                "pk": {"S": f"consumed#{group}"},
                "sk": {"S": f"{time.time():.6f}#{record['messageId']}"},
                "body": {"S": record["body"]},
                "began": {"N": repr(began)},
                "ended": {"N": repr(time.time())},
                "batch_size": {"N": str(len(bodies))},
                "receive_count": {"N": record["attributes"]["ApproximateReceiveCount"]},
                "group_id": {"S": record["attributes"].get("MessageGroupId", "-")},
            },
        )
    return {"batchItemFailures": failures}


def record_event(event: Any, context: Any) -> None:
    """Note an EventBridge event in the table."""
    boto3.client("dynamodb").put_item(
        TableName=os.environ["TABLE"],
        Item={"pk": {"S": f"event#{event['detail']['run']}"}, "sk": {"S": event["id"]}},
    )
