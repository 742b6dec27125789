"""Put in place what the sample events refer to, on the deployment that the environment names.

    python events/seed.py [--stack NAME]

Endpoint, region and credentials come from the environment, as the AWS SDKs define it (``omnilake local status``
prints them for the embedded cloud). Every event has a job of its own, ``sample-…``, so events run in any order, each
alone. What earlier runs of the events changed is put back, so seeding may be repeated at any time.

What a state finds is made by the states before it: the deployed functions are invoked one after the other, as the state
machines invoke them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omnilake import archives, aws, entries, jobs, layout, sources
from omnilake.answering.parts import COMPOSED, ComposedClaims
from omnilake.client.deployment import Deployment
from omnilake.client.uploading import Upload
from omnilake.clock import now
from omnilake.connectors.protocol import Stream
from omnilake.ingest import collections, landing
from omnilake.models import Archive, BatchManifest, DocumentStatus, JobKind, ObjectRef, Source, StreamCursor
from omnilake.removal import requests as removals
from omnilake.syncing.parts import Advance, Advances, Counts, PlannedStream, Progress, SyncPlan

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ROOT / "events" / "documents"
EXAMPLES = ROOT / "examples"

INGESTION, INDEXING, HARBOUR, LIGHTHOUSES, WRITTEN = (
    "sample-ingestion",
    "sample-indexing",
    "sample-harbour",
    "sample-lighthouses",
    "sample-written",
)
ARCHIVES = {
    INGESTION: "Documents on their way in, for the sample events of ingest_document.",
    INDEXING: "Where the sample events of Index Chunks commit to.",
    HARBOUR: "A handbook that one context holds, for the sample events of answer_request.",
    LIGHTHOUSES: "More evidence than one context holds, for the sample events of compact_evidence.",
    WRITTEN: "Answers that become entries, for a sample event of Publish Answer.",
}

DELETED_VERSION = "3HL4kqtJlcpXroDTDmJrmSpXd3dIbrHY"
SEQUENCER = "0065A1B2C3D4E5F607"
PLACING_ATTEMPTS = 3
SETTLE_S = 120.0
PARALLEL = 4


class Stack:
    """The deployment, and its functions by logical id."""

    def __init__(self, name: str) -> None:
        self.deployment = Deployment(name)

    def point_rooms_here(self) -> None:
        """Make the product's own rooms in this process use the stack's tables and buckets."""
        for name, value in self.deployment.settings().model_dump().items():
            if isinstance(value, str) and value:
                os.environ[f"OMNILAKE_{name.upper()}"] = value

    @cached_property
    def resources(self) -> dict[str, str]:
        """Physical ids by logical ids."""
        pages = (
            aws.client("cloudformation")
            .get_paginator("list_stack_resources")
            .paginate(StackName=self.deployment.stack_name)
        )
        return {
            each["LogicalResourceId"]: each.get("PhysicalResourceId", "")
            for page in pages
            for each in page["StackResourceSummaries"]
        }

    def invoke(self, function: str, **event: Any) -> dict[str, Any]:
        """Result of a function (logical id, without "Function"), invoked as the state machines do.

        Raises:
            SystemExit: it failed.
        """
        answer = aws.client("lambda").invoke(
            FunctionName=self.resources[f"{function}Function"], Payload=json.dumps(event).encode()
        )
        result: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise SystemExit(f"{function} failed for {event}: {result}")
        return result


# --- ingestions -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ingestion:
    """A batch that has come as far as the state before the one that the event is for."""

    job_id: str
    documents: dict[str, bytes | None]
    """Content by name; None of an object that is not there."""
    archive_id: str = INGESTION
    stages: tuple[str, ...] = ()
    """Functions that have run, in order; Embed Batch for every embedding batch."""


def _document(topic: str, paragraphs: int = 6) -> bytes:
    """A text that no other ingestion has, so that none is a duplicate."""
    lines = [
        f"Rule {number} of the {topic}: whoever is on duty reads gauge {number * 7} at {number + 5} o'clock, compares "
        f"it with the table of the {topic}, and writes both into book {number}."
        for number in range(1, paragraphs + 1)
    ]
    return "\n\n".join([f"# The {topic}", *lines, ""]).encode()


def ingestions() -> list[Ingestion]:
    """Every batch that a sample event of ingest_document names."""
    register, extract, cut = "RegisterDocuments", "ExtractText", "ChunkText"
    examples: dict[str, bytes | None] = {
        path.name: path.read_bytes() for path in sorted(EXAMPLES.iterdir()) if path.is_file()
    }
    pdf = next(EXAMPLES.glob("*.pdf")).read_bytes()
    return [
        Ingestion(
            "sample-register-new",
            {"tide-table.md": _document("tide table"), "night-watch.md": _document("night watch"), "empty.txt": b""},
        ),
        Ingestion("sample-register-deleted", {"deleted.md": None}),
        Ingestion("sample-register-unknown-archive", {"lost.md": None}, archive_id="sample-missing"),
        Ingestion("sample-extract", examples, stages=(register,)),
        Ingestion(
            "sample-extract-rejected",
            {"truncated.pdf": pdf[: len(pdf) // 3], "junk.txt": bytes(range(256)) * 8},
            stages=(register,),
        ),
        Ingestion("sample-chunk", {"fog-signal.md": _document("fog signal", 24)}, stages=(register, extract)),
        Ingestion("sample-embed", {"ice-watch.md": _document("ice watch", 24)}, stages=(register, extract, cut)),
        Ingestion("sample-insights", {"lamp-care.md": _document("lamp care", 24)}, stages=(register, extract, cut)),
        Ingestion(
            "sample-index",
            {"buoy-list.md": _document("buoy list", 24)},
            archive_id=INDEXING,
            stages=(register, extract, cut, "EmbedBatch"),
        ),
        Ingestion(
            "sample-publish",
            {"dredging.md": _document("dredging plan"), "blank.md": b" \n \n"},
            stages=(register, extract, cut, "EmbedBatch"),
        ),
        Ingestion("sample-publish-rejected", {"blank.txt": b"\n\n \n"}, stages=(register, extract)),
        Ingestion("sample-record-ingest-failure", {"ferry.md": _document("ferry")}, stages=(register, extract, cut)),
        Ingestion("sample-record-early-failure", {"mooring.md": _document("mooring")}),
        Ingestion("sample-close-ingestion", {"anchor.md": _document("anchorage")}, stages=(register,)),
    ]


class Landing:
    """Places documents in ``incoming/`` for a job of the samples, out of the reach of the workflow.

    Each arrival starts a real ``ingest_document`` execution, as any upload does. It finds the object version taken and
    leaves it alone: the claim is written a second before the execution can begin.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._bucket = deployment.outputs["LandingBucket"]
        self.arrivals: set[tuple[str, str]] = set()
        """Archive and name of what was put."""

    def place(self, ingestion: Ingestion) -> list[ObjectRef]:
        """The objects of an ingestion, those of an earlier seeding where they are still there."""
        return [
            self._ref(ingestion, name, 1, DELETED_VERSION) if data is None else self._claimed(ingestion, name, data)
            for name, data in ingestion.documents.items()
        ]

    def _claimed(self, ingestion: Ingestion, name: str, data: bytes) -> ObjectRef:
        for _ in range(PLACING_ATTEMPTS):
            version_id = self._still_there(ingestion, name, data) or self._put(ingestion, name, data)
            ref = self._ref(ingestion, name, len(data), version_id)
            if entries.claim_object(ref, ingestion.job_id) is entries.Claim.OURS:
                return ref
            aws.client("s3").delete_object(Bucket=self._bucket, Key=ref.key, VersionId=version_id)
        raise SystemExit(f"{name} of {ingestion.job_id} was taken by the workflow {PLACING_ATTEMPTS} times.")

    def _still_there(self, ingestion: Ingestion, name: str, data: bytes) -> str:
        """Version of the object if it is what would be put, else empty."""
        head = aws.ObjectStore(self._bucket).head(_key(ingestion, name))
        same = head is not None and head.get("Metadata", {}).get("sample-sha256") == sha256(data).hexdigest()
        return str(head["VersionId"]) if head is not None and same else ""

    def _put(self, ingestion: Ingestion, name: str, data: bytes) -> str:
        stored = aws.client("s3").put_object(
            Bucket=self._bucket,
            Key=_key(ingestion, name),
            Body=data,
            Metadata={"sample-sha256": sha256(data).hexdigest()},
        )
        self.arrivals.add((ingestion.archive_id, _name(ingestion, name)))
        return str(stored["VersionId"])

    def _ref(self, ingestion: Ingestion, name: str, size: int, version_id: str) -> ObjectRef:
        key = _key(ingestion, name)
        return ObjectRef(bucket=self._bucket, key=key, version_id=version_id, size=size, sequencer=SEQUENCER)


