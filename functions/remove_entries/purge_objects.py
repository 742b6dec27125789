"""In: entries whose rows have left the store.
Out: how many object versions were deleted, and how many copies of the content came back."""

from omnilake.handler import state_handler
from omnilake.removal.objects import STATE, PurgeResult, purge_objects
from omnilake.removal.requests import RemovalEvent


@state_handler(RemovalEvent, state=STATE)
def handler(event: RemovalEvent) -> PurgeResult:
    return purge_objects(event.job_id)
