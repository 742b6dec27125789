"""Keys of the lake bucket, in one place.

What is below ``batches/`` and ``collections/`` belongs to one execution and expires, ``uploads/`` too; ``entries/``,
``stores/``, ``backups/``, ``sources/``, ``answers/``, ``removals/`` and ``failed/requests/`` stay.
Each state writes its own object and never changes another's, so a retried or restarted state converges.
"""

from __future__ import annotations

import re

STORES_PREFIX = "stores"
"""LanceDB databases live below this prefix: ``s3://<lake>/stores/<store id>.lance``."""


RERUN = "-r"
"""What sets the job id of a batch's run after a redrive apart: ``<job id>-r1``."""

_RUN = re.compile(rf"{RERUN}(\d+)$")


def batch_manifest(job_id: str) -> str:
    """What an ingestion works on (``BatchManifest``); all runs of a batch share it."""
    return f"batches/{_RUN.sub('', job_id)}/manifest.json"


def earlier_runs(job_id: str) -> list[str]:
    """Job ids that runs of the same batch before this one may have had."""
    run = _RUN.search(job_id)
    if run is None:
        return []
    batch_id = job_id[: run.start()]
    return [batch_id, *(f"{batch_id}{RERUN}{number}" for number in range(1, int(run[1])))]


def batch(job_id: str, stage: str) -> str:
    """The batch after a stage: registered, extracted, chunked, published (``Batch``)."""
    return f"batches/{job_id}/{stage}.json"


def embed_batch(job_id: str, number: int) -> str:
    """Chunks of one embedding call (gzip JSON lines of ``Chunk``)."""
    return f"batches/{job_id}/embed/{number:05d}.jsonl.gz"


def embed_vectors(job_id: str, number: int) -> str:
    """Vectors of the same chunks in the same order (``.npy``, float32, shape (chunks, dimensions))."""
    return f"batches/{job_id}/embed/{number:05d}.npy"


def batch_insights(job_id: str) -> str:
    """Which documents' insights an ingestion extracted, and why not the others' (``InsightsBatch``, JSON)."""
    return f"batches/{job_id}/insights.json"


def embed_report(job_id: str, number: int) -> str:
    """What embedding them came to (``EmbedReport``, JSON): rejected entries, figures of quality, usage."""
    return f"batches/{job_id}/embed/{number:05d}.json"


def embeddings(job_id: str) -> str:
    """Prefix of the chunks, vectors and reports of an ingestion."""
    return f"batches/{job_id}/embed/"


ENTRIES = "entries/"
"""Prefix of all that is kept of entries."""


def entry(entry_id: str, version: str) -> str:
    """Prefix of all that is kept of an entry version."""
    return f"{ENTRIES}{entry_id}/{version}/"


def entry_text(entry_id: str, version: str) -> str:
    """Extracted text of an entry version, UTF-8: what offsets point into."""
    return f"entries/{entry_id}/{version}/text.txt"


def entry_document(entry_id: str, version: str) -> str:
    """Extracted text with its structure (``ExtractedDocument``, gzip JSON lines with one line)."""
    return f"entries/{entry_id}/{version}/document.jsonl.gz"


def entry_insights(entry_id: str, version: str) -> str:
    """What was extracted of an entry version as a whole (``Insights``, JSON)."""
    return f"entries/{entry_id}/{version}/insights.json"


def entry_rows(entry_id: str, version: str) -> str:
    """Rows of a tabular entry version (gzip JSON lines of objects, column name → value as text)."""
    return f"entries/{entry_id}/{version}/rows.jsonl.gz"


def vector_backup(store_id: str, job_id: str) -> str:
    """Rows that an ingestion committed to a store, vectors included (Parquet): a store can be built again of these."""
    return f"{vector_backups(store_id)}{job_id}.parquet"


def store_files(store_id: str) -> str:
    """Prefix of the files of a store's table."""
    return f"{STORES_PREFIX}/{store_id}.lance/"


def vector_backups(store_id: str) -> str:
    """Prefix of a store's backups."""
    return f"backups/{store_id}/"


def collection_part(job_id: str, part: str) -> str:
    """A part of a collection's ingestion: request (JSON), batches (JSON lines), failed (gzip JSON lines)."""
    suffix = {"batches": "jsonl", "failed": "jsonl.gz"}.get(part, "json")
    return f"collections/{job_id}/{part}.{suffix}"


def collection_records(job_id: str, number: int) -> str:
    """Records of a collection's manifest, one file a batch (gzip JSON lines)."""
    return f"collections/{job_id}/records/{number:05d}.jsonl.gz"


