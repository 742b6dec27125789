"""In: a job whose evidence exceeds one context, and the number of the round (from 1).
Out: how many groups to summarise and how many at a time, or that the claims fit one context now."""

from pydantic import Field

from omnilake.answering.parts import AnswerEvent
from omnilake.compaction.stages import RoundResult, plan_round
from omnilake.handler import state_handler


class RoundEvent(AnswerEvent):
    round: int = Field(ge=1)


@state_handler(RoundEvent, state="Plan Round")
def handler(event: RoundEvent) -> RoundResult:
    return plan_round(event.job_id, event.round)
