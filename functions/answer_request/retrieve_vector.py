"""In: a request whose plan lies in the lake.
Out: how many chunks the vector retriever found; they lie beside the plan."""

from omnilake.handler import state_handler
from omnilake.retrieval import VECTOR, RetrieveEvent, RetrieveResult, retrieve


@state_handler(RetrieveEvent, state="Retrieve Vector")
def handler(event: RetrieveEvent) -> RetrieveResult:
    return retrieve(event.job_id, VECTOR)
