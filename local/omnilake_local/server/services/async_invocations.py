"""Asynchronous Lambda invocations with both destinations.

ministack retries and sends failures to their destination, but sends no success anywhere, and looks only at the
configuration of the unqualified function. Unnecessary once ``invoke_async_with_retry`` does both. The waits
before the second and third attempt are 1 and 2 seconds instead of AWS's 1 and 2 minutes.
"""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import _request_account_id, _request_region
from ministack.services import eventbridge, lambda_svc, sns, sqs

from omnilake_local.server.services.message_queues import LOCK

WAITS_SECONDS = (1.0, 2.0)
"""Pauses before the second and the third attempt."""

_LOG = logging.getLogger(__name__)


def invocation_record(
    event: Any, result: dict[str, Any], *, function_arn: str, attempts: int, version: str
) -> dict[str, Any]:
    """What Lambda sends to a destination.

    Format: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    failed = bool(result.get("error"))
    response: dict[str, Any] = {"statusCode": 200, "executedVersion": version}
    if failed:
        response["functionError"] = result.get("function_error") or "Unhandled"
    return {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": function_arn,
            "condition": "RetriesExhausted" if failed else "Success",
            "approximateInvokeCount": attempts,
        },
        "requestPayload": event,
        "responseContext": response,
        "responsePayload": result.get("body"),
    }


def send_to(destination_arn: str, document: dict[str, Any]) -> None:
    """Send a document to an SQS queue, SNS topic, function or event bus; log what cannot be reached."""
    service = destination_arn.split(":")[2] if destination_arn.count(":") >= 5 else ""
    text = json.dumps(document)
    if service == "sqs" and (queue := sqs._queue_by_arn(destination_arn)) is not None:
        with LOCK:
            sqs._act_send_message({"QueueUrl": queue["url"], "MessageBody": text}, queue["url"])
    elif service == "sns" and destination_arn in sns._topics:
        sns._fanout(destination_arn, str(uuid.uuid4()), text, "", "", {})
    elif service == "lambda":
        function, config, _ = lambda_svc._get_func_record_for_ref(destination_arn)
        if function and config:
            lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), document)
    elif service == "events":
        succeeded = document["requestContext"]["condition"] == "Success"
        detail_type = f"Lambda Function Invocation Result - {'Success' if succeeded else 'Failure'}"
        entry = {"Source": "lambda", "DetailType": detail_type, "Detail": text, "EventBusName": destination_arn}
        eventbridge._put_events({"Entries": [entry]})
    else:
        _LOG.warning("Lambda destination %s does not exist", destination_arn)


def _configuration(function: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    configurations = function.get("event_invoke_configs") or {}
    parts = config.get("FunctionArn", "").split(":")
    qualifier = parts[7] if len(parts) > 7 else "$LATEST"
    # who invokes an alias gets the version that it points to; the configuration belongs to the alias
    aliases = [name for name, alias in (function.get("aliases") or {}).items() if _points_to(alias, qualifier)]
    named = (configurations.get(name) for name in (qualifier, *aliases, ""))
    found: dict[str, Any] = next((each for each in named if each), {})
    return found


def _points_to(alias: dict[str, Any], version: str) -> bool:
    return bool(alias.get("FunctionVersion") == version)


def invoke_with_destinations(function: dict[str, Any], event: Any) -> None:
    """Invoke in the background, with up to two more attempts, then tell the destination."""

    def run() -> None:
        config = function.get("config") or function
        account, region = lambda_svc._account_region_from_function_config(config)
        _request_account_id.set(account)
        _request_region.set(region)
        base = lambda_svc._functions.get(config.get("FunctionName", "")) or function
        chosen = _configuration(base, config)
        retries = chosen.get("MaximumRetryAttempts")
        attempts = 0
        result: dict[str, Any] = {}
        for wait in (0.0, *WAITS_SECONDS[: 2 if retries is None else int(retries)]):
            time.sleep(wait)
            result = lambda_svc._execute_function(function, event)
            attempts += 1
            while result.get("throttle"):
                # AWS keeps a throttled event for up to six hours without counting an attempt
                time.sleep(WAITS_SECONDS[0])
                result = lambda_svc._execute_function(function, event)
            if not result.get("error"):
                break
        destinations = chosen.get("DestinationConfig") or {}
        outcome = "OnFailure" if result.get("error") else "OnSuccess"
        target = (destinations.get(outcome) or {}).get("Destination")
        if target:
            record = invocation_record(
                event,
                result,
                function_arn=config.get("FunctionArn", ""),
                attempts=attempts,
                version=config.get("Version", "$LATEST"),
            )
            send_to(target, record)
        dead_letters = (config.get("DeadLetterConfig") or {}).get("TargetArn")
        if dead_letters and result.get("error"):
            send_to(dead_letters, event if isinstance(event, dict) else {"event": event})

    threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True, name="lambda-async").start()


def install() -> None:
    """Replace ministack's asynchronous invocation."""
    lambda_svc.invoke_async_with_retry = invoke_with_destinations
