"""Where moto's interpreter departs from the Amazon States Language in ways our machines would notice.

Each function says what the language asks for; each would be unnecessary once moto does the same.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from moto.stepfunctions.parser.api import (
    ExecutionFailedEventDetails,
    HistoryEventType,
    TaskFailedEventDetails,
    TaskTimedOutEventDetails,
)
from moto.stepfunctions.parser.asl.component.common.assign.assign_decl import AssignDecl
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import (
    ILLEGAL_CUSTOM_ERROR_PREFIX,
    CustomErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.choice.state_choice import StateChoice
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackConsumerLeft,
    CallbackEndpoint,
    HeartbeatTimeoutError,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped, ProgramTimedOut
from moto.stepfunctions.parser.asl.parse import preprocessor


def state_failure(env: Environment, name: StatesErrorNameType, cause: str) -> FailureEventException:
    """An exception that fails the current state with one of the language's own errors."""
    error = StatesErrorName(typ=name)
    details = EventDetails(taskFailedEventDetails=TaskFailedEventDetails(error=error.error_name, cause=cause))
    event = FailureEvent(env=env, error_name=error, event_type=HistoryEventType.TaskFailed, event_details=details)
    return FailureEventException(failure_event=event)


def _assign_when_the_state_exits() -> None:
    """``Assign`` and ``Output`` see the same variables: new values count from the next state on.

    moto sets a variable at once, so that the same state's Output already reads it.
    """

    def collect(self: AssignDecl, env: Environment) -> None:
        pending = env.variable_store.__dict__.setdefault("pending", {})
        for binding in self.declaration_bindings:
            binding.eval(env=env)
            pending.update(env.stack.pop())

    exited_upstream = CommonStateField._get_state_exited_event_details

    def exited(self: CommonStateField, env: Environment) -> Any:
        for name, value in env.variable_store.__dict__.pop("pending", {}).items():
            env.variable_store.set(variable_identifier=name, variable_value=value)
        return exited_upstream(self, env)

    AssignDecl._eval_body = collect
    CommonStateField._get_state_exited_event_details = exited


def _name_heartbeat_timeouts() -> None:
    """A missed heartbeat is ``States.HeartbeatTimeout``; moto calls it ``States.Timeout``."""
    from_error_upstream = StateTaskServiceCallback._from_error

    def from_error(self: StateTaskServiceCallback, env: Environment, ex: Exception) -> FailureEvent:
        if not isinstance(ex, HeartbeatTimeoutError):
            failure: FailureEvent = from_error_upstream(self, env=env, ex=ex)
            return failure
        error = StatesErrorName(typ=StatesErrorNameType.StatesHeartbeatTimeout)
        details = TaskTimedOutEventDetails(
            resourceType=self._get_sfn_resource_type(),
            resource=self._get_sfn_resource(),
            error=error.error_name,
        )
        return FailureEvent(
            env=env,
            error_name=error,
            event_type=HistoryEventType.TaskTimedOut,
            event_details=EventDetails(taskTimedOutEventDetails=details),
        )

    StateTaskServiceCallback._from_error = from_error


def reported_error(error_name: str | None) -> ErrorName:
    """The name of an error that a state reports, one of the language's own included."""
    if error_name is None or not error_name.startswith(ILLEGAL_CUSTOM_ERROR_PREFIX):
        return CustomErrorName(error_name)
    if error_name in {typ.to_name() for typ in StatesErrorNameType}:
        return StatesErrorName.from_name(error_name)
    return ErrorName(error_name)


def _hand_on_the_languages_own_errors() -> None:
    """A Map or Parallel fails with the error that failed its part, ``States.Timeout`` for example.

    moto takes every name that a part, a child or a caller of ``SendTaskFailure`` reports for one that the author of
    the machine invented, refuses names with the prefix ``States.``, and fails the state as ``States.Runtime``.
    """
    for name, module in list(sys.modules.items()):
        # each state's module has imported the class by name; the parser's own keeps it, and refuses such a definition
        if name.startswith("moto.stepfunctions.parser.asl.component.state.") and hasattr(module, "CustomErrorName"):
            module.CustomErrorName = reported_error  # type: ignore[attr-defined]


def _close_answered_tasks() -> None:
    """A task ends with its first answer; later ones are refused with ``TaskTimedOut``. moto accepts them.

    And an answer that comes before moto has set up the heartbeat counts; moto would wait for the next beat.
    """
    interrupt_upstream = CallbackEndpoint.interrupt_all
    wait_upstream = StateTaskServiceCallback._wait_for_task_token_heartbeat

    def interrupt_all(self: CallbackEndpoint) -> None:
        self.report(CallbackConsumerLeft())
        interrupt_upstream(self)

    def wait(self: StateTaskServiceCallback, env: Environment, callback_endpoint: CallbackEndpoint, beat: Any) -> Any:
        return callback_endpoint.get_outcome() or wait_upstream(self, env, callback_endpoint, beat)

    CallbackEndpoint.interrupt_all = interrupt_all
    StateTaskServiceCallback._wait_for_task_token_heartbeat = wait


def _name_choices_without_match() -> None:
    """A choice without a match or default is ``States.NoChoiceMatched``; moto raises a bare RuntimeError."""
    evaluate_upstream = StateChoice._eval_state

    def evaluate(self: StateChoice, env: Environment) -> None:
        try:
            evaluate_upstream(self, env)
        except RuntimeError as error:
            if error.args and str(error.args[0]).startswith("No branching option"):
                cause = f"State '{self.name}' has no rule that matched and no Default"
                raise state_failure(env, StatesErrorNameType.StatesNoChoiceMatched, cause) from error
            raise

    StateChoice._eval_state = evaluate


def _let_a_stop_be_final() -> None:
    """What was stopped or timed out cannot fail afterwards; moto lets a task's late error overwrite it.

    ``halted_at`` of the environment is the number of events until then.
    """
    stop_upstream, time_out_upstream = Environment.set_stop, Environment.set_timed_out
    error_upstream = Environment.set_error

    def set_error(self: Environment, error: ExecutionFailedEventDetails) -> None:
        if not isinstance(self._program_state, ProgramStopped | ProgramTimedOut):
            error_upstream(self, error=error)

    def set_stop(self: Environment, **details: Any) -> None:
        self.__dict__.setdefault("halted_at", len(self.event_manager._history_event_list))
        stop_upstream(self, **details)

    def set_timed_out(self: Environment) -> None:
        self.__dict__.setdefault("halted_at", len(self.event_manager._history_event_list))
        time_out_upstream(self)

    Environment.set_error = set_error
    Environment.set_stop = set_stop
    Environment.set_timed_out = set_timed_out


def _read_strings_as_json() -> None:
    """Strings of a definition are JSON; moto leaves escapes in literals, and reads expressions' as Python's."""
    literal_upstream = preprocessor.Preprocessor._inner_string_of

    def string_of(parser_rule_context: Any) -> str | None:
        text = parser_rule_context.getText()
        if len(text) > 1 and text[0] == text[-1] == '"':
            return str(json.loads(text))
        literal: str | None = literal_upstream(parser_rule_context)
        return literal

    preprocessor.Preprocessor._inner_string_of = staticmethod(string_of)
    preprocessor.from_string_literal = string_of


def install() -> None:
    """Apply all corrections."""
    _read_strings_as_json()
    _assign_when_the_state_exits()
    _name_heartbeat_timeouts()
    _hand_on_the_languages_own_errors()
    _close_answered_tasks()
    _name_choices_without_match()
    _let_a_stop_be_final()
