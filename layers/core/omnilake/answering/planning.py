"""Plan Retrieval: the request checked, the retrievers chosen, the question embedded."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from omnilake import archives, embedding, jobs
from omnilake.answering import replay, scoping
from omnilake.answering.parts import CONFIGURATION, PLAN, left_of, read_request, write_part
from omnilake.answering.routing import route_request
from omnilake.configuration import AnsweringConfiguration, RetrieverConfig, Step
from omnilake.errors import InvalidRequest, StageFailed
from omnilake.generation.provider import model_name
from omnilake.models import (
    Deliverable,
    EmbeddingSpace,
    InformationRequest,
    JobKind,
    LedgerLine,
    Model,
    RetrievalMode,
    RouteReason,
)
from omnilake.retrieval import RetrievalPlan, filters
from omnilake.retrieval.routing import Routing
from omnilake.settings import settings

CANDIDATES_PER_CHUNK = 3
"""A retriever brings this many candidates for each chunk that is wanted: fusion and de-duplication take some away."""

MIN_CANDIDATES = 50
"""Fewest candidates of a retriever; min-max normalisation wants a tail to measure against."""

MAX_CANDIDATES = 1_500

EVERYTHING, RELATED, ROWS = "everything", "related", "rows"
"""Retrievers that a mode, or a filter on a column of a table, asks for."""

MODE, FILTERS, REQUEST = "mode", "filters", "request"
"""What of a request chose a retriever, where the router was not asked."""


class RetrieverTarget(Model):
    """A retriever and the function that runs it, from the deployment's allow-list."""

    name: str
    function: str


class PlanResult(Model):
    """The retrievers to run; none where recorded evidence is taken over."""

    retrievers: list[RetrieverTarget]


def plan_retrieval(job_id: str) -> PlanResult:
    """Check the request, choose retrievers, embed the question in the archives' spaces, write the ``RetrievalPlan``.

    Raises:
        RequestError: the request can't be answered; its subclass and code say why.
        ReplayIncomplete: what it repeats was not recorded, or is gone.
        InvalidConfiguration: the configuration does not fit, or names retrievers that the deployment does not have.
        StageFailed: the deployment names no retriever.
        RateLimited: the provider that embeds asks to wait.
    """
    jobs.enter(job_id, JobKind.ANSWER_REQUEST, "Plan Retrieval")
    request = read_request(job_id)
    found = [archives.get_archive(archive_id) for archive_id in dict.fromkeys(request.archives)]
    loaded = replay.configuration_for(request)
    write_part(job_id, CONFIGURATION, loaded)
    check(request, loaded)
    if replay.takes_evidence(request):
        replay.take_over(job_id, request)
        return PlanResult(retrievers=[])
    scope = scoping.scope_of(request, found)
    spaces = {archive.space.space_id: archive.space for archive in found}
    vectors: dict[str, list[float]] = {}
    paid: list[LedgerLine] = []
    for space_id, space in spaces.items():
        vectors[space_id], lines = _embedded(request.question, space)
        paid += lines
    space = found[0].space
    routing = choose(job_id, left_of(request, paid), loaded, space, vectors[space.space_id])
    inclusive = request.mode is RetrievalMode.INCLUSIVE
    plan = RetrievalPlan(
        job_id=job_id,
        archives=[archive.archive_id for archive in found],
        question=request.question,
        vectors=vectors,
        spaces={archive.archive_id: archive.space.space_id for archive in found},
        limit=loaded.inclusive_cap if inclusive else candidates(request),
        mode=request.mode,
        filters=request.filters,
        tenant=request.tenant,
        tags=request.tags,
        as_of=scope.as_of,
        entries=scope.entries,
        cited=scope.cited,
        retrievers=routing.retrievers,
        routes=routing.reasons,
        degraded=routing.degraded,
        ledger=[*paid, *routing.ledger],
        evidence_limit=loaded.inclusive_cap if inclusive else request.evidence_limit,
        support_floor=not inclusive and request.deliver is not Deliverable.EVIDENCE,
        left_out=scope.left_out,
    )
    write_part(job_id, PLAN, plan)
    jobs.enter(job_id, JobKind.ANSWER_REQUEST, "Retrieve", retrievers=len(plan.retrievers), retrievers_done=0)
    functions = settings().retriever_functions
    return PlanResult(retrievers=[RetrieverTarget(name=name, function=functions[name]) for name in routing.retrievers])


