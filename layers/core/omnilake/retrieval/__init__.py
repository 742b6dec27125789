"""Retrieval: which chunks may hold the answer.

``routing``     which of them a question needs
``retrievers``  one small function a retriever, all reading the same plan
``fusion``      their results → one ranking, without older versions and near duplicates

Importing this package is cheap; LanceDB comes with the first retrieval.
"""

from omnilake.retrieval.fusion import Fused, fuse
from omnilake.retrieval.retrievers import FULL_TEXT, VECTOR, RetrievalPlan, RetrieveEvent, RetrieveResult, retrieve

__all__ = ["FULL_TEXT", "VECTOR", "Fused", "RetrievalPlan", "RetrieveEvent", "RetrieveResult", "fuse", "retrieve"]
