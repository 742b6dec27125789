"""Purge Objects: what S3 and the tables hold of entry versions, all versions of all objects.

===============================  =====================================================================================
``entries/<entry>/<version>/``   text, structure, rows, insights
``batches/<job>/``               chunks and vectors of the ingestions that handled them; names in what they told
the original                     of an upload in whichever zone; of a record its line in the file it came with
``stores/<store>.lance/``        noncurrent versions of the table's files; ``backups/``: of the Parquet objects
registrations                    the claims on content and object; other uploads of the same bytes come back
===============================  =====================================================================================

Originals in buckets that are not the stack's stay where they are; the receipt counts them.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from omnilake import aws, clock, entries, jobs, layout
from omnilake.errors import TransientError
from omnilake.ingest import contents, landing, stages
from omnilake.insights.outcomes import InsightsBatch
from omnilake.models import Batch, BatchDocument, BatchManifest, Model, ObjectRef
from omnilake.removal.requests import (
    KIND,
    DoomedVersion,
    RemovalPlan,
    RemovalRequest,
    read_plan,
    read_request,
    read_round,
)
from omnilake.settings import settings

STATE = "Purge Objects"


class PurgeResult(Model):
    """How many object versions were deleted, and how many uploads of the same bytes came back."""

    objects: int
    brought_back: int


def purge_objects(job_id: str) -> PurgeResult:
    """Delete what is kept of the planned versions besides the store's rows, and leave tombstones. May be repeated.

    Raises:
        TransientError: a file of records changed meanwhile.
    """
    request, plan = read_request(job_id), read_plan(job_id)
    jobs.enter(job_id, KIND, STATE)
    aws.lake().write_model(layout.removal_part(job_id, "purge"), _Purge(began_at=clock.now()))
    objects = 0
    cutoff = read_round(job_id, request).requested_at
    for bucket, found in remains(plan, cutoff):
        objects += aws.ObjectStore(bucket).erase(found)
    for ingestion in plan.job_ids:
        objects += _redact(ingestion, plan.versions)
    for version in plan.versions:
        objects += _blank_record(version)
    objects += aws.lake().erase(noncurrent(plan))
    brought_back = _release(job_id, plan, request)
    for version in plan.versions:
        entries.bury(version.entry_id, version.version, request.archive_id, job_id)
    jobs.count(job_id, objects=objects)
    return PurgeResult(objects=objects, brought_back=brought_back)


def purged_at(job_id: str) -> str:
    """When the last purge of a removal began; empty when none did."""
    told = aws.lake().find_model(layout.removal_part(job_id, "purge"), _Purge)
    return "" if told is None else told.began_at


# --- what there is ----------------------------------------------------------------------------------------------


def remains(plan: RemovalPlan, cutoff: str) -> Iterator[tuple[str, list[aws.ObjectVersion]]]:
    """Object versions that are to go altogether, by bucket.

    Args:
        plan: of the removal.
        cutoff: ISO 8601; uploads that came later belong to versions that stay.
    """
    lake = aws.lake()
    prefixes = [layout.entry(each.entry_id, each.version) for each in plan.versions]
    prefixes += [layout.embeddings(job_id) for job_id in plan.job_ids]
    found = aws.concurrently(lambda prefix: list(lake.versions(prefix)), prefixes)
    yield lake.bucket, [version for versions in found for version in versions]
    store = aws.ObjectStore(settings().require("landing_bucket"))
    originals = aws.concurrently(lambda each: _originals(each, plan, store, cutoff), plan.versions)
    yield store.bucket, list(dict.fromkeys(version for versions in originals for version in versions))


def noncurrent(plan: RemovalPlan, before: str = "") -> list[aws.ObjectVersion]:
    """Versions of the store's files, and of the backups concerned, that nobody reads any more.

    Args:
        plan: of the removal.
        before: ISO 8601; only those that are older. Commits go on, and what they leave behind holds nothing removed.
    """
    lake = aws.lake()
    prefixes = [layout.store_files(plan.store_id)]
    prefixes += [layout.vector_backup(plan.store_id, job_id) for job_id in plan.job_ids]
    found = aws.concurrently(lambda prefix: list(lake.versions(prefix)), prefixes)
    return [
        each
        for versions in found
        for each in versions
        if (not each.is_latest or each.is_delete_marker) and (not before or clock.timestamp(each.modified_at) < before)
    ]


def has_record(version: DoomedVersion) -> bool:
    """Whether the file that a record came with still holds it."""
    ref = version.origin
    if ref is None or not _is_kept_record(ref) or aws.lake().head(ref.key) is None:
        return False
    newest = ref.model_copy(update={"version_id": None})
    return bool(contents.read_lines([newest]).get(contents.line_of(newest), b"").strip())


def is_elsewhere(version: DoomedVersion) -> bool:
    """Whether the original lies where the lake only reads."""
    ref = version.origin
    return ref is not None and not _is_kept_record(ref) and not landing.is_landed(ref)


def _originals(
    version: DoomedVersion, plan: RemovalPlan, store: aws.ObjectStore, cutoff: str
) -> list[aws.ObjectVersion]:
    """Versions of an upload's object, wherever its ingestion has moved it."""
    ref = version.origin
    if ref is None or not landing.is_landed(ref):
        return []
    path = landing.below_zone(ref.key)
    own = {each.version for each in plan.versions if each.entry_id == version.entry_id}
    keys = [zone + path for zone in landing.ZONES] + [landing.archived(ref.key, each) for each in sorted(own)]
    found: list[aws.ObjectVersion] = []
    for key in keys:
        versions = [each for each in store.versions(key) if each.key == key]
        doomed = [
            each
            for each in versions
            if not each.is_delete_marker and _belongs(each, version, own, store.head(key, each.version_id), cutoff)
        ]
        found += doomed
        if len(doomed) == sum(not each.is_delete_marker for each in versions):
            found += [each for each in versions if each.is_delete_marker]
    return found


