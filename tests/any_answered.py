"""Makers of answers and citations whose details do not matter to a test."""

from __future__ import annotations

from omnilake.models import Answer, AnswerClaim, AnswerStatus, Citation, Coverage


def citation(number: int, quote: str, entry_id: str = "e", start: int = 0, version: str = "v1") -> Citation:
    return Citation(
        number=number,
        entry_id=entry_id,
        version=version,
        chunk_id="c",
        source="s",
        title="",
        start=start,
        end=start + len(quote),
        quote=quote,
    )


def answer(*claims: tuple[str, Citation], job_id: str = "one", **fields: object) -> Answer:
    return Answer.model_validate(
        {
            "job_id": job_id,
            "archives": ["docs"],
            "status": AnswerStatus.ANSWERED if claims else AnswerStatus.ABSTAINED,
            "text": "\n".join(text for text, _ in claims),
            "claims": [AnswerClaim(text=text, citations=[cited.number], score=1) for text, cited in claims],
            "citations": [cited for _, cited in claims],
            "coverage": Coverage(),
            "ledger": [],
            "cost_usd": 0,
            "versions": {},
            "execution_arn": "",
            "created_at": "2026-01-01",
            **fields,
        }
    )
