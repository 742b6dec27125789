"""In: a job whose evidence fits one context, or was compacted.
Out: how many claims the answer has before they are verified."""

from omnilake.answering.composition import CompositionResult, compose_answer
from omnilake.answering.parts import ModelStepEvent
from omnilake.handler import state_handler


@state_handler(ModelStepEvent, state="Compose Answer")
def handler(event: ModelStepEvent) -> CompositionResult:
    return compose_answer(event.job_id, event.waits, unavailable=event.unavailable)
