"""In: a job with verified claims, or with the reason why there are none, and its execution.
Out: answered or abstained, and the answer's key."""

from omnilake.answering.parts import AnswerEvent
from omnilake.answering.publication import PublicationResult, publish_answer
from omnilake.handler import state_handler


class PublicationEvent(AnswerEvent):
    execution_arn: str


@state_handler(PublicationEvent, state="Publish Answer")
def handler(event: PublicationEvent) -> PublicationResult:
    return publish_answer(event.job_id, event.execution_arn)
