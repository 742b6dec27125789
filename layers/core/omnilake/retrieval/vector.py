"""The retriever ``vector``: nearest by cosine similarity of embeddings."""

from __future__ import annotations

from omnilake.retrieval.retrievers import Found, Lookup

NAME = "vector"


def find(lookup: Lookup) -> Found:
    """Each hit has its BM25 score too: fusion compares all candidates by both, and one retriever that fails takes only
    its own candidates away."""
    plan = lookup.plan
    evidence = [
        each
        for store in lookup.stores
        for each in lookup.view(store).nearest(lookup.vector(store), plan.limit, plan.question)
    ]
    return Found(evidence=evidence)
