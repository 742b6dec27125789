"""One execution of a state machine in moto's interpreter, and what is left of it as plain data."""

from __future__ import annotations

import contextlib
import enum
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from moto.stepfunctions.parser.api import ExecutionStatus, HistoryEventType, StateMachineType
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackOutcome, CallbackPoolManager
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.backend import execution_worker
from moto.stepfunctions.parser.backend.execution import Execution
from moto.stepfunctions.parser.utils import TMP_THREADS

from omnilake_local.server.stepfunctions import distributed_map, progress
from omnilake_local.server.stepfunctions.progress import Progress


@dataclass
class StateMachineRecord:
    """The parts of a state machine that moto's ``Execution`` reads."""

    arn: str
    name: str
    definition: str
    roleArn: str  # noqa: N815 - moto's name
    sm_type: StateMachineType
    create_date: datetime
    revision_id: str | None = None
    logging_config: Any = None
    source_arn: str | None = None


@dataclass(frozen=True)
class ExecutionResult:
    """How an execution ended. ``output`` is JSON text, present on success only."""

    status: str
    output: str | None
    error: str | None
    cause: str | None


@dataclass(frozen=True)
class Redrive:
    """What a redriven execution continues from: ``events`` are its history so far."""

    count: int
    date: str
    progress: Progress
    events: list[dict[str, Any]]


def plain(value: Any) -> Any:
    """A value of the interpreter as JSON data: instants as ISO text, enumerations by value."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def parse_program(definition: str) -> EvalComponent:
    """The interpreter's program of a definition; raises what the parser raises for an invalid one.

    Parsing costs about a millisecond a line, so programs are kept. They hold no state of an execution: the
    interpreter keeps all of that in its environment, under keys made from the component.
    """
    return _programs(definition)


@lru_cache(maxsize=256)
def _programs(definition: str) -> EvalComponent:
    known, fields = distributed_map.split_definition(definition)
    with distributed_map.parsing(fields):
        program: EvalComponent = AmazonStateLanguageParser.parse(known)[0]
    return program


class RunningExecution:
    """An execution in progress. ``recorded`` is set by the caller when its end can be read from the API."""

    def __init__(
        self,
        *,
        arn: str,
        name: str,
        machine: StateMachineRecord,
        input_text: str,
        started: datetime,
        redrive: Redrive | None = None,
    ) -> None:
        region, account = arn.split(":")[3:5]
        self.arn = arn
        self.recorded = threading.Event()
        self.progress = redrive.progress if redrive else Progress()
        self._redrive = redrive
        self._execution = Execution(
            name=name,
            sm_type=machine.sm_type,
            role_arn=machine.roleArn,
            exec_arn=arn,
            account_id=account,
            region_name=region,
            state_machine=machine,
            start_date=started,
            cloud_watch_logging_session=None,
            activity_store={},
            input_data=input_text,
        )
        self._execution.exec_worker = self._execution._get_start_execution_worker()
        self._execution.exec_status = ExecutionStatus.RUNNING

    def run(self) -> ExecutionResult:
        """Evaluate the program to its end, in the calling thread."""
        try:
            self._evaluate()
        finally:
            self._release_waiting_tasks()
            TMP_THREADS[:] = [thread for thread in TMP_THREADS if thread.is_alive()]
        status = self._execution.exec_status.value
        succeeded = status == ExecutionStatus.SUCCEEDED.value
        output = json.dumps(self._execution.output, separators=(",", ":"), default=str) if succeeded else None
        return ExecutionResult(status, output, self._execution.error, self._execution.cause)

    def _evaluate(self) -> None:
        worker = self._execution.exec_worker
        program, redrive = worker._get_evaluation_entrypoint(), self._redrive
        environment = worker._get_evaluation_environment()
        execution = environment.states.context_object.context_object_data["Execution"]
        execution["RedriveCount"] = redrive.count if redrive else 0
        manager, context = environment.event_manager, environment.event_history_context
        if redrive:
            execution["RedriveTime"] = redrive.date
            manager._history_event_list.extend(redrive.events)
            manager._event_id_gen._next_id = len(redrive.events) + 1
            context.source_event_id = context.last_published_event_id = len(redrive.events)
            details = EventDetails(executionRedrivenEventDetails={"redriveCount": redrive.count})
            manager.add_event(context, HistoryEventType.ExecutionRedriven, details)
        else:
            details = EventDetails(
                executionStartedEventDetails={
                    "input": self._execution.execution_input,
                    "inputDetails": {"truncated": False},
                    "roleArn": self._execution.role_arn,
                }
            )
            manager.add_event(context, HistoryEventType.ExecutionStarted, details, update_source_event_id=False)
        worker.env = environment
        progress.evaluate(program, environment, self.progress)
        worker._execution_communication.terminated()

    def stop(self, error: str | None, cause: str | None) -> None:
        """Abort: states that wait end at once, a running function finishes unheard."""
        if self._environment is not None:
            self._execution.stop(datetime.now(UTC), error, cause)
            self._release_waiting_tasks()

    def history(self) -> list[dict[str, Any]]:
        """Events so far, as ``GetExecutionHistory`` gives them."""
        if self._environment is None:
            return []
        events = self._execution.to_history_output()["events"]
        # a task that was stopped still reports; nothing of that belongs after the stop
        events = events[: self._environment.__dict__.get("halted_at", len(events))]
        return [{"previousEventId": 0, **plain(event)} for event in events]

    def map_runs(self) -> list[Any]:
        """moto's records of the Distributed Map runs."""
        environment = self._environment
        return environment.map_run_record_pool_manager.get_all() if environment is not None else []

    def answer_task(self, token: str, outcome: CallbackOutcome) -> bool:
        """Give a waiting task its result; False if no task here has this token.

        Raises moto's ``CallbackNotifyConsumerError`` if the task has timed out.
        """
        return any(pool.notify(callback_id=token, outcome=outcome) for pool in self._callback_pools())

    def heartbeat(self, token: str) -> bool:
        """Note a sign of life of a waiting task; False if no task here has this token."""
        for pool in self._callback_pools():
            if pool.get(token) is not None:
                pool.heartbeat(token)  # false for a task without HeartbeatSeconds, which AWS accepts too
                return True
        return False

    def task_tokens(self) -> list[str]:
        """Tokens of all tasks so far, waiting or ended."""
        return [token for pool in self._callback_pools() for token in list(pool._pool)]

    @property
    def _environment(self) -> Any:
        return self._execution.exec_worker.env

    def _callback_pools(self) -> Iterator[CallbackPoolManager]:
        if self._environment is not None:
            yield self._environment.callback_pool_manager

    def _release_waiting_tasks(self) -> None:
        # moto leaves a task that waits for a token asleep until its own timeout, which may be years away
        for pool in self._callback_pools():
            for endpoint in list(pool._pool.values()):
                with contextlib.suppress(RuntimeError):
                    endpoint.interrupt_all()


def install(report_child: distributed_map.Report) -> None:
    """Let every execution use the kept programs, and note how far it comes.

    ``report_child`` is told of the children of Distributed Maps.
    """
    progress.install()
    distributed_map.install(parse_program, report_child)

    class KeptPrograms:
        """Stands in for moto's parser where executions start."""

        @staticmethod
        def parse(definition: str) -> tuple[EvalComponent, None]:
            return parse_program(definition), None

    execution_worker.AmazonStateLanguageParser = KeptPrograms