def check(request: InformationRequest, loaded: AnsweringConfiguration) -> None:
    """Refuse a request that can't be worked on, before anything is paid for.

    Raises:
        InvalidRequest: a filter, a model or a mode that is not possible.
        ArchiveNotFound: the destination does not exist.
        ArchiveBeingDeleted: a job deletes it.
    """
    filters.check(request.filters)
    for step in Step:
        model_name(step, loaded, request.providers)
    if (request.mode is RetrievalMode.RELATED) and not request.related_to:
        raise InvalidRequest("A RELATED request names no earlier answer.", action="Give its job id as related_to.")
    if request.destination_archive:
        archives.open_archive(request.destination_archive)


def choose(
    job_id: str,
    request: InformationRequest,
    loaded: AnsweringConfiguration,
    space: EmbeddingSpace,
    vector: Sequence[float],
) -> Routing:
    """The retrievers that run, each with its reason: those that the request or its mode asks for, else the router's.

    Args:
        job_id: of the request.
        request: checked.
        loaded: the configuration in force.
        space: of one of the archives.
        vector: of the question in that space.

    Raises:
        InvalidRequest: a retriever that is named, or that a mode or filter needs, does not exist here.
        StageFailed: the deployment has no retriever.
        RateLimited: the provider that embeds the routes' examples asks to wait.
    """
    deployed = settings().retriever_functions
    if not deployed:
        raise StageFailed("No retriever is configured.", action="Set OMNILAKE_RETRIEVER_FUNCTIONS in template.yaml.")
    usable = {name for name in deployed if loaded.retrievers.get(name, RetrieverConfig()).enabled}
    if filters.on_columns(request.filters):
        if request.mode is not RetrievalMode.EXCLUSIVE or request.retrievers not in ([], [ROWS]):
            raise InvalidRequest(
                "Filters on columns are for the rows of tables alone.",
                action="Ask in mode EXCLUSIVE, without retrievers, or leave the filters on column.NAME out.",
            )
        return _taken([ROWS], usable, deployed, FILTERS)
    if request.retrievers:
        return route_request(job_id, request, loaded, deployed, space, vector)
    if request.mode is RetrievalMode.INCLUSIVE:
        return _taken([EVERYTHING], usable, deployed, MODE)
    if request.mode is RetrievalMode.RELATED:
        defaults = [name for name in loaded.default_retrievers if name in usable]
        return _taken([*defaults, RELATED], usable, deployed, MODE)
    routed = route_request(job_id, request, loaded, deployed, space, vector)
    if request.related_to and RELATED in usable and RELATED not in routed.retrievers:
        return _and_related(routed)
    return routed


def candidates(request: InformationRequest) -> int:
    """How many chunks each retriever is asked for."""
    return min(max(MIN_CANDIDATES, CANDIDATES_PER_CHUNK * request.evidence_limit), MAX_CANDIDATES)


def _embedded(question: str, space: EmbeddingSpace) -> tuple[list[float], list[LedgerLine]]:
    """A question's vector, and what it cost where that is paid by tokens; they are counted as for chunking."""
    began = time.monotonic()
    provider = embedding.provider_for(space)
    vector = [float(value) for value in provider.embed_query(question)]
    price = embedding.price_of(space)
    if not price:
        return vector, []
    read = len(provider.encode(question))
    line = LedgerLine(
        state="Plan Retrieval",
        provider=space.provider,
        model=space.model,
        calls=1,
        input_tokens=read,
        cost_usd=read * price / 1e6,
        seconds=round(time.monotonic() - began, 3),
    )
    return vector, [line]


def _taken(names: Sequence[str], usable: Collection[str], deployed: Collection[str], by: str) -> Routing:
    if any(name not in usable for name in names):
        raise InvalidRequest(
            "A retriever that the mode or a filter of the request needs can't run here.",
            action=f"This deployment has: {', '.join(sorted(usable))}.",
        )
    reasons = [RouteReason(retriever=name, chosen=name in names, by=by) for name in sorted(deployed)]
    return Routing(retrievers=sorted(set(names)), reasons=reasons)


def _and_related(routed: Routing) -> Routing:
    """What the earlier answer cites is looked at besides what the router chose."""
    own = RouteReason(retriever=RELATED, chosen=True, by=REQUEST, detail="related_to")
    others = [each for each in routed.reasons if each.retriever != RELATED]
    return routed.model_copy(update={"retrievers": sorted([*routed.retrievers, RELATED]), "reasons": [*others, own]})