def _name(ingestion: Ingestion, name: str) -> str:
    return f"{ingestion.job_id}/{name}"


def _key(ingestion: Ingestion, name: str) -> str:
    return f"{landing.INCOMING}{ingestion.archive_id}/{_name(ingestion, name)}"


def seed_ingestion(stack: Stack, zone: Landing, ingestion: Ingestion) -> None:
    """Bring a batch to where its event finds it."""
    for name in ingestion.documents:
        _forget(ingestion.archive_id, _name(ingestion, name))
    _delete_objects(f"batches/{ingestion.job_id}/")
    refs = zone.place(ingestion)
    manifest = BatchManifest(job_id=ingestion.job_id, archive_id=ingestion.archive_id, documents=refs)
    aws.lake().write_model(layout.batch_manifest(ingestion.job_id), manifest)
    _open_job(ingestion.job_id, JobKind.INGEST_DOCUMENT, ingestion.archive_id)
    batch = {"job_id": ingestion.job_id, "archive_id": ingestion.archive_id}
    embed_batches = 0
    for stage in ingestion.stages:
        if stage == "EmbedBatch":
            for number in range(embed_batches):
                stack.invoke(stage, **batch, number=number)
        else:
            embed_batches = stack.invoke(stage, **batch)["embed_batches"]


