"""In: a job whose evidence fits one context, or was compacted.
Out: how many claims the answer has before they are verified."""

from pydantic import Field

from omnilake.answering.composition import CompositionResult, compose_answer
from omnilake.answering.parts import AnswerEvent
from omnilake.handler import state_handler


class CompositionEvent(AnswerEvent):
    waits: int = Field(default=0, ge=0)  # for the model's quota
    unavailable: bool = False  # the model did not answer


@state_handler(CompositionEvent, state="Compose Answer")
def handler(event: CompositionEvent) -> CompositionResult:
    return compose_answer(event.job_id, event.waits, unavailable=event.unavailable)