def connector_batch(source_id: str, day: str, batch_id: str) -> str:
    """Records that a connector fetched (gzip JSON lines of ``Record``). ``day``: YYYY-MM-DD."""
    year, month, date = day.split("-")
    return f"sources/{source_id}/chunked/year={year}/month={month}/day={date}/batch_{batch_id}.jsonl.gz"


def inline_record(archive_id: str, job_id: str) -> str:
    """A document that came with a call (gzip JSON lines with one ``Record``)."""
    return f"sources/inline/{archive_id}/{job_id}.jsonl.gz"


def inline_records(archive_id: str) -> str:
    """Prefix of the documents that came to an archive with a call."""
    return f"sources/inline/{archive_id}/"


def upload(archive_id: str, upload_id: str) -> str:
    """An upload in parts that is under way (``uploads.StartedUpload``, JSON)."""
    return f"uploads/{archive_id}/{upload_id}.json"


def uploads(archive_id: str) -> str:
    """Prefix of the uploads in parts to an archive that are under way."""
    return f"uploads/{archive_id}/"


def removal_part(job_id: str, part: str) -> str:
    """A part of a removal (JSON): request, receipt; plan, copies, purge, which are gone once it has ended.

    Of an archive's deletion also: receipts/<number> of a round; round, swept, which are gone once it has ended.
    """
    return f"removals/{job_id}/{part}.json"


def removal_receipts(job_id: str) -> str:
    """Prefix of the receipts of the rounds of an archive's deletion."""
    return f"removals/{job_id}/receipts/"


def connector_manifest(source_id: str, job_id: str) -> str:
    """What one sync of a source wrote: its batch files with counts (JSON)."""
    return f"sources/{source_id}/manifests/{job_id}.json"


def connector_problems(source_id: str, job_id: str) -> str:
    """Items that one sync of a source left out, with their reasons (gzip JSON lines of ``Problem``)."""
    return f"sources/{source_id}/problems/{job_id}.jsonl.gz"


def connector_known(source_id: str, job_id: str, stream: int, state: str) -> str:
    """What a sync knows of the records of a stream (gzip JSON lines of ``Known``).

    ``state``: ``pending`` while its records are not ingested yet, then ``final``.
    """
    return f"sources/{source_id}/known/{job_id}/{stream:05d}-{state}.jsonl.gz"


def sync_part(job_id: str, part: str) -> str:
    """What a sync keeps while it runs: plan, progress, advances (JSON), seen/<n>, problems/<n> (gzip JSON lines)."""
    suffix = "json" if part in {"plan", "progress", "advances"} else "jsonl.gz"
    return f"batches/{job_id}/sync/{part}.{suffix}"


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


def compaction_input(job_id: str, round_number: int, group: int) -> str:
    """What one group of one round of a compaction reads (``GroupInput``)."""
    return f"answers/{job_id}/compaction/{round_number}/{group:05d}-input.json"


def recalled(job_id: str, address: str) -> str:
    """Claims of a node that an answer found in the memo, kept with the answer for its replays (JSON)."""
    return f"answers/{job_id}/recalled/{address}.json"


def answer_material(job_id: str, entry_id: str, version: str) -> str:
    """A text that a retriever made or fetched for one answer (a computed table, a page): quotes point into it."""
    return f"answers/{job_id}/material/{entry_id}/{version}.txt"


def answer_materials(job_id: str) -> str:
    """Prefix of the texts that were made or fetched for one answer."""
    return f"answers/{job_id}/material/"


MATERIAL = "material-"
"""Ids of entries that a retriever made for one answer begin with it."""


def quoted_text(job_id: str, entry_id: str, version: str) -> str:
    """The text that quotes of an answer point into: an entry's, or one that a retriever made for the answer."""
    material = entry_id.startswith(MATERIAL)
    return answer_material(job_id, entry_id, version) if material else entry_text(entry_id, version)


def model_call(job_id: str, address: str) -> str:
    """What a model answered to one call of a request (JSON), by the address of what it was told."""
    return f"answers/{job_id}/calls/{address}.json"


def remembered(address: str) -> str:
    """Claims of a node of a compaction, for whoever needs the same again (JSON)."""
    return f"memo/{address[:2]}/{address}.json"


def route_examples(address: str) -> str:
    """Vectors of the routes' examples in one space (``.npy``, float32), by the content address of both."""
    return f"routes/{address}.npy"


ANSWERING = "configuration/answering.json"
"""How questions are answered (``configuration.AnsweringConfiguration``); without it, the product's own."""
