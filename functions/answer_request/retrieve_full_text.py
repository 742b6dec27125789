"""In: a request whose plan lies in the lake.
Out: how many chunks the full_text retriever found; they lie beside the plan."""

from omnilake.handler import state_handler
from omnilake.retrieval import FULL_TEXT, RetrieveEvent, RetrieveResult, retrieve


@state_handler(RetrieveEvent, state="Retrieve Full Text")
def handler(event: RetrieveEvent) -> RetrieveResult:
    return retrieve(event.job_id, FULL_TEXT)
