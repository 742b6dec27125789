"""Plan Retrieval: the request checked, the question embedded, the retrievers chosen."""

from __future__ import annotations

from omnilake import archives, configuration, embedding, jobs
from omnilake.answering.parts import CONFIGURATION, PLAN, read_request, write_part
from omnilake.answering.routing import route_request
from omnilake.errors import StageFailed
from omnilake.models import InformationRequest, JobKind, Model
from omnilake.retrieval import RetrievalPlan
from omnilake.settings import settings

CANDIDATES_PER_CHUNK = 3
"""A retriever brings this many candidates for each chunk that is wanted: fusion and de-duplication take some away."""

MIN_CANDIDATES = 50
"""Fewest candidates of a retriever; min-max normalisation wants a tail to measure against."""

MAX_CANDIDATES = 1_500


class RetrieverTarget(Model):
    """A retriever and the function that runs it, from the deployment's allow-list."""

    name: str
    function: str


class PlanResult(Model):
    """The retrievers to run."""

    retrievers: list[RetrieverTarget]


def plan_retrieval(job_id: str) -> PlanResult:
    """Check the request, embed its question in the archive's space, and write the ``RetrievalPlan``.

    Raises:
        RequestError: the request can't be answered; its subclass and code say why.
        StageFailed: the deployment names no retriever.
    """
    jobs.enter(job_id, JobKind.ANSWER_REQUEST, "Plan Retrieval")
    request = read_request(job_id)
    found = [archives.get_archive(archive_id) for archive_id in dict.fromkeys(request.archives)]
    answering = configuration.load().configuration
    write_part(job_id, CONFIGURATION, answering)
    functions = settings().retriever_functions
    if not functions:
        raise StageFailed("No retriever is configured.", action="Set OMNILAKE_RETRIEVER_FUNCTIONS in template.yaml.")
    spaces = {archive.space.space_id: archive.space for archive in found}
    vectors = {
        space_id: [float(value) for value in embedding.provider_for(space).embed_query(request.question)]
        for space_id, space in spaces.items()
    }
    space = found[0].space
    routing = route_request(request, answering, functions, space, vectors[space.space_id])
    plan = RetrievalPlan(
        job_id=job_id,
        archives=[archive.archive_id for archive in found],
        question=request.question,
        vectors=vectors,
        limit=candidates(request),
        retrievers=routing.retrievers,
        routes=routing.reasons,
    )
    write_part(job_id, PLAN, plan)
    return PlanResult(retrievers=[RetrieverTarget(name=name, function=functions[name]) for name in routing.retrievers])


def candidates(request: InformationRequest) -> int:
    """How many chunks each retriever is asked for."""
    return min(max(MIN_CANDIDATES, CANDIDATES_PER_CHUNK * request.evidence_limit), MAX_CANDIDATES)
