"""In: a job whose request lies in the lake.
Out: the retrievers to run; the plan with the question's vector is written to the lake."""

from omnilake.answering.parts import AnswerEvent
from omnilake.answering.planning import PlanResult, plan_retrieval
from omnilake.handler import state_handler


@state_handler(AnswerEvent, state="Plan Retrieval")
def handler(event: AnswerEvent) -> PlanResult:
    return plan_retrieval(event.job_id)
