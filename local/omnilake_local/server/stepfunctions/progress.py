"""How far an execution has come, noted so that a redrive continues where it failed.

moto runs a program from its first state only. Here the state that each program entered last is noted with its input and
variables, for the execution itself and for every branch, iteration and child below it; a redrive runs moto's own
program from there, and branches, iterations and children that had succeeded give the output they gave before.
Unnecessary once moto redrives executions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.flow.start_at import StartAt
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.inline_iteration_component import (
    InlineIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.job import JobClosed, JobPool
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel.branches_decl import BranchesDecl
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.parser.asl.component.state.state_continue_with import ContinueWithEnd
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

Json = dict[str, Any]
Parts = dict[int, "Progress"]


@dataclass
class Progress:
    """How far one program has come: an execution's, a branch's, an iteration's or a map's child's.

    ``state`` is the state entered last, ``given`` its input and ``variables`` what was assigned until then.
    ``parts`` are the programs that this state runs, by index, out of ``part_count``; ``map_run`` is its Map Run.
    ``child`` describes the child execution that the program runs as, if it is one.
    """

    state: str | None = None
    given: Any = None
    variables: Json = field(default_factory=dict)
    parts: Parts = field(default_factory=dict)
    part_count: int = 0
    map_run: Json | None = None
    child: Json | None = None
    finished: bool = False
    output: Any = None
    continued: bool = False
    """Whether the state is about to be continued, so that what its parts did counts. Never saved."""

    def enter(self, state: str, given: Any, variables: Json) -> None:
        """Note that a state begins."""
        self.state, self.given, self.variables = state, given, dict(variables)
        self.parts, self.map_run = {}, None

    def begin_parts(self, count: int) -> Parts:
        """What the state's parts did before: nothing, unless the state is being continued."""
        if not self.continued:
            self.parts, self.map_run = {}, None
        self.continued, self.part_count = False, count
        return self.parts

    def forget_complete_parts(self) -> None:
        """After a failure of the state itself, once all its parts had succeeded, a redrive runs all of them again."""
        if len(self.parts) >= self.part_count and all(part.finished for part in self.parts.values()):
            self.parts, self.map_run = {}, None

    def to_data(self) -> Json:
        """A copy as JSON data."""
        return {
            "state": self.state,
            "given": copy.deepcopy(self.given),
            "variables": copy.deepcopy(self.variables),
            "parts": {str(index): part.to_data() for index, part in list(self.parts.items())},
            "part_count": self.part_count,
            "map_run": copy.deepcopy(self.map_run),
            "child": copy.deepcopy(self.child),
            "finished": self.finished,
            "output": copy.deepcopy(self.output),
        }

    @classmethod
    def from_data(cls, data: Json) -> Progress:
        """The inverse of ``to_data``."""
        parts = {int(index): cls.from_data(part) for index, part in data["parts"].items()}
        return cls(**{**data, "parts": parts})


def progress_of(env: Environment) -> Progress:
    """The progress of the program that runs in this environment."""
    progress: Progress = env.__dict__.setdefault("progress", Progress())
    return progress


def evaluate(program: Program, env: Environment, progress: Progress) -> None:
    """Run a program in an environment whose input is set, from its start or from where it has come to."""
    env.__dict__["progress"] = progress
    if progress.state is not None:
        program = copy.copy(program)
        program.start_at = StartAt(progress.state)
        env.states.reset(progress.given)
        env.variable_store._inner_scope.update(progress.variables)
        progress.continued = True
    program.eval(env)


class _NextEvent:
    """Stands in for an environment's event manager for one event, which is left out or becomes another."""

    def __init__(self, env: Environment, change: Callable[[Json], Json] | None = None) -> None:
        self._env, self._manager, self._change = env, env.event_manager, change
        env.event_manager = self

    def add_event(self, **event: Any) -> int:
        self._env.event_manager = self._manager
        if self._change is None:
            return 0
        number: int = self._manager.add_event(**self._change(event))
        return number


