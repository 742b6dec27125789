"""The retriever ``full_text``: best by BM25 over stemmed words."""

from __future__ import annotations

from omnilake.retrieval.retrievers import Found, Lookup

NAME = "full_text"


def find(lookup: Lookup) -> Found:
    """Each hit has its cosine similarity too, as those of ``vector`` have their BM25 score."""
    plan = lookup.plan
    evidence = [
        each
        for store in lookup.stores
        for each in lookup.view(store).best_worded(plan.question, plan.limit, lookup.vector(store))
    ]
    return Found(evidence=evidence)