def _belongs(
    each: aws.ObjectVersion, version: DoomedVersion, own: set[str], head: dict[str, Any] | None, cutoff: str
) -> bool:
    if head is None:
        return False
    told = head.get("Metadata", {})
    if told.get("omnilake-version"):
        return told["omnilake-version"] in own
    same_source = contents.source_of(head) == (version.source if version.source_type == "source" else "")
    return same_source and clock.timestamp(each.modified_at) <= cutoff


def _is_kept_record(ref: ObjectRef) -> bool:
    """Whether the original is a line of a file that the lake keeps."""
    return ref.line is not None and ref.bucket == aws.lake().bucket


# --- taking it away ---------------------------------------------------------------------------------------------


def _redact(job_id: str, versions: Sequence[DoomedVersion]) -> int:
    """Take what an ingestion told of documents out of its batch and its job; the number of documents stays.

    Returns:
        How many older object versions were deleted.
    """
    gone = {(each.entry_id, each.version) for each in versions}
    origins = {(ref.bucket, ref.key, ref.line) for each in versions if (ref := each.origin)}
    lake, erased = aws.lake(), 0
    for stage in stages.STAGES:
        key = layout.batch(job_id, stage)
        if (batch := lake.find_model(key, Batch)) is not None:
            documents = [
                _nameless(document) if (document.entry_id, document.version) in gone else document
                for document in batch.documents
            ]
            if documents != batch.documents:
                lake.write_model(key, batch.model_copy(update={"documents": documents}))
            erased += _forget_earlier(key)
    key = layout.batch_insights(job_id)
    if (insights := lake.find_model(key, InsightsBatch)) is not None:
        kept = [each for each in insights.documents if (each.entry_id, each.version) not in gone]
        if len(kept) != len(insights.documents):
            lake.write_model(key, insights.model_copy(update={"documents": kept}))
        erased += _forget_earlier(key)
    key = layout.batch_manifest(job_id)
    if (manifest := lake.find_model(key, BatchManifest)) is not None:
        refs = [_keyless(ref) if (ref.bucket, ref.key, ref.line) in origins else ref for ref in manifest.documents]
        if refs != manifest.documents:
            lake.write_model(key, manifest.model_copy(update={"documents": refs}))
        erased += _forget_earlier(key)
    jobs.redact(job_id, {entry_id for entry_id, _ in gone})
    return erased


def _nameless(document: BatchDocument) -> BatchDocument:
    told = {"name": "", "source": "", "title": "", "metadata": {}, "ref": _keyless(document.ref)}
    return document.model_copy(update=told)


def _keyless(ref: ObjectRef) -> ObjectRef:
    return ObjectRef(bucket=ref.bucket, key="removed", line=ref.line)


def _forget_earlier(key: str) -> int:
    return aws.lake().erase([each for each in aws.lake().versions(key) if each.key == key and not each.is_latest])


def _blank_record(version: DoomedVersion) -> int:
    """Empty the line that a record was; the lines after it keep their numbers. A file without any record goes."""
    ref = version.origin
    if ref is None or ref.line is None or not _is_kept_record(ref):
        return 0
    store = aws.lake()
    head = store.head(ref.key)
    if head is not None:
        lines = list(contents.iterate_lines(ref.bucket, ref.key))
        if ref.line < len(lines) and lines[ref.line].strip():
            lines[ref.line] = b""
            _replace(store, ref.key, lines, str(head["ETag"]))
    there = [each for each in store.versions(ref.key) if each.key == ref.key]
    only_marker = any(each.is_latest and each.is_delete_marker for each in there)
    return store.erase([each for each in there if only_marker or not each.is_latest])


def _replace(store: aws.ObjectStore, key: str, lines: list[bytes], etag: str) -> None:
    if not any(line.strip() for line in lines):
        store.delete(key)
        return
    data = b"\n".join(lines) + b"\n"
    packed = gzip.compress(data, compresslevel=5, mtime=0) if key.endswith(".gz") else data
    try:
        store.write_over(key, packed, etag)
    except ClientError as error:
        if aws.error_code(error) not in {"PreconditionFailed", "ConditionalRequestConflict"}:
            raise
        raise TransientError("A file of records changed while one of them was taken out of it.") from error


def _release(job_id: str, plan: RemovalPlan, request: RemovalRequest) -> int:
    """Give up the claims of the versions. Other uploads of their content that stay are ingested now.

    Those uploads are written down before the claims go: whoever repeats this finds them. Of a whole archive none stays.
    """
    archive_id = request.archive_id
    lake, key = aws.lake(), layout.removal_part(job_id, "copies")
    earlier = lake.find_model(key, _Copies)
    noted = set(earlier.keys) if earlier else set()
    for version in plan.versions:
        noted |= set(entries.aliases(archive_id, version.content_hash, version.entry_id, version.version))
    lake.write_model(key, _Copies(keys=sorted(noted)))
    for version in plan.versions:
        noted |= set(entries.release_content(archive_id, version.content_hash, version.entry_id, version.version))
        if version.origin is not None:
            entries.forget_alias(archive_id, version.content_hash, version.origin.key)
            entries.forget_object(version.origin)
    staying = sorted(noted - {each.origin.key for each in plan.versions if each.origin is not None})
    if request.whole_archive:
        return 0
    for alias in staying:
        landing.return_to_incoming(settings().require("landing_bucket"), alias)
    return len(staying)


class _Copies(Model):
    """Landing keys of other uploads of what is removed."""

    keys: list[str]


class _Purge(Model):
    """A purge that has begun."""

    began_at: str
