"""In: an archive whose entries are all removed.
Out: how much keeps it from going; with nothing, the key of the receipt of its deletion."""

from omnilake.handler import state_handler
from omnilake.removal.deletion import STATE, DropResult, drop_archive
from omnilake.removal.requests import RemovalEvent


@state_handler(RemovalEvent, state=STATE)
def handler(event: RemovalEvent) -> DropResult:
    return drop_archive(event.job_id, event.redrives)
