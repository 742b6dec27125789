"""Makers of questions, evidence and providers whose details do not matter to a test."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from omnilake import aws, jobs, layout
from omnilake.answering.parts import ANSWER_PLAN, CONFIGURATION, PLAN, AnswerPath, AnswerPlan, write_part
from omnilake.configuration import Step, product
from omnilake.models import Budget, Chunk, EmbeddingSpace, Evidence, InformationRequest, JobKind, RouteReason, Scores
from omnilake.retrieval import RetrievalPlan

if TYPE_CHECKING:
    from omnilake.embedding.provider import Vectors

JOB = "answer-docs-0123456789abcdef"
ARN = f"arn:aws:states:us-east-1:123456789012:execution:answer:{JOB}"


class WordHashEmbedder:
    """A real embedding space, if a crude one: hashed bags of words of unit length. No model file is needed."""

    space = EmbeddingSpace(
        provider="word-hash", model="any", dimensions=256, normalised=True, revision="0123456789abcdef"
    )
    max_tokens = 200

    def embed_passages(self, texts: list[str]) -> Vectors:
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        vector = np.full(self.space.dimensions, 1e-3, dtype=np.float32)
        for word in re.findall(r"\w+", text.lower()):
            vector[int(hashlib.sha256(word.encode()).hexdigest()[:8], 16) % self.space.dimensions] += 1
        unit: Vectors = vector / np.linalg.norm(vector)
        return unit

    def encode(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


def any_evidence(
    texts: Sequence[str], entry_id: str = "entry", title: str = "", similarity: float = 0.8
) -> list[Evidence]:
    """Chunks that stand one after the other in one entry's text, which is ``stored(texts)``."""
    found, start = [], 0
    for number, text in enumerate(texts):
        chunk = Chunk(
            chunk_id=f"{entry_id}-{number}",
            entry_id=entry_id,
            version="v1",
            ordinal=number,
            start=start,
            end=start + len(text),
            tokens=len(text.split()),
            text=text,
            title=title,
            source=f"s3://landing/{entry_id}",
        )
        found.append(Evidence(chunk=chunk, scores=Scores(vector=similarity - number / 1_000, fused=1 - number / 1_000)))
        start += len(text) + 2
    return found


def stored(texts: Sequence[str]) -> str:
    return "\n\n".join(texts)


def any_request(
    question: str = "How long does a lease last?", job_id: str = JOB, **fields: object
) -> InformationRequest:
    """A request stored in the lake, with its job, the configuration it goes by and its plan."""
    request = InformationRequest.model_validate({"archives": ["docs"], "question": question, **fields})
    aws.lake().write_model(layout.request(job_id), request)
    write_part(job_id, CONFIGURATION, product("extractive"))
    routes = [RouteReason(retriever="vector", chosen=True, by="default")]
    plan = RetrievalPlan(
        job_id=job_id,
        archives=request.archives,
        question=question or "any",
        vectors={},
        limit=50,
        retrievers=["vector"],
        routes=routes,
    )
    write_part(job_id, PLAN, plan)
    jobs.create(job_id, JobKind.ANSWER_REQUEST, request.archives[0], ARN)
    return request


def any_answer_plan(**steps: str) -> AnswerPlan:
    """The plan of an answer that one context holds, stored in the lake; models of steps by their names."""
    nothing = Budget(calls=0, input_tokens=0, output_tokens=0, cost_usd=0.0, seconds=0.0, chunks=0, groups=0)
    named = {Step.MAP: "extractive", Step.COMPOSE: "extractive", **{Step(step): name for step, name in steps.items()}}
    plan = AnswerPlan(
        path=AnswerPath.COMPOSE, steps=named, chunks=0, tokens=[], concurrency=1, asked=nothing, budget=nothing
    )
    write_part(JOB, ANSWER_PLAN, plan)
    return plan
