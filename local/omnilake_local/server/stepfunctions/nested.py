"""``startExecution.sync`` and ``.sync:2``: wait for the child's end instead of asking every half second.

moto polls DescribeExecution with pauses of 0.5 s and lets the child go on when its parent stops waiting.
Unnecessary once moto's resolvers can be told of the end, and cancel as Step Functions does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_callback
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sfn import (
    StateTaskServiceSfn,
)

if TYPE_CHECKING:
    from omnilake_local.server.stepfunctions.api import StepFunctions

_LONGEST_WAIT_SECONDS = 0.5
"""After so long without the child's end, the parent looks whether it is itself still running."""


def install(machines: StepFunctions) -> None:
    """Replace moto's polling."""
    state_task_service_callback._DELAY_SECONDS_SYNC_CONDITION_CHECK = 0.001
    wait_upstream = StateTaskServiceSfn._eval_sync

    def waiting(build: Callable[..., Callable[[], Any]]) -> Callable[..., Callable[[], Any]]:
        def build_waiting(self: StateTaskServiceSfn, env: Any, *rest: Any, **named: Any) -> Callable[[], Any]:
            arn = env.stack[-1]["ExecutionArn"]
            describe = build(self, env, *rest, **named)

            def resolve() -> Any:
                machines.wait_for_end(arn, _LONGEST_WAIT_SECONDS)
                return describe()

            resolve.execution_arn = arn  # type: ignore[attr-defined]
            return resolve

        return build_waiting

    def eval_sync(self: StateTaskServiceSfn, env: Any, sync_resolver: Any, **named: Any) -> Any:
        result = wait_upstream(self, env=env, sync_resolver=sync_resolver, **named)
        if not env.is_running():
            machines.stop_nested(sync_resolver.execution_arn)
        return result

    StateTaskServiceSfn._build_sync_resolver = waiting(StateTaskServiceSfn._build_sync_resolver)
    StateTaskServiceSfn._build_sync2_resolver = waiting(StateTaskServiceSfn._build_sync2_resolver)
    StateTaskServiceSfn._eval_sync = eval_sync
