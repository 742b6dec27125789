"""What every retriever of a request reads: the plan, written once by Plan Retrieval."""

from __future__ import annotations

from pydantic import Field

from omnilake.models import Degradation, Filter, JobId, LedgerLine, Model, RetrievalMode, RouteReason, Tenant


class AsOf(Model):
    """The state of the archives that a request is about; as it is now, when neither is given."""

    moment: str = ""
    """Versions that came later are left out; ISO 8601 UTC with milliseconds and ``Z``, as ``Chunk.received_at``."""
    store_version: int | None = Field(default=None, ge=1)
    """Of the store, of a request to one archive."""


class RetrievalPlan(Model):
    """Stored at ``layout.answer_part(job_id, "plan")``."""

    job_id: JobId
    archives: list[str] = Field(min_length=1)
    question: str
    vectors: dict[str, list[float]]
    """Of the question, in each of the archives' spaces, by space id."""
    spaces: dict[str, str] = Field(default={})
    """Space id of each archive. Scores of two spaces are not comparable."""
    limit: int = Field(gt=0)
    """Most chunks of one archive from each retriever."""
    mode: RetrievalMode = RetrievalMode.EXCLUSIVE
    filters: list[Filter] = Field(default=[])
    tenant: Tenant = Tenant()
    tags: list[str] = Field(default=[])
    as_of: AsOf = AsOf()
    entries: list[str] | None = None
    """Of RELATED: ids of the only entries that are looked at."""
    cited: list[str] = Field(default=[])
    """Ids of the chunks that the earlier answer cites, in the order of its citations."""
    retrievers: list[str] = Field(min_length=1)
    routes: list[RouteReason] = Field(default=[])
    """Why these run, and others do not."""
    degraded: list[Degradation] = Field(default=[])
    """What the router did worse than asked for."""
    ledger: list[LedgerLine] = Field(default=[])
    """What the router's model used."""
    evidence_limit: int = Field(default=24, gt=0)
    """Most chunks that are read for the answer."""
    support_floor: bool = True
    """Whether evidence must be near the question: not in an INCLUSIVE request, which reads everything, nor in a search,
    whose caller judges by the scores."""
    left_out: dict[str, int] = Field(default={})
    """Reason → count of entries that the plan itself leaves out, for the answer's coverage."""
