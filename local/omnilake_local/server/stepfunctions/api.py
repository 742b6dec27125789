"""ministack's Step Functions actions, answered with executions that run in moto's interpreter.

Finished executions leave the interpreter: their history stays as data in ministack's own records, which are
saved and restored with everything else. Those that did not succeed keep how far they came, for a redrive.
"""

from __future__ import annotations

import contextvars
import json
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ministack.services import stepfunctions as service
from moto.stepfunctions.parser.api import StateMachineType
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackNotifyConsumerError,
    CallbackOutcome,
    CallbackOutcomeFailure,
    CallbackOutcomeSuccess,
)

from omnilake_local.server.stepfunctions import redrive, status_events
from omnilake_local.server.stepfunctions.definitions import dangling_transitions
from omnilake_local.server.stepfunctions.interpreter import (
    ExecutionResult,
    Redrive,
    RunningExecution,
    StateMachineRecord,
    parse_program,
    plain,
)
from omnilake_local.server.stepfunctions.progress import Progress

MAX_FINISHED_EXECUTIONS = 2000
"""Finished executions kept a state machine; the oldest leave first, as after 90 days on AWS."""

MAX_MAP_CHILDREN = 10_000
"""Ended children of Distributed Maps remembered as executions, over all Map Runs; the oldest leave first."""

MAX_MAP_RUNS = 1000
"""Map Runs remembered; the oldest leave first."""

MAX_CLOSED_TOKENS = 20_000
"""Task tokens of ended tasks remembered; an answer to an older one is refused as invalid."""

INTERRUPTED = {
    "error": "EmbeddedCloud.Stopped",
    "cause": "The embedded cloud was stopped while this execution was running.",
}
"""Error and cause of an execution that was running when the server stopped."""

_LOG = logging.getLogger(__name__)
_LONGEST_FAREWELL_SECONDS = 2.0
"""A redrive waits so long for what the stopped execution still has in hand."""

Response = tuple[int, dict[str, str], bytes]
Record = dict[str, Any]


