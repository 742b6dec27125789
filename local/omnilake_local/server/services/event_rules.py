"""EventBridge rule targets that cannot be reached, and functions and topics as targets.

ministack logs and forgets an event whose target is missing, runs a function target once and gives a notification a
subject. EventBridge sends the first to the target's dead-letter queue, invokes the second asynchronously, with
Lambda's own retries and destinations, and publishes without a subject. Unnecessary once ministack's
``_invoke_target`` honours ``DeadLetterConfig``, calls ``invoke_async_with_retry`` and names no subject. A failing
target is not retried here beyond that: a local target either exists or does not.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import eventbridge, lambda_svc, sns, sqs, stepfunctions

from omnilake_local.server.services.message_queues import LOCK

_LOG = logging.getLogger(__name__)


def target_exists(arn: str) -> bool:
    """Whether a queue, function, topic or state machine exists; true for any other kind of target."""
    try:
        service = parse_arn(arn).service
    except ArnParseError:
        return False
    if service == "sqs":
        return sqs._queue_by_arn(arn) is not None
    if service == "lambda":
        function, config, _ = lambda_svc._get_func_record_for_ref(arn)
        return bool(function and config)
    if service == "sns":
        return sns._topic_by_arn_any_scope(arn) is not None
    if service == "states":
        return stepfunctions._resolve_state_machine_arn(arn) is not None
    return True


def _dead_letter(target: dict[str, Any], rule: dict[str, Any], event: dict[str, Any]) -> None:
    queue = sqs._queue_by_arn((target.get("DeadLetterConfig") or {}).get("Arn", ""))
    if queue is None:
        _LOG.warning("EventBridge target %s does not exist; the event is lost", target.get("Arn"))
        return
    texts = {
        "RULE_ARN": rule.get("Arn", ""),
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": "NO_RESOURCE",
        "ERROR_MESSAGE": f"The target {target['Arn']} does not exist",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "RETRY_ATTEMPTS": "0",
    }
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in texts.items() if value}
    with LOCK:
        sqs._act_send_message(
            {"QueueUrl": queue["url"], "MessageBody": json.dumps(event), "MessageAttributes": attributes},
            queue["url"],
        )


def _with_dead_letters(deliver: Callable[..., None]) -> Callable[..., None]:
    def invoke_target(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        if target_exists(target.get("Arn", "")):
            deliver(target, event, rule, view)
        else:
            view = view or eventbridge._pattern_event_view(event)
            _dead_letter(target, rule, view.event_with_detail())

    return invoke_target


def _invoke_function(arn: str, payload: str) -> None:
    function, config, name = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        _LOG.warning("EventBridge: function %s not found", name)
        return
    record = lambda_svc._execution_record_for_config(function, config)
    lambda_svc.invoke_async_with_retry(record, json.loads(payload))


def _publish(arn: str, payload: str) -> None:
    try:
        sns.publish_internal(arn, payload, "")
    except sns.SnsPublishError as refusal:
        _LOG.warning("EventBridge: topic %s refused an event: %s", arn, refusal)


def install() -> None:
    """Replace ministack's delivery to targets."""
    eventbridge._invoke_target = _with_dead_letters(eventbridge._invoke_target)
    eventbridge._dispatch_to_lambda = _invoke_function
    eventbridge._dispatch_to_sns = _publish