def _forget(archive_id: str, name: str) -> None:
    """Take an entry out of the registry, with its claim on its content."""
    entry_id = entries.entry_id_of(archive_id, landing.SOURCE_TYPE, name)
    for item in entries.versions(entry_id):
        entries.release_content(archive_id, item["content_hash"], entry_id, item["version"])
        aws.table("entries_table").delete({"entry_id": entry_id, "version": item["version"]})


def _open_job(job_id: str, kind: JobKind, archive_id: str, source_id: str = "") -> None:
    aws.table("jobs_table").delete({"job_id": job_id})
    jobs.create(job_id, kind, archive_id, source_id=source_id)
    jobs.enter(job_id, kind, "Seeded")


def _delete_objects(prefix: str) -> None:
    lake = aws.lake()
    for key in lake.keys(prefix):
        aws.client("s3").delete_object(Bucket=lake.bucket, Key=key)


def settle(deployment: Deployment, arrivals: Iterable[tuple[str, str]], since: str) -> None:
    """Wait until the workflow has seen what was placed, and left it alone."""
    names_of: dict[str, set[str]] = {}
    for archive_id, name in arrivals:
        names_of.setdefault(archive_id, set()).add(name)
    deadline = time.monotonic() + SETTLE_S
    for archive_id, names in names_of.items():
        while True:
            seen = {each["name"]: each["status"] for each in deployment.outcomes(archive_id, since)}
            taken = sorted(name for name in names & seen.keys() if seen[name] != DocumentStatus.DUPLICATE.value)
            if taken:
                raise SystemExit(f"The workflow ingested what was placed for the samples: {', '.join(taken)}.")
            if names <= seen.keys():
                break
            if time.monotonic() > deadline:
                raise SystemExit(f"The workflow has not seen all of {archive_id} after {SETTLE_S} s.")
            time.sleep(0.5)


# --- archives to ask ----------------------------------------------------------------------------------------------


