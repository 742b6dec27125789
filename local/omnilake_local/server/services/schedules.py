"""EventBridge Scheduler: schedules in their time zone, to the second, with retries and dead letters.

ministack sweeps every ten seconds, evaluates expressions in UTC only, takes any text for an expression, forgets an
event whose target is missing and fires a one-time schedule again after a restart. Unnecessary once it does these; what
an expression means is read by its own functions.

Times: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import contextvars
import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import request_scope
from ministack.services import eventbridge, lambda_svc, scheduler, sns, sqs, stepfunctions
from ministack.services.cloudformation import provisioners

from omnilake_local.server.services.message_queues import LOCK

LONGEST_SLEEP_SECONDS = 1.0
"""The schedules are looked at at least so often."""

WAITS_SECONDS = (1.0, 2.0, 4.0)
"""Pauses before further attempts to reach a target; none is made after the last."""

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_IN_TEMPLATES_ONLY = ("ScheduleExpressionTimezone", "StartDate", "EndDate", "ActionAfterCompletion", "KmsKeyArn")
_LOG = logging.getLogger(__name__)
Schedule = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]


class UnreachableTarget(Exception):
    """A target that refuses or does not exist; ``code`` is the service's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def zone_of(schedule: Schedule) -> tzinfo:
    """The time zone of a schedule; raises ``ValueError`` if it is unknown."""
    name = schedule.get("ScheduleExpressionTimezone") or "UTC"
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"Invalid Schedule Expression Timezone {name}.") from error


def next_invocation(schedule: Schedule, after: float) -> float | None:
    """The first instant (Unix time), not before ``after``, at which a schedule invokes its target; None if never.

    A rate begins at its start date, or at once when the schedule is made; ``at`` and ``cron`` follow the schedule's
    time zone. Raises ``ValueError`` for an expression that is none.
    """
    expression, zone = schedule["ScheduleExpression"].strip(), zone_of(schedule)
    at = _AT.fullmatch(expression)
    if at:
        moment = datetime.fromisoformat(at[1]).replace(tzinfo=zone).timestamp()
        return moment if moment >= after else None
    begin = scheduler._to_epoch(schedule.get("StartDate"))
    end = scheduler._to_epoch(schedule.get("EndDate"))
    earliest = max(after, begin or 0.0)
    interval = eventbridge._parse_rate_seconds(expression)
    if interval:
        anchor = schedule["CreationDate"] if begin is None else begin
        passed = max(0.0, earliest - anchor)
        moment = anchor + -(-passed // interval) * interval
    else:
        fields = eventbridge._parse_cron_fields(expression)
        if fields is None:
            raise ValueError(f"Invalid Schedule Expression {expression}.")
        # the search begins with the minute after the one given
        found = eventbridge._cron_next_fire(fields, datetime.fromtimestamp(earliest - 60, zone))
        while found is not None and found.timestamp() < earliest:
            found = eventbridge._cron_next_fire(fields, found)
        if found is None:
            return None
        moment = found.timestamp()
    return None if end is not None and moment > end else moment


def payload_of(schedule: Schedule, scheduled: float, execution_id: str, attempt: int) -> str:
    """What the target is given: the schedule's input with its context attributes filled in, or the default event.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """
    moment = datetime.fromtimestamp(scheduled, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    given = schedule["Target"].get("Input")
    if given:
        attributes = {
            "schedule-arn": schedule["Arn"],
            "scheduled-time": moment,
            "execution-id": execution_id,
            "attempt-number": str(attempt),
        }
        for name, value in attributes.items():
            given = given.replace(f"<aws.scheduler.{name}>", value)
        return str(given)
    arn = parse_arn(schedule["Arn"])
    event = {
        "version": "0",
        "id": execution_id,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": arn.account_id,
        "time": moment,
        "region": arn.region,
        "resources": [schedule["Arn"]],
        "detail": "{}",
    }
    return json.dumps(event)


def _accepted(answer: Response) -> None:
    if answer[0] >= 400:
        error = json.loads(answer[2])
        raise UnreachableTarget(error.get("__type", "").rpartition("#")[2], error.get("message") or str(error))


def _invoke_function(target: Schedule, payload: str) -> None:
    function, config, _ = lambda_svc._get_func_record_for_ref(target["Arn"])
    if not function or not config:
        raise UnreachableTarget("ResourceNotFoundException", f"Function not found: {target['Arn']}")
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), json.loads(payload))


