"""In: a sync and its source.
Out: how many streams the source has; they are planned in the lake."""

from omnilake.handler import state_handler
from omnilake.syncing.parts import SyncEvent
from omnilake.syncing.planning import PlanResult, plan_sync


class PlanEvent(SyncEvent):
    full: bool = False


@state_handler(PlanEvent, state="Plan Sync")
def handler(event: PlanEvent) -> PlanResult:
    return plan_sync(event.job_id, event.source_id, event.full)