def _lighthouses() -> dict[str, bytes]:
    """Forty-eight pages, about 11,000 tokens."""
    colours, grounds = ("white", "red", "green"), ("granite", "sandstone", "iron", "brick")
    ways, sides = ("boat", "causeway"), ("north", "east", "south", "west")
    pages = {}
    for number in range(1, 49):
        colour, ground, way, side = colours[number % 3], grounds[number % 4], ways[number % 2], sides[number % 4]
        pages[f"lighthouse-{number:02}.md"] = f"""# Lighthouse {number}

## Lamp of lighthouse {number}

Lighthouse {number} shows a {colour} light {number % 5 + 1} times every {number + 12} seconds. It is visible for
{number % 9 + 14} nautical miles. The keeper of lighthouse {number} replaces the lamp every {number + 3} weeks and notes
it in book {number}. The spare lamps of lighthouse {number} lie in the {ground} cellar, {number % 6 + 2} of them.

## Tower of lighthouse {number}

The tower of lighthouse {number} is built of {ground}. It stands {number % 17 + 21} metres above the sea and has
{number * 3 + 40} steps. Its {colour} bands are painted anew every {number % 4 + 3} years. Inspection {number} found the
tower dry and the gallery sound, except for {number % 5} loose rails on the {side} side.

## Visits to lighthouse {number}

Visitors reach lighthouse {number} by {way} on {number % 6 + 1} days a week, {number % 8 + 4} at a time. The {way} to
lighthouse {number} is closed when the wind exceeds {number % 10 + 14} metres per second, and from month
{number % 3 + 10} on.
""".encode()
    return pages


def seed_archive(deployment: Deployment, archive_id: str, documents: dict[str, bytes]) -> None:
    """Upload documents into an archive and wait until they are found; nothing if they are already."""
    missing = {name: data for name, data in documents.items() if not _is_complete(archive_id, name, data)}
    if not missing:
        return
    since = now()
    with TemporaryDirectory() as scratch:
        for name, data in missing.items():
            Path(scratch, name).write_bytes(data)
        deployment.upload(archive_id, [Upload(Path(scratch, name), name) for name in missing])
    for outcomes in deployment.follow_ingestion(archive_id, missing, since):
        failed = sorted(name for name, each in outcomes.items() if each["status"] == DocumentStatus.FAILED.value)
        if failed:
            raise SystemExit(f"The archive {archive_id} did not take {', '.join(failed)}: {outcomes[failed[0]]}")


def _is_complete(archive_id: str, name: str, data: bytes) -> bool:
    found = entries.versions(entries.entry_id_of(archive_id, landing.SOURCE_TYPE, name))[:1]
    wanted = (DocumentStatus.COMPLETED.value, sha256(data).hexdigest())
    return [(each["status"], each["content_hash"]) for each in found] == [wanted]


# --- collections --------------------------------------------------------------------------------------------------


def seed_collections(stack: Stack) -> None:
    """A manifest, and collections that have been planned, run, or failed."""
    landing_bucket = stack.deployment.outputs["LandingBucket"]
    record = {"source_type": "sample", "text": "The sea lock closes at dusk.", "updated_at": "2026-01-01T00:00:00Z"}
    good = [json.dumps({**record, "record_id": f"lock-{number}"}) for number in range(3)]
    aws.ObjectStore(landing_bucket).write("lists/sample.jsonl", "\n".join(good).encode())
    aws.ObjectStore(landing_bucket).write("lists/sample-damaged.jsonl", b"{\n}\n")

    def prepared(job_id: str, **origin: Any) -> str:
        request = collections.CollectionRequest(archive_id=INGESTION, **origin)
        aws.lake().write_model(layout.collection_part(job_id, "request"), request)
        _open_job(job_id, JobKind.INGEST_COLLECTION, INGESTION)
        return job_id

    prepared("sample-plan-collection", manifest=f"s3://{landing_bucket}/lists/sample.jsonl", batch_documents=2)
    prepared("sample-plan-nothing", prefix=f"s3://{landing_bucket}/sample-nothing/")
    closed = prepared("sample-close-collection", manifest=f"s3://{landing_bucket}/lists/sample-damaged.jsonl")
    stack.invoke("PlanCollection", job_id=closed)
    for line in aws.lake().read(layout.collection_part(closed, "batches")).splitlines():
        batch = json.loads(line)
        stack.invoke("RegisterDocuments", **batch)
        stack.invoke("PublishEntries", **batch)
    nothing = {"archive_id": INGESTION, "prefix": f"s3://{landing_bucket}/sample-nothing/"}
    failed = stack.invoke("StartCollection", request=nothing, idempotency_key="sample-redrive")
    stack.deployment.wait(failed["job_id"], timeout_s=SETTLE_S)