def _start_execution(target: Schedule, payload: str) -> None:
    _accepted(stepfunctions._start_execution({"stateMachineArn": target["Arn"], "input": payload}))


def _send_message(target: Schedule, payload: str) -> None:
    queue = sqs._queue_by_arn(target["Arn"])
    if queue is None:
        raise UnreachableTarget("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
    group = (target.get("SqsParameters") or {}).get("MessageGroupId")
    message = {"QueueUrl": queue["url"], "MessageBody": payload} | ({"MessageGroupId": group} if group else {})
    with LOCK:
        sqs._act_send_message(message, queue["url"])


def _publish(target: Schedule, payload: str) -> None:
    try:
        published = sns.publish_internal(target["Arn"], payload)
    except sns.SnsPublishError as refusal:
        raise UnreachableTarget("InvalidParameter", str(refusal)) from refusal
    if published is None:
        raise UnreachableTarget("NotFound", "Topic does not exist")


def _put_event(target: Schedule, payload: str) -> None:
    named = target.get("EventBridgeParameters") or {}
    entry = {"Source": named.get("Source"), "DetailType": named.get("DetailType"), "Detail": payload}
    answer = eventbridge._put_events({"Entries": [{**entry, "EventBusName": target["Arn"]}]})
    _accepted(answer)
    failed = json.loads(answer[2])["Entries"][0]
    if failed.get("ErrorCode"):
        raise UnreachableTarget(failed["ErrorCode"], failed.get("ErrorMessage", ""))


def _refuse(target: Schedule, _: str) -> None:
    raise UnreachableTarget("ValidationException", f"The target {target['Arn']} is not supported here.")


_DELIVERIES: dict[str, Callable[[Schedule, str], None]] = {
    "lambda": _invoke_function,
    "states": _start_execution,
    "sqs": _send_message,
    "sns": _publish,
    "events": _put_event,
}


def deliver(schedule: Schedule, scheduled: float) -> None:
    """Invoke a schedule's target, again where it cannot be reached, and tell its dead-letter queue in the end.

    Dead letters: https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    """
    target = schedule["Target"]
    policy = target.get("RetryPolicy") or {}
    retries = min(int(policy.get("MaximumRetryAttempts", 185)), len(WAITS_SECONDS))
    execution_id = str(uuid.uuid4())
    failure = UnreachableTarget("", "")
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(WAITS_SECONDS[attempt - 1])
        payload = payload_of(schedule, scheduled, execution_id, attempt + 1)
        try:
            _DELIVERIES.get(parse_arn(target["Arn"]).service, _refuse)(target, payload)
        except (UnreachableTarget, ArnParseError, ValueError) as error:
            code = error.code if isinstance(error, UnreachableTarget) else "ValidationException"
            failure = UnreachableTarget(code, str(error))
        else:
            return
    queue = sqs._queue_by_arn((target.get("DeadLetterConfig") or {}).get("Arn", ""))
    if queue is None:
        _LOG.warning("Schedule %s could not reach %s: %s", schedule["Arn"], target["Arn"], failure)
        return
    texts = {
        "SCHEDULE_ARN": schedule["Arn"],
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": failure.code,
        "ERROR_MESSAGE": str(failure),
        "EXECUTION_ID": execution_id,
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": str(retries),
        "SCHEDULED_TIME": datetime.fromtimestamp(scheduled, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items() if text}
    letter = {"QueueUrl": queue["url"], "MessageBody": payload, "MessageAttributes": attributes}
    with LOCK:
        sqs._act_send_message(letter, queue["url"])


class Schedules:
    """Invokes the targets of schedules from a thread of its own."""

    def __init__(self) -> None:
        self._started = 0.0
        self._due: dict[Any, tuple[float, float | None]] = {}
        self._suspended = threading.Event()

    def start(self) -> None:
        """Begin; what was due while the server was stopped is not made up for."""
        self._started = time.time()
        threading.Thread(target=self._look_forever, daemon=True, name="schedules").start()

    def suspend(self) -> None:
        """Invoke nothing more."""
        self._suspended.set()

    def _look_forever(self) -> None:
        while not self._suspended.is_set():
            now = time.time()
            try:
                soonest = self._look(now)
            except Exception:  # noqa: BLE001 - one bad schedule must not end all
                _LOG.exception("Looking at the schedules failed")
                soonest = now + LONGEST_SLEEP_SECONDS
            self._suspended.wait(min(max(soonest - time.time(), 0.01), LONGEST_SLEEP_SECONDS))

    def _look(self, now: float) -> float:
        """Invoke what is due; the instant of the next invocation, as far as known."""
        known = list(scheduler._schedules._data.items())
        self._due = {place: self._due[place] for place, _ in known if place in self._due}
        soonest = now + LONGEST_SLEEP_SECONDS
        for place, schedule in known:
            if schedule["State"] != "ENABLED":
                self._due.pop(place, None)
                continue
            changed = schedule["LastModificationDate"]
            if self._due.get(place, (None,))[0] != changed:
                self._due[place] = changed, next_invocation(schedule, max(changed, self._started))
            due = self._due[place][1]
            if due is not None and due <= now:
                self._invoke(place, schedule, due)
                due = next_invocation(schedule, max(now, due + 0.001))
                self._due[place] = changed, due
            if due is None:
                self._complete(place, schedule, now)
            else:
                soonest = min(soonest, due)
        return soonest

    @staticmethod
    def _invoke(place: tuple[str, str, str], schedule: Schedule, due: float) -> None:
        with request_scope(place[0], place[1]):
            run = contextvars.copy_context().run
        threading.Thread(target=run, args=(deliver, dict(schedule), due), daemon=True, name="schedule").start()

    @staticmethod
    def _complete(place: Any, schedule: Schedule, now: float) -> None:
        """A schedule that will never fire again leaves, if it says so."""
        at = schedule["ScheduleExpression"].startswith("at(")
        end = scheduler._to_epoch(schedule.get("EndDate"))
        if schedule.get("ActionAfterCompletion") == "DELETE" and (at or (end is not None and end < now)):
            scheduler._schedules._data.pop(place, None)


def _problem(body: Schedule) -> str | None:
    try:
        next_invocation({"CreationDate": 0.0, **body}, 0.0)
    except ValueError as error:
        return str(error)
    return None


def _checked(change: Callable[[str, Schedule], Response]) -> Callable[[str, Schedule], Response]:
    def change_valid(name: str, body: Schedule) -> Response:
        problem = _problem(body) if body.get("ScheduleExpression") else None
        if problem is not None:
            refused: Response = scheduler._error(400, "ValidationException", problem)
            return refused
        return change(name, body)

    return change_valid


def _list_in_pages(query: dict[str, Any]) -> Response:
    """ListSchedules with ``NextToken``."""
    everything = json.loads(_list_upstream({**query, "MaxResults": str(10**9)})[2])["Schedules"]
    everything.sort(key=lambda schedule: (schedule["GroupName"], schedule["Name"]))
    first, size = int(query.get("NextToken") or 0), int(query.get("MaxResults") or 100)
    page: dict[str, Any] = {"Schedules": everything[first : first + size]}
    if first + size < len(everything):
        page["NextToken"] = str(first + size)
    answer: Response = scheduler._json_resp(200, page)
    return answer


_list_upstream = scheduler._list_schedules


def _whole_schedules_in_templates() -> None:
    """Schedules of templates with the properties that ministack's provisioner leaves out, and checked."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]

    def completing(change: Callable[..., tuple[str, dict[str, Any]]], properties_at: int) -> Callable[..., Any]:
        def change_whole(*arguments: Any, **options: Any) -> tuple[str, dict[str, Any]]:
            properties = arguments[properties_at]
            problem = _problem(properties)
            if problem is not None:
                raise ValueError(f"AWS::Scheduler::Schedule: {problem}")
            name, attributes = change(*arguments, **options)
            schedule = scheduler._schedules.get(f"{properties.get('GroupName', 'default')}/{name}")
            if schedule is None:
                raise ValueError(f"AWS::Scheduler::Schedule {name} could not be made")
            schedule.update({key: properties.get(key) for key in _IN_TEMPLATES_ONLY if key in properties})
            schedule["LastModificationDate"] = time.time()
            return name, attributes

        return change_whole

    handlers["create"] = completing(handlers["create"], 1)
    handlers["update"] = completing(handlers["update"], 2)


def install() -> Schedules:
    """Replace ministack's sweep; the caller starts the one given."""
    scheduler.start_scheduler = lambda: None
    scheduler._create_schedule = _checked(scheduler._create_schedule)
    scheduler._update_schedule = _checked(scheduler._update_schedule)
    scheduler._list_schedules = _list_in_pages
    _whole_schedules_in_templates()
    return Schedules()
