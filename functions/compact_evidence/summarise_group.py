"""In: a job, a round, one of its groups (from 1), and how often it has waited.
Out: how many claims the group came to; they are written to the lake."""

from pydantic import Field

from omnilake.answering.parts import AnswerEvent
from omnilake.compaction.stages import GroupResult, summarise_group
from omnilake.handler import state_handler


class GroupEvent(AnswerEvent):
    round: int = Field(ge=1)
    group: int = Field(ge=1)
    waits: int = Field(default=0, ge=0)  # for the model's quota, so far


@state_handler(GroupEvent, state="Summarise Group")
def handler(event: GroupEvent) -> GroupResult:
    return summarise_group(event.job_id, event.round, event.group, event.waits)
