"""In: a job whose evidence fits one context, or was compacted.
Out: how many claims the answer has before they are verified."""

from omnilake.answering.composition import CompositionResult, compose_answer
from omnilake.answering.parts import AnswerEvent
from omnilake.handler import state_handler


@state_handler(AnswerEvent, state="Compose Answer")
def handler(event: AnswerEvent) -> CompositionResult:
    return compose_answer(event.job_id)
