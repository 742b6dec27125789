"""Keys of the lake bucket, in one place.

What is below ``batches/`` belongs to one execution and expires; ``entries/``, ``stores/``, ``answers/`` and
``failed/requests/`` stay.
Each state writes its own object and never changes another's, so a retried or restarted state converges.
"""

from __future__ import annotations

STORES_PREFIX = "stores"
"""LanceDB databases live below this prefix: ``s3://<lake>/stores/<store id>.lance``."""


def batch_manifest(job_id: str) -> str:
    """What an ingestion works on (``BatchManifest``)."""
    return f"batches/{job_id}/manifest.json"


def batch(job_id: str, stage: str) -> str:
    """The batch after a stage: registered, extracted, chunked, published (``Batch``)."""
    return f"batches/{job_id}/{stage}.json"


def embed_batch(job_id: str, number: int) -> str:
    """Chunks of one embedding call (gzip JSON lines of ``Chunk``)."""
    return f"batches/{job_id}/embed/{number:05d}.jsonl.gz"


def embed_vectors(job_id: str, number: int) -> str:
    """Vectors of the same chunks in the same order (``.npy``, float32, shape (chunks, dimensions))."""
    return f"batches/{job_id}/embed/{number:05d}.npy"


def entry_text(entry_id: str, version: str) -> str:
    """Extracted text of an entry version, UTF-8: what offsets point into."""
    return f"entries/{entry_id}/{version}/text.txt"


def entry_document(entry_id: str, version: str) -> str:
    """Extracted text with its structure (``ExtractedDocument``, gzip JSON lines with one line)."""
    return f"entries/{entry_id}/{version}/document.jsonl.gz"


def request(job_id: str) -> str:
    """The request as it was submitted, valid or not (JSON)."""
    return f"answers/{job_id}/request.json"


def failed_request(job_id: str) -> str:
    """A copy of a request that failed, with its reason."""
    return f"failed/requests/{job_id}.json"


def answer_part(job_id: str, part: str) -> str:
    """A stage's output of an answer: plan, evidence/<retriever>, fused, claims, verified, answer (JSON)."""
    return f"answers/{job_id}/{part}.json"


def compaction_node(job_id: str, round_number: int, group: int) -> str:
    """Claims of one group of one round of a compaction."""
    return f"answers/{job_id}/compaction/{round_number}/{group:05d}.json"
