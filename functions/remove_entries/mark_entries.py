"""In: entries that are to be removed (their ids lie in the lake).
Out: how many versions are marked, and how many a job still works on."""

from omnilake.handler import state_handler
from omnilake.removal.marking import STATE, MarkResult, mark_entries
from omnilake.removal.requests import RemovalEvent


@state_handler(RemovalEvent, state=STATE)
def handler(event: RemovalEvent) -> MarkResult:
    return mark_entries(event.job_id, event.redrives)
