"""In: a job whose claims are composed.
Out: how many claims stand word for word in their sources, and how many were removed."""

from pydantic import Field

from omnilake.answering.parts import AnswerEvent
from omnilake.answering.verification import VerificationResult, verify_claims
from omnilake.handler import state_handler


class VerificationEvent(AnswerEvent):
    waits: int = Field(default=0, ge=0)  # for the judge's quota
    unavailable: bool = False  # the judge did not answer


@state_handler(VerificationEvent, state="Verify Claims")
def handler(event: VerificationEvent) -> VerificationResult:
    return verify_claims(event.job_id, event.waits, unavailable=event.unavailable)