class StepFunctions:
    """The running executions, and the actions that concern them."""

    def __init__(self) -> None:
        self._running: dict[str, RunningExecution] = {}
        self._interrupted: list[dict[str, Any]] = []
        self._closed_tokens: dict[str, None] = {}
        self._suspended = threading.Event()
        self._finished: dict[str, OrderedDict[str, None]] = {}
        self._ended_children: deque[str] = deque()
        self._lock = threading.RLock()
        self._handle_upstream: Callable[..., Any] = service.handle_request
        self._describe_upstream: Callable[[dict[str, Any]], Response] = service._describe_execution
        self._list_upstream: Callable[[dict[str, Any]], Response] = service._list_executions
        self._start_upstream: Callable[[dict[str, Any]], Response] = service._start_execution
        self._create_upstream: Callable[[dict[str, Any]], Response] = service._create_state_machine
        self._update_upstream: Callable[[dict[str, Any]], Response] = service._update_state_machine
        self._stop_upstream: Callable[[dict[str, Any]], Response] = service._stop_execution
        self._history_upstream: Callable[[dict[str, Any]], Response] = service._get_execution_history
        self._list_runs_upstream: Callable[[dict[str, Any]], Response] = service._list_map_runs
        self._describe_run_upstream: Callable[[dict[str, Any]], Response] = service._describe_map_run
        self._restore_upstream: Callable[[dict[str, Any] | None], None] = service._restore_state

    def install(self) -> None:
        """Replace ministack's actions; call once, before the server listens."""
        service._run_execution = self._run
        service._start_execution = self._start
        service._stop_execution = self._stop
        service._create_state_machine = self._create
        service._update_state_machine = self._update
        service._get_execution_history = self._history
        service._send_task_success = self._send_success
        service._send_task_failure = self._send_failure
        service._send_task_heartbeat = self._send_heartbeat
        service._list_map_runs = self._list_map_runs
        service._describe_map_run = self._describe_map_run
        service._restore_state = self._restore
        service._describe_execution = self._describe
        service._list_executions = self._list
        service.handle_request = self._handle
        status_events.install()

    def suspend(self) -> None:
        """Freeze executions' records: what ends from now on is not recorded, it is aborted at the next start."""
        self._suspended.set()
        for arn, running in list(self._running.items()):
            record = service._executions[arn]
            record["events"] = running.history() or record["events"]
            record["taskTokens"] = running.task_tokens()
            record["progress"] = running.progress.to_data()
            self._record_map_runs(running)

    def report_interrupted(self) -> None:
        """Publish the end of the executions that the last stop of the server interrupted."""
        for record in self._interrupted:
            service._emit_execution_status_event(record)
        self._interrupted.clear()

    def wait_for_end(self, arn: str, seconds: float) -> None:
        """Wait until an execution ends, at most so long."""
        running = self._running.get(arn)
        if running is not None:
            running.recorded.wait(seconds)

    def stop_nested(self, arn: str) -> None:
        """Abort a nested execution whose parent no longer waits for it, as ``.sync`` integrations do."""
        self._stop({"executionArn": arn, "error": "States.Aborted", "cause": "The parent execution has ended."})

    def _restore(self, data: dict[str, Any] | None) -> None:
        """Restore, with executions that were running marked as aborted (ministack would fail them)."""
        for record in data["executions"].all_values() if data and "executions" in data else ():
            self._close_tokens(record.get("taskTokens", []))
            if record["status"] == "RUNNING":
                record.update(status="ABORTED", stopDate=service.now_iso(), **INTERRUPTED)
                if "mapRunArn" not in record:
                    service._add_event(record, "ExecutionAborted", {"executionAbortedEventDetails": dict(INTERRUPTED)})
                    self._interrupted.append(record)
        for run in data["map_runs"].all_values() if data and "map_runs" in data else ():
            if run["status"] == "RUNNING":
                run.update(status="ABORTED", stopDate=service.now_iso())
        self._restore_upstream(data)
        for record in sorted(service._executions.all_values(), key=lambda record: record["stopDate"] or ""):
            self._remember_finished(record)

    def _close_tokens(self, tokens: list[str]) -> None:
        """Remember tokens of tasks that have ended: an answer to one is late, not invalid."""
        self._closed_tokens.update(dict.fromkeys(tokens))
        while len(self._closed_tokens) > MAX_CLOSED_TOKENS:
            self._closed_tokens.pop(next(iter(self._closed_tokens)))

    def _create(self, data: dict[str, Any]) -> Response:
        return _invalid_definition(data) or self._create_upstream(data)

    def _update(self, data: dict[str, Any]) -> Response:
        return (_invalid_definition(data) if data.get("definition") else None) or self._update_upstream(data)

    def _start(self, data: dict[str, Any]) -> Response:
        """StartExecution; the same name and input as a running execution is that execution, as on AWS."""
        name, given = data.get("name"), data.get("input") or "{}"
        machine_arn = service._resolve_state_machine_arn(data.get("stateMachineArn", "").split("#")[0])
        try:
            parsed = json.loads(given)
        except ValueError as error:
            return _error("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'")
        if machine_arn and name:
            machine = service._state_machines[machine_arn]
            arn = machine_arn.replace(":stateMachine:", ":execution:").rsplit(":", 1)[0]
            known = service._executions.get(f"{arn}:{machine['name']}:{name}")
            if known and known["status"] == "RUNNING" and json.loads(known["input"]) == parsed:
                return _answer({"executionArn": known["executionArn"], "startDate": known["startDate"]})
        return self._start_upstream(data)

    def _run(self, arn: str, redriven: Redrive | None = None) -> None:
        record = service._executions.get(arn)
        machine = service._state_machines.get(record["stateMachineArn"])
        if machine is None:
            service._fail_execution(record, "StateMachineDeleted", "State machine no longer exists")
            return
        # a redrive runs the definition that the execution began with
        record.setdefault("definition", machine["definition"])
        try:
            running = RunningExecution(
                arn=arn,
                name=record["name"],
                machine=_machine_record({**machine, "definition": record["definition"]}),
                input_text=record["input"],
                started=datetime.fromisoformat(record["startDate"]),
                redrive=redriven,
            )
        except Exception as error:  # noqa: BLE001 - no fault of the interpreter may leave it RUNNING
            _LOG.exception("The interpreter cannot run %s", arn)
            service._fail_execution(record, "States.Runtime", str(error))
            return
        self._running[arn] = running
        try:
            result = running.run()
            self._record_end(record, running, result)
        except Exception as error:  # noqa: BLE001 - no fault of the interpreter may leave it RUNNING
            _LOG.exception("The interpreter failed on %s", arn)
            service._fail_execution(record, "States.Runtime", str(error))
        finally:
            running.recorded.set()
            if not self._suspended.is_set() and self._running.get(arn) is running:
                self._running.pop(arn)
                self._remember_finished(record)

    def _record_end(self, record: Record, running: RunningExecution, result: ExecutionResult) -> None:
        with self._lock:
            if self._suspended.is_set() or self._running.get(running.arn) is not running:
                return  # the server is being stopped, or the execution was redriven meanwhile
            record["events"] = _with_end(running.history(), result.status)
            record["taskTokens"] = running.task_tokens()
            self._close_tokens(record["taskTokens"])
            self._record_map_runs(running)
            if result.status == "SUCCEEDED" and record["status"] == "RUNNING":
                record.pop("definition", None)
            else:
                record["progress"] = running.progress.to_data()
            if record["status"] != "RUNNING":
                return  # StopExecution has written the end already
            record["output"], record["error"], record["cause"] = result.output, result.error, result.cause
            record["stopDate"] = service.now_iso()
            record["status"] = result.status
        service._emit_execution_status_event(record)

    def _remember_finished(self, record: Record) -> None:
        """Let the oldest finished executions of a machine leave once it has too many."""
        if record["status"] == "RUNNING" or "mapRunArn" in record:
            return
        with self._lock:
            finished = self._finished.setdefault(record["stateMachineArn"], OrderedDict())
            finished[record["executionArn"]] = None
            finished.move_to_end(record["executionArn"])
            while len(finished) > MAX_FINISHED_EXECUTIONS:
                service._executions.pop(finished.popitem(last=False)[0], None)

    def _redrive(self, data: dict[str, Any]) -> Response:
        """RedriveExecution: run on where the execution failed, with the definition it began with."""
        arn, token, now = data.get("executionArn", ""), data.get("clientToken"), redrive.now()
        record = service._executions.get(arn)
        if record is None:
            if ":express:" in arn:
                return _error("InvalidArn", "Invalid Arn: 'Resource type not valid in this context: express'")
            return _error("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        before = redrive.answered_before(record, token, now)
        if before is not None:
            return _answer({"redriveDate": before})
        reason = redrive.obstacle(record, now)
        if reason is None and record.get("mapRunArn"):
            reason = "Execution is redrivable by its Map Run only"
        if reason is None and record["stateMachineArn"] not in service._state_machines:
            reason = "State machine does not exist"
        if reason is not None:
            return _error("ExecutionNotRedrivable", reason)
        date = service.now_iso()
        with self._lock:
            stopped = self._running.pop(arn, None)
            self._finished.get(record["stateMachineArn"], {}).pop(arn, None)
            redrive.begin(record, token, date)
        service._emit_execution_status_event(record)
        arguments = (self._continue, arn, stopped)
        threading.Thread(target=contextvars.copy_context().run, args=arguments, daemon=True, name="redrive").start()
        return _answer({"redriveDate": date})

    def _continue(self, arn: str, stopped: RunningExecution | None) -> None:
        """Run a redriven execution; ``stopped`` is what it left running, if that has not ended yet."""
        record = service._executions.get(arn)
        progress, events = record.pop("progress", None), record["events"]
        if stopped is not None:
            stopped.recorded.wait(_LONGEST_FAREWELL_SECONDS)
            progress, events = stopped.progress.to_data(), _with_end(stopped.history(), "ABORTED")
            self._close_tokens(stopped.task_tokens())
        so_far = Progress.from_data(progress) if progress else Progress()
        self._run(arn, Redrive(record["redriveCount"], record["redriveDate"], so_far, list(events)))

    def record_child(self, child: dict[str, Any], map_run_arn: str) -> None:
        """Remember a Distributed Map's child that begins or ends as an execution, without history."""
        if self._suspended.is_set():
            return
        arn = child["ExecutionArn"]
        region, account = arn.split(":")[3:5]
        known = service._executions.get_scoped(account, region, arn) or {}
        record = {**known, **_child_record(child), "mapRunArn": map_run_arn}
        service._executions.set_scoped(account, region, arn, record)
        if child["Status"] == "RUNNING":
            return
        with self._lock:
            self._ended_children.append(arn)
            while len(self._ended_children) > MAX_MAP_CHILDREN:
                oldest = self._ended_children.popleft()
                service._executions.pop_scoped(account, region, oldest, None)

    @staticmethod
    def _record_map_runs(running: RunningExecution) -> None:
        for run in running.map_runs():
            service._map_runs[run.map_run_arn] = _map_run_record(run)
        while len(service._map_runs) > MAX_MAP_RUNS:
            service._map_runs.pop(next(iter(service._map_runs)))

    def _list_map_runs(self, data: dict[str, Any]) -> Response:
        return self._with_current_runs(self._list_runs_upstream, data)

    def _describe_map_run(self, data: dict[str, Any]) -> Response:
        return self._with_current_runs(self._describe_run_upstream, data)

    def _with_current_runs(self, answer: Callable[[dict[str, Any]], Response], data: dict[str, Any]) -> Response:
        for running in list(self._running.values()):
            self._record_map_runs(running)
        return answer(data)

    def _stop(self, data: dict[str, Any]) -> Response:
        with self._lock:
            answer = self._stop_upstream(data)
            running = self._running.get(data.get("executionArn", ""))
        if running is not None and answer[0] == 200:
            running.stop(data.get("error"), data.get("cause"))
        return answer

    def _describe(self, data: dict[str, Any]) -> Response:
        def extend(answer: Record) -> None:
            answer.update(redrive.description(service._executions[answer["executionArn"]], redrive.now()))

        return _extended(self._describe_upstream(data), extend)

    def _list(self, data: dict[str, Any]) -> Response:
        def extend(answer: Record) -> None:
            for item in answer["executions"]:
                record = service._executions.get(item["executionArn"]) or {}
                item["redriveCount"] = record.get("redriveCount", 0)
                if record.get("redriveDate"):
                    item["redriveDate"] = record["redriveDate"]

        return _extended(self._list_upstream(data), extend)

    async def _handle(self, method: str, path: str, headers: Any, body: bytes, query: Any) -> Response:
        if headers.get("x-amz-target", "").endswith(".RedriveExecution"):
            redriven: Response = service._finalize_response(self._redrive(json.loads(body or b"{}")))
            return redriven
        answer: Response = await self._handle_upstream(method, path, headers, body, query)
        return answer

    def _history(self, data: dict[str, Any]) -> Response:
        arn = data.get("executionArn", "")
        running, record = self._running.get(arn), service._executions.get(arn)
        if running is not None and record is not None:
            record["events"] = running.history() or record["events"]
        return self._history_upstream(data)

    def _send_success(self, data: dict[str, Any]) -> Response:
        token, output = data.get("taskToken", ""), data.get("output", "{}")
        try:
            json.loads(output)
        except ValueError as error:
            return _error("InvalidOutput", f"Invalid output: {error}")
        return self._answer(token, CallbackOutcomeSuccess(callback_id=token, output=output))

    def _send_failure(self, data: dict[str, Any]) -> Response:
        token = data.get("taskToken", "")
        return self._answer(
            token,
            CallbackOutcomeFailure(callback_id=token, error=data.get("error"), cause=data.get("cause")),
        )

    def _answer(self, token: str, outcome: CallbackOutcome) -> Response:
        return self._with_token(token, lambda running: running.answer_task(token, outcome))

    def _send_heartbeat(self, data: dict[str, Any]) -> Response:
        token = data.get("taskToken", "")
        return self._with_token(token, lambda running: running.heartbeat(token))

    def _with_token(self, token: str, use: Callable[[RunningExecution], bool]) -> Response:
        for running in list(self._running.values()):
            try:
                if use(running):
                    return _answer({})
            except CallbackNotifyConsumerError:
                return _error("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        if token in self._closed_tokens:
            return _error("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        return _error("InvalidToken", "Invalid Token: 'Invalid token'")


def _answer(document: Record) -> Response:
    answer: Response = service.json_response(document)
    return answer


def _error(code: str, message: str) -> Response:
    answer: Response = service.error_response_json(code, message, 400)
    return answer


def _invalid_definition(data: dict[str, Any]) -> Response | None:
    try:
        parse_program(data.get("definition", ""))
        problems = dangling_transitions(data["definition"])
    except Exception as error:  # noqa: BLE001 - the parser raises many kinds, all of them refusals
        problems = [repr(error)]
    if not problems:
        return None
    return _error("InvalidDefinition", f"Invalid State Machine Definition: '{'; '.join(problems)}'"[:1000])


def _machine_record(machine: dict[str, Any]) -> StateMachineRecord:
    return StateMachineRecord(
        arn=machine["stateMachineArn"],
        name=machine["name"],
        definition=machine["definition"],
        roleArn=machine["roleArn"],
        sm_type=StateMachineType(machine.get("type", "STANDARD")),
        create_date=datetime.now(UTC),
    )


def _extended(answer: Response, extend: Callable[[Record], None]) -> Response:
    """A successful answer with fields that ministack does not know."""
    if answer[0] != 200:
        return answer
    document = json.loads(answer[2])
    extend(document)
    return _answer(document)


def _child_record(child: dict[str, Any]) -> Record:
    """A Distributed Map's child as an execution of its own, without history."""
    record = {
        "executionArn": child["ExecutionArn"],
        "stateMachineArn": child["StateMachineArn"],
        "name": child["Name"],
        "status": child["Status"],
        "startDate": child["StartDate"],
        "stopDate": child.get("StopDate"),
        "output": child.get("Output"),
        "error": child.get("Error"),
        "cause": child.get("Cause"),
        "redriveCount": child.get("RedriveCount", 0),
        "redriveDate": child.get("RedriveDate"),
        "events": [],
    }
    return record | ({"input": child["Input"]} if "Input" in child else {})


def _map_run_record(run: Any) -> Record:
    described = plain(run.describe())
    for counts in (described["itemCounts"], described["executionCounts"]):
        counts.update(failuresNotRedrivable=0, pendingRedrive=0)
    redriven = {"redriveCount": run.redrive_count, "redriveDate": plain(run.redrive_date)}
    return {**described, **redriven, "_stateMachineArn": run.map_state_machine_arn}


def _with_end(events: list[dict[str, Any]], status: str) -> list[dict[str, Any]]:
    """The history with its closing event, which moto adds late when a machine times out or is stopped."""
    closing = {"TIMED_OUT": "ExecutionTimedOut", "ABORTED": "ExecutionAborted"}.get(status)
    if closing and events and events[-1]["type"] != closing:
        last = len(events)
        stamp = service.now_iso()
        events.append({"id": last + 1, "previousEventId": last, "type": closing, "timestamp": stamp})
    return events