# --- removals -----------------------------------------------------------------------------------------------------


def _searchable(archive_id: str, job_id: str) -> str:
    """An entry in the registry for one removal, with a text and no rows; its id."""
    entry_id = entries.entry_id_of(archive_id, "sample", job_id)
    version = "20260101T000000Z-000000000000000000-0a1b2c3d"
    aws.table("entries_table").delete({"entry_id": entry_id, "version": version})
    aws.lake().write(layout.entry_text(entry_id, version), b"The pilot's locker is empty.")
    entries.register(
        entry_id,
        version,
        archive_id=archive_id,
        job_id=f"{job_id}-ingestion",
        name=job_id,
        source="",
        size=28,
        content_hash=job_id,
    )
    entries.finish(entry_id, version, archive_id=archive_id, status=DocumentStatus.COMPLETED)
    return entry_id


def _open_removal(job_id: str, request: removals.RemovalRequest) -> None:
    _delete_objects(f"removals/{job_id}/")
    aws.lake().write_model(layout.removal_part(job_id, "request"), request)
    _open_job(job_id, JobKind.REMOVE_ENTRIES, request.archive_id)


def seed_removals(stack: Stack) -> None:
    """Removals that have come some way, each of an entry of its own."""
    for job_id, archive_id, states in (
        ("sample-mark-entries", INGESTION, ()),
        ("sample-erase-rows", INDEXING, ("MarkEntries",)),
        ("sample-release-versions", INDEXING, ("MarkEntries",)),
        ("sample-purge-objects", INGESTION, ("MarkEntries",)),
        ("sample-prove-absence", INGESTION, ("MarkEntries", "PurgeObjects")),
    ):
        _open_removal(job_id, removals.parse_request(archive_id, [_searchable(archive_id, job_id)]))
        for state in states:
            stack.invoke(state, job_id=job_id, archive_id=archive_id)


def seed_deletions(stack: Stack) -> None:
    """Archives that are deleted with their entries, each as far as the states before have brought it."""
    for archive_id, job_id, holds, states in (
        ("sample-leaving", "", True, ()),
        ("sample-marked", "sample-mark-round", True, ()),
        ("sample-emptied", "sample-mark-emptied", False, ()),
        ("sample-proven", "sample-prove-round", True, ("MarkEntries", "PurgeObjects")),
        ("sample-dropped", "sample-drop-archive", False, ()),
    ):
        stack.deployment.create_archive(archive_id, "Is deleted by a sample event.")
        if holds:
            _searchable(archive_id, job_id or archive_id)
        archive = archives.get_archive(archive_id)
        if archive.deletion_job_id != job_id:
            archives.close_archive(archive, job_id)
        if job_id:
            _open_removal(job_id, _whole(archive))
        for state in states:
            stack.invoke(state, job_id=job_id, archive_id=archive_id)
    another = _whole(archives.get_archive("sample-marked"))  # its job is none: an open one would be waited for
    aws.lake().write_model(layout.removal_part("sample-drop-other", "request"), another)


def _whole(archive: Archive) -> removals.RemovalRequest:
    return removals.RemovalRequest(archive_id=archive.archive_id, entry_ids=[], store_id=archive.store_id)


# --- answers ------------------------------------------------------------------------------------------------------

PLANNED = ("request", "configuration", "plan")
RETRIEVED = (*PLANNED, "evidence/full_text", "evidence/vector")
FUSED = (*RETRIEVED, "fused")
BUDGETED = (*FUSED, "answer_plan")
COMPOSED_PARTS = (*BUDGETED, "composed")
VERIFIED_PARTS = (*COMPOSED_PARTS, "verified")

