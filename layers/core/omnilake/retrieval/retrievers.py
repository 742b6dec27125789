"""The contract of retrievers. Each is one function of a :class:`Lookup`, run by a small Lambda of its own::

    def find(lookup: Lookup) -> Found:
        return Found(evidence=[…])

    handler = retriever("glossary", find)

The template names the Lambda in ``OMNILAKE_RETRIEVER_FUNCTIONS``; from then on requests, routes and the configuration
may name the retriever, and the state machine runs it. docs/retrievers.md tells the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from omnilake import archives, aws, jobs, layout, tokens
from omnilake.configuration import AnsweringConfiguration, RetrieverConfig
from omnilake.errors import InvalidConfiguration
from omnilake.handler import Handler, state_handler
from omnilake.models import Archive, Chunk, Evidence, JobId, Model, RetrievalMode, RetrieverResult, Store
from omnilake.retrieval.plan import RetrievalPlan

if TYPE_CHECKING:
    from omnilake.stores.search import View

Options = TypeVar("Options", bound=BaseModel)


class Found(Model):
    """What a retriever found, best first.

    Where evidence has neither a vector nor a full-text score, its order is its rank.
    """

    evidence: list[Evidence]
    matched: int = 0
    """Chunks that match, also those beyond the limit; 0: not counted."""
    left_out: dict[str, int] = Field(default={})
    """Reason → count of what was not brought."""


@dataclass(frozen=True)
class Lookup:
    """One retriever's work for one request.

    Attributes:
        retriever: its name.
        plan: the question and where to look, with filters, tenant and date that every retriever must keep to.
        options: of this retriever, from the configuration.
        store_versions: version of each table that was read, by store id; :meth:`view` notes them.
    """

    retriever: str
    plan: RetrievalPlan
    options: Mapping[str, Any] = field(default_factory=dict)
    store_versions: dict[str, int] = field(default_factory=dict)

    @cached_property
    def archives(self) -> list[Archive]:
        """The archives that are asked. Raises ``ArchiveNotFound`` when one is gone."""
        return [archives.get_archive(archive_id) for archive_id in self.plan.archives]

    @cached_property
    def stores(self) -> list[Store]:
        """The stores of the archives, in the archives' order."""
        return [archives.get_store(archive) for archive in self.archives]

    def view(self, store: Store) -> View:
        """The chunks of a store that the request may see: its filters, tenant, date and related entries are applied.

        Needs the vector layer.

        Raises:
            AsOfUnavailable: the version of the store that the request is about is gone.
        """
        from omnilake.retrieval.views import open_view

        if store.store_id not in self._views:
            view = open_view(store, self.plan, keeps_all=not self._latest_only[store.archive_id])
            self._views[store.store_id] = view
            self.store_versions[store.store_id] = view.version
        return self._views[store.store_id]

    @cached_property
    def _views(self) -> dict[str, View]:
        return {}

    @cached_property
    def _latest_only(self) -> dict[str, bool]:
        return {archive.archive_id: archive.retain_latest_originals_only for archive in self.archives}

    def vector(self, store: Store) -> list[float]:
        """The question's vector in a store's space."""
        return self.plan.vectors[store.space.space_id]

    def options_as(self, model: type[Options]) -> Options:
        """The options, checked.

        Raises:
            InvalidConfiguration: they do not fit; names them, not their values.
        """
        try:
            return model.model_validate(dict(self.options))
        except ValidationError as error:
            places = sorted({".".join(map(str, each["loc"])) for each in error.errors()})
            raise InvalidConfiguration(
                f"Options of the retriever {self.retriever} do not fit: {', '.join(places)}."
            ) from None

    def keep_material(
        self,
        text: str,
        *,
        title: str,
        source: str,
        source_type: str,
        media_type: str = "text/plain",
        spans: Sequence[tuple[int, int]] | None = None,
    ) -> list[Chunk]:
        """Keep a text that the retriever made or fetched, so that quotes can point into it and be checked.

        The same text is the same entry version, so a repeated retrieval changes nothing.

        Args:
            text: as it is quoted.
            title: for citations.
            source: where it comes from, for citations: an address, or what a table was computed from.
            source_type: "website", "rows", …
            media_type: of the text.
            spans: offsets [start, end) of its chunks; one chunk when None.
        """
        identity = "\0".join((self.retriever, source))
        entry_id = layout.MATERIAL + hashlib.sha256(identity.encode()).hexdigest()[:22]
        version = hashlib.sha256(text.encode()).hexdigest()[:16]
        key = layout.answer_material(self.plan.job_id, entry_id, version)
        aws.lake().write(key, text.encode(), "text/plain; charset=utf-8")
        return [
            Chunk(
                chunk_id=f"{entry_id}-{version}-{start}-{end}",
                entry_id=entry_id,
                version=version,
                ordinal=ordinal,
                start=start,
                end=end,
                tokens=tokens.count(text[start:end]),
                text=text[start:end],
                title=title,
                source=source,
                media_type=media_type,
                source_type=source_type,
            )
            for ordinal, (start, end) in enumerate([(0, len(text))] if spans is None else spans)
        ]


Find = Callable[[Lookup], Found]
"""What a retriever is. It may raise any error of ``omnilake.errors``; the answer's coverage names it."""


class RetrieveEvent(BaseModel):
    """Which request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId


class RetrieveResult(BaseModel):
    """How much a retriever found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retriever: str
    count: int


def retriever(name: str, find: Find) -> Handler:
    """The Lambda handler of a retriever.

    Args:
        name: lower-case letters, digits and underscores; by it requests, routes and coverage know the retriever.
        find: what it does.
    """

    @state_handler(RetrieveEvent, state=f"Retrieve {name.replace('_', ' ').title()}")
    def handler(event: RetrieveEvent) -> RetrieveResult:
        return retrieve(event.job_id, name, find)

    return handler


def retrieve(job_id: str, name: str, find: Find) -> RetrieveResult:
    """Run a retriever for a request; its ``RetrieverResult`` goes to ``evidence/<name>`` of the answer.

    Raises:
        OmniLakeError: what the retriever raises.
    """
    lake = aws.lake()
    plan = lake.read_model(layout.answer_part(job_id, "plan"), RetrievalPlan)
    configuration = lake.read_model(layout.answer_part(job_id, "configuration"), AnsweringConfiguration)
    lookup = Lookup(name, plan, configuration.retrievers.get(name, RetrieverConfig()).options)
    found = find(lookup)
    reach = 0 if plan.mode is RetrievalMode.INCLUSIVE else configuration.fusion.neighbours
    result = RetrieverResult(
        retriever=name,
        evidence=found.evidence,
        matched=found.matched,
        left_out=found.left_out,
        store_versions=lookup.store_versions,
        neighbours=_neighbours(lookup, found.evidence, reach) if reach else {},
    )
    lake.write_model(layout.answer_part(job_id, f"evidence/{name}"), result)
    jobs.count(job_id, retrievers_done=1, candidates=len(found.evidence))
    return RetrieveResult(retriever=name, count=len(found.evidence))


def _neighbours(lookup: Lookup, evidence: Sequence[Evidence], reach: int) -> dict[str, list[Chunk]]:
    """What stands beside evidence of archives, as far as the request may see it. A material has no neighbours."""
    beside: dict[str, list[Chunk]] = {}
    for store in lookup.stores:
        hits = [each.chunk for each in evidence if each.archive_id == store.archive_id]
        if hits:
            beside |= lookup.view(store).beside(hits, reach)
    return beside
