"""In: entries that should be gone.
Out: how much was found after all; with nothing, the key of the receipt."""

from omnilake.handler import state_handler
from omnilake.removal.proof import STATE, ProofResult, prove_absence
from omnilake.removal.requests import RemovalEvent


@state_handler(RemovalEvent, state=STATE)
def handler(event: RemovalEvent) -> ProofResult:
    return prove_absence(event.job_id, event.round, event.redrives)
