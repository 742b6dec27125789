"""Retrieval: which chunks may hold the answer.

``plan``        what every retriever of a request reads
``retrievers``  the contract of retrievers, and what runs one
``filters``     conditions of a request, checked, and as the prefilter of a store
``views``       what of a store a request may see
``vector``, ``full_text``, ``recent``, ``exact``, ``related``, ``everything``  the retrievers, one module each
``routing``     the router: which retrievers a question needs, and why
``fusion``      their results → one ranking, without older versions and near duplicates

Importing this package is cheap; LanceDB comes with the first view of a store.
"""

from omnilake.retrieval.fusion import Fused, fuse
from omnilake.retrieval.plan import AsOf, RetrievalPlan
from omnilake.retrieval.retrievers import (
    Find,
    Found,
    Lookup,
    RetrieveEvent,
    RetrieveResult,
    retrieve,
    retriever,
)

__all__ = [
    "AsOf",
    "Find",
    "Found",
    "Fused",
    "Lookup",
    "RetrievalPlan",
    "RetrieveEvent",
    "RetrieveResult",
    "fuse",
    "retrieve",
    "retriever",
]
