"""In: a collection (its request lies in the lake).
Out: how many batches and documents it has."""

from omnilake.handler import state_handler
from omnilake.ingest.collections import PLAN, CollectionEvent, PlanResult, plan_collection


@state_handler(CollectionEvent, state=PLAN)
def handler(event: CollectionEvent) -> PlanResult:
    return plan_collection(event.job_id, event.redrives)
