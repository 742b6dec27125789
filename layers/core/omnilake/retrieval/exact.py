"""The retriever ``exact``: chunks of the entries or sources that a request names, in its filters or its question."""

from __future__ import annotations

import heapq
import re

from omnilake import entries
from omnilake.ingest import landing
from omnilake.models import Evidence, FilterOperator
from omnilake.retrieval import filters
from omnilake.retrieval.plan import RetrievalPlan
from omnilake.retrieval.retrievers import Found, Lookup

NAME = "exact"

MAX_NAMES = 20
"""Most names that are looked for."""

MAX_NAME_CHARACTERS = 500

BEYOND_LIMIT = "beyond_limit"
"""Reason of ``Found.left_out``."""

_QUOTED = re.compile(r"[\"“«`]([^\"“”«»`\n]{2,500})[\"”»`]")
_ENTRY_ID = re.compile(r"e[0-9a-f]{31}")
_FILE = re.compile(r"[^\s/]\.[A-Za-z][A-Za-z0-9]{0,7}$")
_AROUND = ".,;:!?()[]{}<>\"'“”‘’«»`"


def find(lookup: Lookup) -> Found:
    """Of what is named, the chunks nearest to the question first; evidence has no scores, its order is its rank.

    A name is an entry's id, its path in the archive, its file name, its title, or its source (``s3://…``, an address).
    """
    plan = lookup.plan
    names = names_in(plan.question)
    if not names and not _filtered(plan):
        return Found(evidence=[])
    evidence: list[Evidence] = []
    matched = 0
    for store in lookup.stores:
        view = lookup.view(store)
        if not _filtered(plan):
            view = view.narrowed(condition(names, store.archive_id))
        matched += view.count()
        measured = view.measured(lookup.vector(store), ["chunk_id"])
        nearest = heapq.nsmallest(plan.limit, ((-cosine, str(row["chunk_id"])) for cosine, row in measured))
        evidence += view.read([chunk_id for _, chunk_id in nearest])
    beyond = matched - len(evidence)
    return Found(evidence=evidence, matched=matched, left_out={BEYOND_LIMIT: beyond} if beyond > 0 else {})


def names_in(question: str) -> list[str]:
    """What in a question may name an entry: what stands in quotation marks, addresses, paths, file names, entry ids."""
    quoted = [each.strip() for each in _QUOTED.findall(question)]
    words = [word.strip(_AROUND) for word in question.split()]
    named = [word for word in words if "/" in word.strip("/") or _FILE.search(word) or _ENTRY_ID.fullmatch(word)]
    found = dict.fromkeys([*quoted, *named])
    return [name for name in found if 0 < len(name) <= MAX_NAME_CHARACTERS][:MAX_NAMES]


def condition(names: list[str], archive_id: str) -> str:
    """The expression that a chunk's entry has one of some names."""
    paths = [entries.entry_id_of(archive_id, landing.SOURCE_TYPE, name) for name in names]
    terms = [filters.one_of("entry_id", [*names, *paths]), filters.one_of("source", names)]
    terms += [f"ends_with(source, {filters.literal('/' + name)})" for name in names]
    terms += [f"lower(title) = {filters.literal(name.lower())}" for name in names]
    return " OR ".join(terms)


def _filtered(plan: RetrievalPlan) -> bool:
    """Whether the filters themselves name entries or sources: the view holds just these then."""
    named = {FilterOperator.EQ, FilterOperator.IN}
    return any(each.field in {"entry", "source"} and each.operator in named for each in plan.filters)
