"""In: a job whose claims are composed.
Out: how many claims stand word for word in their sources, and how many were removed."""

from omnilake.answering.parts import ModelStepEvent
from omnilake.answering.verification import VerificationResult, verify_claims
from omnilake.handler import state_handler


@state_handler(ModelStepEvent, state="Verify Claims")
def handler(event: ModelStepEvent) -> VerificationResult:
    return verify_claims(event.job_id, event.waits, unavailable=event.unavailable)
