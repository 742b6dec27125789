"""What the API tells the console, made for tests: one of each noun, changed by keyword."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import FilePayload

Json = dict[str, Any]

TEXT = (
    "Tides 🌊: the pipeline reads gauges every six minutes. On-call changes every Monday at 09:00 UTC. "
    "Late readings are kept for two days and then dropped."
)
QUOTE = "On-call changes every Monday at 09:00 UTC."


def any_job(job_id: str = "answer-team-1", **changes: Any) -> Json:
    return {
        "job_id": job_id,
        "kind": "answer_request",
        "status": "COMPLETED",
        "archive_id": "team",
        "archives": ["team"],
        "started_by": "iam:arn:aws:iam::000000000000:user/ana",
        "state": "Publish Answer",
        "entered": {
            "Plan Retrieval": "2026-03-21T10:00:00.100Z",
            "Retrieve": "2026-03-21T10:00:00.400Z",
            "Fuse Evidence": "2026-03-21T10:00:00.900Z",
            "Plan Answer": "2026-03-21T10:00:01.000Z",
            "Compose Answer": "2026-03-21T10:00:01.100Z",
            "Verify Claims": "2026-03-21T10:00:02.100Z",
            "Publish Answer": "2026-03-21T10:00:02.300Z",
        },
        "progress": {"retrievers": 2, "retrievers_done": 2, "evidence": 24},
        "execution_arn": "arn:aws:states:us-east-1:000000000000:execution:answer:answer-team-1",
        "created_at": "2026-03-21T10:00:00.000Z",
        "updated_at": "2026-03-21T10:00:02.500Z",
        "ended_at": "2026-03-21T10:00:02.500Z",
        "cost_usd": 0.0123,
        "links": {"execution": "https://console.aws.amazon.com/states/home"},
    } | changes


def any_citation(number: int = 1, **changes: Any) -> Json:
    start = TEXT.index(QUOTE)
    return {
        "number": number,
        "entry_id": "entry-1",
        "version": "v0001",
        "chunk_id": f"c{number}",
        "source": "s3://landing/incoming/team/runbook.md",
        "title": "Tide pipeline runbook",
        "section": "Runbook > On-call",
        "page": 4,
        "start": start,
        "end": start + len(QUOTE),
        "quote": QUOTE,
        "url": "s3://landing/incoming/team/runbook.md",
    } | changes


def any_answer(**changes: Any) -> Json:
    """One claim that two documents say, one that one says, two that contradict one another."""
    return {
        "job_id": "answer-team-1",
        "archives": ["team"],
        "status": "ANSWERED",
        "text": "",
        "claims": [
            {"text": QUOTE, "citations": [1, 2], "score": 1.0, "conflict": ""},
            {"text": "Late readings are kept for two days.", "citations": [3], "score": 0.5, "conflict": ""},
            {"text": "Gauges are read every six minutes.", "citations": [1], "score": 0.3, "conflict": "interval"},
            {"text": "Gauges are read every ten minutes.", "citations": [2], "score": 0.2, "conflict": "interval"},
        ],
        "citations": [
            any_citation(1),
            any_citation(2, entry_id="entry-2", title="On-call handbook", page=None, section=""),
            any_citation(3),
        ],
        "reasons": [],
        "nearest": [],
        "routes": [
            {"retriever": "vector", "chosen": True, "by": "default", "detail": ""},
            {"retriever": "rows", "chosen": False, "by": "rule", "detail": "no-table"},
        ],
        "coverage": {
            "retrievers": {"vector": "ok", "full_text": "TRANSIENT"},
            "chunks_matched": 116,
            "chunks_read": 24,
            "chunks_beside": 2,
            "chunks_dropped": {"near_duplicate": 7, "over_limit": 85},
            "chunks_failed": 0,
            "groups": 0,
            "groups_failed": 0,
            "groups_remembered": 0,
            "degraded": [{"step": "map", "to": "small", "reason": "budget"}],
            "claims_found": 6,
            "claims_removed": {"quote_not_found": 2},
        },
        "budget": None,
        "ledger": [
            {
                "state": "Compose Answer",
                "provider": "bedrock",
                "model": "claude",
                "calls": 1,
                "input_tokens": 3813,
                "output_tokens": 171,
                "cost_usd": 0.0123,
                "seconds": 1.1,
            }
        ],
        "cost_usd": 0.0123,
        "versions": {"product": "0.1.0", "configuration": "abc"},
        "execution_arn": "arn",
        "created_at": "2026-03-21T10:00:02.500Z",
    } | changes


def abstained() -> Json:
    return any_answer(
        status="ABSTAINED",
        claims=[],
        citations=[],
        ledger=[],
        cost_usd=0.0,
        reasons=["The nearest passage is too far from the question. Its support is 0.15; at least 0.57 is asked for."],
        nearest=[
            {"source": "s3://x", "title": "Runbook", "section": "Intro", "similarity": 0.1, "text": "The tide pipeline"}
        ],
    )


def page_of(*items: Json) -> Json:
    return {"items": list(items), "next_cursor": ""}


def file_of(name: str, content: bytes = b"# A", media_type: str = "text/markdown") -> FilePayload:
    """A file as a person chooses it."""
    return {"name": name, "mimeType": media_type, "buffer": content}