QUESTION: dict[str, Any] = {"archives": [HARBOUR], "question": "When does the sea lock close?"}
UNANSWERED: dict[str, Any] = {
    "archives": [HARBOUR],
    "question": "How much sugar belongs into a chocolate cake?",
    "retrievers": ["full_text", "vector"],  # those that the seed runs, whatever the router would say
}
FEES: dict[str, Any] = {"archives": [HARBOUR], "question": "What is the highest fee per day?"}
PAGE: dict[str, Any] = {"archives": [HARBOUR], "question": "What does https://harbour.example/status say?"}
LARGE: dict[str, Any] = {
    "archives": [LIGHTHOUSES],
    "question": "How often does the keeper of the lighthouse replace the lamp?",
    "goal": "Order spare lamps for a year.",
    "evidence_limit": 200,
    "max_claims": 12,
}
EXECUTION_ARN = "arn:aws:states:us-east-1:000000000000:execution:omnilake-answer-request:sample-cited"
SUBMITTED_KEY = "sample-event"

REQUESTS: dict[str, dict[str, Any]] = {
    "sample-plan": QUESTION,
    "sample-plan-empty-question": {**QUESTION, "question": "  ?! "},
    "sample-plan-long-question": {**QUESTION, "question": "lock " * 10_000},
    "sample-plan-everything": {
        **QUESTION,
        "mode": "INCLUSIVE",
        "tenant": {"business_id": "harbour-board"},
        "filters": [{"field": "received_at", "operator": "ge", "value": "2026-01-01"}],
    },
    "sample-plan-unknown-filter": {**QUESTION, "filters": [{"field": "colour", "value": "red"}]},
    "sample-plan-unknown-archive": {**QUESTION, "archives": ["sample-missing"]},
    "sample-record-request-failure": QUESTION,
    "sample-record-compaction-failure": LARGE,
    "sample-close-request": QUESTION,
}
"""Requests of events before which no state has left anything."""


