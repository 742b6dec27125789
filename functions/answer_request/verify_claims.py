"""In: a job whose claims are composed.
Out: how many claims stand word for word in their sources, and how many were removed."""

from omnilake.answering.parts import AnswerEvent
from omnilake.answering.verification import VerificationResult, verify_claims
from omnilake.handler import state_handler


@state_handler(AnswerEvent, state="Verify Claims")
def handler(event: AnswerEvent) -> VerificationResult:
    return verify_claims(event.job_id)
