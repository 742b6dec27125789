"""In: a batch and the number of one of its embedding batches.
Out: how many vectors lie in the lake."""

from omnilake.embedding.stages import EmbedBatchEvent, EmbedBatchResult, embed_batch
from omnilake.handler import state_handler


@state_handler(EmbedBatchEvent, state="Embed Batches")
def handler(event: EmbedBatchEvent) -> EmbedBatchResult:
    return embed_batch(event.job_id, event.archive_id, event.number)