class Answers:
    """Answers that have come some way, and copies of their parts under the jobs of events."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def harbour(self) -> None:
        """A question that one context answers."""
        base = "sample-answered"
        self._run(base, QUESTION, "PlanRetrieval", "RetrieveVector", "RetrieveFullText", "FuseEvidence")
        self._run_on(base, "PlanAnswer", "ComposeAnswer", "VerifyClaims")
        _copy(base, "sample-retrieve-vector", PLANNED)
        _copy(base, "sample-retrieve-full-text", PLANNED)
        for case in ("", "-vector-failed", "-all-failed"):
            _copy(base, f"sample-fuse{case}", RETRIEVED)
        _copy(base, "sample-plan-answer", FUSED)
        _copy(base, "sample-compose", BUDGETED)
        _copy(base, "sample-verify", COMPOSED_PARTS)
        _copy(base, "sample-verify-misquoted", COMPOSED_PARTS)
        _misquote("sample-verify-misquoted")
        _copy(base, "sample-publish-answered", VERIFIED_PARTS)
        _copy(base, "sample-publish-written", VERIFIED_PARTS)
        _request_of("sample-publish-written", {**QUESTION, "destination_archive": WRITTEN})
        _request("sample-plan-replay", {**QUESTION, "replay_of": base})
        for job_id in ("sample-publish-answered", "sample-publish-written", "sample-plan-replay"):
            _open_job(job_id, JobKind.ANSWER_REQUEST, HARBOUR)
        self._other_retrievers(base)

    def _other_retrievers(self, base: str) -> None:
        """Plans for the retrievers that this question does not need; one of them follows an answer."""
        cited = "sample-cited"
        _copy(base, cited, VERIFIED_PARTS)
        _open_job(cited, JobKind.ANSWER_REQUEST, HARBOUR)
        self._stack.invoke("PublishAnswer", job_id=cited, execution_arn=EXECUTION_ARN)
        plans: dict[str, dict[str, Any]] = {
            "everything": {"mode": "INCLUSIVE", "tags": ["harbour"]},
            "recent": {"retrievers": ["recent"]},
            "exact": {"question": "What does harbour-handbook.md say of the sea lock?", "retrievers": ["exact"]},
            "related": {"mode": "RELATED", "related_to": cited},
        }
        for name, fields in plans.items():
            self._run(f"sample-retrieve-{name}", {**QUESTION, **fields}, "PlanRetrieval")

    def computed_and_fetched(self) -> None:
        """Questions to a table, and to a page of a host that no configuration allows."""
        self._run("sample-retrieve-rows", FEES, "PlanRetrieval")
        self._run("sample-retrieve-website", PAGE, "PlanRetrieval")

    def unanswered(self) -> None:
        """A question that the archive holds no answer to."""
        base = "sample-unanswered"
        self._run(base, UNANSWERED, "PlanRetrieval", "RetrieveVector", "RetrieveFullText", "FuseEvidence")
        _copy(base, "sample-fuse-unanswered", RETRIEVED)
        _copy(base, "sample-publish-abstained", FUSED)
        _open_job("sample-publish-abstained", JobKind.ANSWER_REQUEST, HARBOUR)

    def lighthouses(self) -> None:
        """A question whose evidence is compacted."""
        base = "sample-compacted"
        self._run(base, LARGE, "PlanRetrieval", "RetrieveVector", "RetrieveFullText", "FuseEvidence", "PlanAnswer")
        groups = self._stack.invoke("PlanRound", job_id=base, round=1)["groups"]
        _concurrently(
            [
                partial(self._stack.invoke, "SummariseGroup", job_id=base, round=1, group=number)
                for number in range(1, groups + 1)
            ]
        )
        self._stack.invoke("PlanRound", job_id=base, round=2)
        inputs = (f"compaction/1/{number:05d}-input" for number in range(1, groups + 1))
        planned = (*BUDGETED, "compaction/1/plan", *inputs)
        nodes = tuple(f"compaction/1/{number:05d}" for number in range(1, groups + 1))
        _copy(base, "sample-plan-large-answer", FUSED)
        _copy(base, "sample-plan-quote", FUSED)
        _request_of("sample-plan-quote", {**LARGE, "deliver": "quote"})
        _copy(base, "sample-plan-round", BUDGETED)
        _copy(base, "sample-summarise", planned)
        _copy(base, "sample-plan-last-round", (*planned, *nodes))
        _copy(base, "sample-compose-compacted", (*BUDGETED, "claims"))

    def submitted(self) -> None:
        """A request that was submitted under an idempotency key."""
        self._stack.invoke("SubmitRequest", request=QUESTION, idempotency_key=SUBMITTED_KEY)

    @staticmethod
    def requests() -> None:
        """Requests, and open jobs for them."""
        for job_id, request in REQUESTS.items():
            _request(job_id, request)
            _open_job(job_id, JobKind.ANSWER_REQUEST, request["archives"][0])

    def _run(self, job_id: str, request: dict[str, Any], *functions: str) -> None:
        _request(job_id, request)
        self._run_on(job_id, *functions)

    def _run_on(self, job_id: str, *functions: str) -> None:
        for function in functions:
            self._stack.invoke(function, job_id=job_id)


def _request(job_id: str, request: dict[str, Any]) -> None:
    _delete_objects(f"answers/{job_id}/")
    _request_of(job_id, request)


def _request_of(job_id: str, request: dict[str, Any]) -> None:
    aws.lake().write(layout.request(job_id), json.dumps(request).encode(), "application/json")


def _copy(base: str, job_id: str, parts: Sequence[str]) -> None:
    """Parts of one job's answer as another job's, and nothing else."""
    _delete_objects(f"answers/{job_id}/")
    for part in parts:
        data = aws.lake().read(layout.answer_part(base, part))
        aws.lake().write(
            layout.answer_part(job_id, part), data.replace(base.encode(), job_id.encode()), "application/json"
        )


def _misquote(job_id: str) -> None:
    """Change a word in the quotes of the first claim."""
    key = layout.answer_part(job_id, COMPOSED)
    composed = aws.lake().read_model(key, ComposedClaims)
    first, *others = composed.claims
    changed = [quote.model_copy(update={"text": quote.text.replace("lock", "gate")}) for quote in first.quotes]
    claims = [first.model_copy(update={"quotes": changed}), *others]
    aws.lake().write_model(key, composed.model_copy(update={"claims": claims}))


# --- syncs --------------------------------------------------------------------------------------------------------

_STARTED = "2026-06-01T06:00:00.000Z"


def seed_syncs() -> None:
    """Sources of a server that is not there, and syncs of them as far as the states before have brought them."""
    for name in ("delete", "start", "plan", "fetch", "no-secret", "prepare", "advance", "failure"):
        config = {"base_url": "https://gitlab.example", "project": f"sample/{name}"}
        secret_name = "omnilake/sources/none" if name == "no-secret" else ""
        source = sources.put(HARBOUR, "gitlab", config, secret_name=secret_name, schedule="")
        job_id = "sample-sync-running" if name == "start" else f"sample-sync-{name}"
        _open_job(job_id, JobKind.SYNC_SOURCE, HARBOUR, source_id=source.source_id)
        sources.release(source.source_id, source.active_job_id)
        if name != "delete":
            sources.claim(source.source_id, job_id)
        _plan(job_id, source)


def _plan(job_id: str, source: Source) -> None:
    """A sync of one stream; all but one have read it to its end."""
    stream = PlannedStream(stream=Stream(name="issues"), began_with="")
    plan = SyncPlan(
        job_id=job_id,
        source_id=source.source_id,
        archive_id=HARBOUR,
        source_type=source.source_type,
        started_at=_STARTED,
        streams=[stream],
    )
    cursor = {"after": _STARTED, "syncs": 1}
    progress = Progress(stream=1, ended=[0], cursors={0: cursor}, counts=Counts(pages=1))
    moved = StreamCursor(source_id=source.source_id, stream="issues", cursor=cursor, job_id=job_id, updated_at=_STARTED)
    _delete_objects(f"batches/{job_id}/")
    aws.lake().write_model(layout.sync_part(job_id, "plan"), plan)
    aws.lake().write_model(layout.sync_part(job_id, "advances"), Advances(advances=[Advance(cursor=moved)]))
    if not job_id.endswith("no-secret"):
        aws.lake().write_model(layout.sync_part(job_id, "progress"), progress)


# --- all of it ----------------------------------------------------------------------------------------------------


def _concurrently(calls: Sequence[Callable[[], object]]) -> None:
    with ThreadPoolExecutor(PARALLEL) as pool:
        for pending in [pool.submit(call) for call in calls]:
            pending.result()


def seed(stack_name: str) -> None:
    """Everything. Raises ``SystemExit`` with a message when something failed."""
    stack = Stack(stack_name)
    stack.point_rooms_here()
    deployment, since = stack.deployment, now()
    for archive_id, description in ARCHIVES.items():
        deployment.create_archive(archive_id, description)
    deployment.create_archive("sample-deleted", "Holds nothing; a sample event deletes it.")
    zone, answers = Landing(deployment), Answers(stack)
    handbooks = {path.name: path.read_bytes() for path in sorted(DOCUMENTS.iterdir())}
    _concurrently(
        [
            lambda: seed_archive(deployment, LIGHTHOUSES, _lighthouses()),
            lambda: seed_archive(deployment, HARBOUR, handbooks),
            *[partial(seed_ingestion, stack, zone, each) for each in ingestions()],
        ]
    )
    _concurrently(
        [
            answers.lighthouses,
            answers.harbour,
            answers.unanswered,
            answers.computed_and_fetched,
            answers.requests,
            answers.submitted,
        ]
    )
    seed_syncs()
    seed_collections(stack)
    seed_removals(stack)
    seed_deletions(stack)
    settle(deployment, zone.arrivals, since)


def main() -> None:
    parser = argparse.ArgumentParser(description="Put in place what the sample events refer to.")
    parser.add_argument("--stack", default="omnilake", help="the CloudFormation stack")
    stack_name = parser.parse_args().stack
    began = time.monotonic()
    seed(stack_name)
    print(f"Seeded the stack {stack_name} in {time.monotonic() - began:.1f} s.")


if __name__ == "__main__":
    main()