def announce_redriven_map_run(env: Environment, map_run_arn: str, redrive_count: int) -> None:
    """Let the next event of ``env``, the start of a Map Run, be that run's redrive."""
    details = EventDetails(mapRunRedrivenEventDetails={"mapRunArn": map_run_arn, "redriveCount": redrive_count})
    _NextEvent(env, lambda event: {**event, "event_type": HistoryEventType.MapRunRedriven, "event_details": details})


class _Branch:
    """One branch of a Parallel state, in the place of moto's program."""

    def __init__(self, program: Program, progress: Progress) -> None:
        self._program, self._progress = program, progress

    def eval(self, env: Environment) -> None:
        if self._progress.finished:
            env.next_state_name = self._program.start_at.start_at_name
            env.states.reset(self._progress.output)
            env.set_ended()
        else:
            evaluate(self._program, env, self._progress)


class _Iterations:
    """The program that a Map state runs for each item, in the place of moto's."""

    def __init__(self, program: Program, parts: Parts) -> None:
        self._program, self.parts = program, parts

    def eval(self, env: Environment) -> None:
        index = env.states.context_object.context_object_data["Map"]["Item"]["Index"]
        evaluate(self._program, env, self.parts.setdefault(index, Progress()))


def _note_states() -> None:
    evaluate_upstream, next_upstream = CommonStateField._eval_body, CommonStateField._set_next
    open_upstream = Environment.open_frame

    def evaluate_state(self: CommonStateField, env: Environment) -> None:
        progress = progress_of(env)
        if progress.continued:
            _NextEvent(env)  # the state was entered before; its history goes on
        else:
            progress.enter(self.name, env.states.get_input(), env.variable_store._inner_scope)
        try:
            evaluate_upstream(self, env)
        except Exception:
            progress.forget_complete_parts()
            raise
        finally:
            progress.continued = False

    def set_next(self: CommonStateField, env: Environment) -> None:
        # a frame is also "ended" when its parent has failed; only this is the end of its last state
        ends = env.next_state_name == self.name and isinstance(self.continue_with, ContinueWithEnd)
        next_upstream(self, env)
        if ends:
            progress = progress_of(env)
            progress.output, progress.finished = env.states.get_input(), True

    def open_frame(self: Environment, *arguments: Any, **options: Any) -> Environment:
        # within one program; a program of its own gets an inner frame
        frame: Environment = open_upstream(self, *arguments, **options)
        frame.__dict__["progress"] = progress_of(self)
        return frame

    CommonStateField._eval_body = evaluate_state
    CommonStateField._set_next = set_next
    Environment.open_frame = open_frame


def _note_parts() -> None:
    branches_upstream, iterate_upstream = BranchesDecl._eval_body, InlineIterationComponent._eval_body
    pool_upstream = JobPool.__init__

    def run_branches(self: BranchesDecl, env: Environment) -> None:
        parts = progress_of(env).begin_parts(len(self.programs))
        noting = copy.copy(self)
        noting.programs = [
            _Branch(program, parts.setdefault(index, Progress())) for index, program in enumerate(self.programs)
        ]
        branches_upstream(noting, env)

    def iterate(self: InlineIterationComponent, env: Environment) -> None:
        parts = progress_of(env).begin_parts(len(env.stack[-1].input_items))
        noting = copy.copy(self)
        program = _Iterations(self._get_iteration_program(), parts)
        noting._get_iteration_program = lambda: program
        iterate_upstream(noting, env)

    def fill(self: JobPool, job_program: Any, job_inputs: list[Any]) -> None:
        pool_upstream(self, job_program, job_inputs)
        parts: Parts = getattr(job_program, "parts", {})
        finished = {index: part.output for index, part in parts.items() if part.finished}
        self._open_jobs[:] = [job for job in self._open_jobs if job.job_index not in finished]
        self._closed_jobs.update(
            JobClosed(index, output) for index, output in finished.items() if index < len(job_inputs)
        )

    BranchesDecl._eval_body = run_branches
    InlineIterationComponent._eval_body = iterate
    JobPool.__init__ = fill


def install() -> None:
    """Note the progress of every execution."""
    _note_states()
    _note_parts()
