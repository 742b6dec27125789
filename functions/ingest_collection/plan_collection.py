"""In: a collection (its request lies in the lake).
Out: how many batches and documents it has."""

from pydantic import BaseModel, ConfigDict

from omnilake.handler import state_handler
from omnilake.ingest.collections import PLAN, PlanResult, plan_collection
from omnilake.models import JobId


class CollectionEvent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId


@state_handler(CollectionEvent, state=PLAN)
def handler(event: CollectionEvent) -> PlanResult:
    return plan_collection(event.job_id)
