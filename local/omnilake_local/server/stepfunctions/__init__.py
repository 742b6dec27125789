"""ministack's Step Functions API with moto's Amazon States Language interpreter behind it, in this process.

Why not ministack's own interpreter: it has no machine timeout, heartbeat or 256 KiB limit, runs everything in
about 150 ms steps, and evaluates ItemBatcher, ResultWriter and failure tolerance wrongly. moto's comes from
LocalStack's, whose grammar is generated from the language's specification, but moto ships it without a JSONata
evaluator. moto publishing its interpreter behind a plain function call, with an evaluator that can be given,
would make most of this package unnecessary.
"""

from __future__ import annotations

import enum
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnilake_local.server.settings import ServerSettings
    from omnilake_local.server.stepfunctions.api import StepFunctions


def install_step_functions(settings: ServerSettings) -> StepFunctions:
    """Put moto's interpreter behind ministack's Step Functions; call once, before the server listens."""
    _leave_out_batch()
    from omnilake_local.server.stepfunctions import interpreter, jsonata, language, nested, service_calls
    from omnilake_local.server.stepfunctions.api import StepFunctions

    jsonata.install()
    language.install()
    service_calls.install(service_calls.ServiceClients(settings))
    machines = StepFunctions()
    interpreter.install(machines.record_child)
    machines.install()
    nested.install(machines)
    return machines


def _leave_out_batch() -> None:
    """Spare the import of moto's AWS Batch, which loads all of its EC2: 1.7 s of CPU for one enumeration.

    Unnecessary once moto's interpreter imports Batch only for a Batch task.
    """
    package, utils = ModuleType("moto.batch"), ModuleType("moto.batch.utils")
    names = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
    statuses: Any = enum.Enum("JobStatus", names)  # type: ignore[misc]
    vars(utils)["JobStatus"] = statuses
    vars(package)["utils"] = utils
    sys.modules.setdefault("moto.batch", package)
    sys.modules.setdefault("moto.batch.utils", utils)
