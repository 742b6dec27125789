"""In: a job with evidence.
Out: whether its answer is composed, compacted first, or published as it is; what it takes is written to the lake."""

from omnilake.answering.budgeting import PlanAnswerResult, plan_answer
from omnilake.answering.parts import AnswerEvent
from omnilake.handler import state_handler


@state_handler(AnswerEvent, state="Plan Answer")
def handler(event: AnswerEvent) -> PlanAnswerResult:
    return plan_answer(event.job_id)
