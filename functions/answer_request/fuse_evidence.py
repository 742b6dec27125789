"""In: a job whose retrievers have run, and those that failed.
Out: how much evidence there is, and whether one context holds it."""

from omnilake.answering.fusion import FailedRetriever, FusionResult, fuse_evidence
from omnilake.answering.parts import AnswerEvent
from omnilake.handler import state_handler


class FusionEvent(AnswerEvent):
    failed: tuple[FailedRetriever, ...] = ()


@state_handler(FusionEvent, state="Fuse Evidence")
def handler(event: FusionEvent) -> FusionResult:
    return fuse_evidence(event.job_id, event.failed)
