"""From the queue of S3 events to executions: the messages of one poll become one batch per archive.

The execution's name is a hash of the batch's object versions, so a redelivered poll starts nothing twice; messages that
come again in another company are sorted out by the claims of ``register``.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field

from omnilake import aws, executions, jobs, layout
from omnilake.errors import InvalidStateInput, TransientError
from omnilake.handler import logger, metrics, parse_event
from omnilake.ingest.landing import archive_of
from omnilake.models import BY_UPLOAD, MAX_BATCH_DOCUMENTS, BatchManifest, JobKind, ObjectRef
from omnilake.queues import redeliver_soon
from omnilake.settings import settings


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Bucket(_Loose):
    name: str = Field(min_length=1)


class _Object(_Loose):
    key: str = Field(min_length=1)
    size: int = 0
    etag: str = ""
    version_id: str | None = Field(default=None, alias="version-id")
    sequencer: str = ""


class _Detail(_Loose):
    bucket: _Bucket
    object: _Object


class _ObjectCreated(_Loose):
    """EventBridge's "Object Created" event of S3."""

    source: str = Field(pattern="^aws.s3$")
    detail: _Detail


def parse_message(body: str) -> ObjectRef:
    """The object version that a queue message tells of.

    Raises:
        InvalidStateInput: it is not an S3 event.
    """
    try:
        content = json.loads(body)
    except ValueError as error:
        raise InvalidStateInput("The message is not JSON.") from error
    detail = parse_event(_ObjectCreated, content).detail
    return ObjectRef(
        bucket=detail.bucket.name,
        key=detail.object.key,
        version_id=detail.object.version_id,
        size=detail.object.size,
        etag=detail.object.etag,
        sequencer=detail.object.sequencer,
    )


def batches(refs: list[ObjectRef]) -> list[BatchManifest]:
    """Object versions grouped by archive, at most ``MAX_BATCH_DOCUMENTS`` each, without repetitions.

    The same set of object versions gives the same batches with the same job ids, in any order.
    """
    by_archive: dict[str, dict[tuple[str, str, str], ObjectRef]] = defaultdict(dict)
    for ref in refs:
        by_archive[archive_of(ref.key)][(ref.bucket, ref.key, ref.identity)] = ref
    manifests = []
    for archive_id, unique in sorted(by_archive.items()):
        ordered = [unique[identity] for identity in sorted(unique)]
        for first in range(0, len(ordered), MAX_BATCH_DOCUMENTS):
            documents = ordered[first : first + MAX_BATCH_DOCUMENTS]
            manifests.append(
                BatchManifest(job_id=_job_id(archive_id, documents), archive_id=archive_id, documents=documents)
            )
    return manifests


def start(manifest: BatchManifest) -> None:
    """Write the manifest, record the job, start the execution; each step may be repeated.

    Raises:
        ClientError, TransientError: a service did not take it; the messages go back to the queue.
    """
    machine = settings().require("ingest_machine_arn")
    aws.lake().write_model(layout.batch_manifest(manifest.job_id), manifest)
    jobs.create(
        manifest.job_id,
        JobKind.INGEST_DOCUMENT,
        manifest.archive_id,
        execution_arn=aws.execution_arn(machine, manifest.job_id),
        started_by=BY_UPLOAD,
        documents=len(manifest.documents),
    )
    executions.start_once(machine, manifest.job_id, {"job_id": manifest.job_id, "archive_id": manifest.archive_id})


def _job_id(archive_id: str, documents: list[ObjectRef]) -> str:
    digest = hashlib.sha256()
    for ref in documents:
        digest.update(json.dumps([ref.bucket, ref.key, ref.identity]).encode())
    return f"ingest-{jobs.name_part(archive_id)}-{digest.hexdigest()[:24]}"


def accept(records: list[dict[str, Any]]) -> list[str]:
    """Start executions for the messages of one poll.

    A message that is no S3 event fails alone: it goes back, and after its last receive to the dead-letter queue. When a
    batch can't be started, its messages go back. "Folders" that the S3 console makes (empty objects named ``…/``) hold
    no document; they are counted and left.

    Args:
        records: SQS records with ``messageId`` and ``body``.

    Returns:
        Message ids to be delivered again.
    """
    refs: dict[str, ObjectRef] = {}
    failed: list[str] = []
    for record in records:
        try:
            ref = parse_message(record["body"])
        except InvalidStateInput as error:
            logger.error(
                "message is not an S3 event", extra={"message_id": record["messageId"], "reason": error.message}
            )
            metrics.add_metric(name="PoisonMessages", unit=MetricUnit.Count, value=1)
            failed.append(record["messageId"])
            continue
        if ref.key.endswith("/") and ref.size == 0:
            metrics.add_metric(name="FolderMarkers", unit=MetricUnit.Count, value=1)
        else:
            refs[record["messageId"]] = ref
    for manifest in batches(list(refs.values())):
        try:
            start(manifest)
        except (ClientError, TransientError) as error:
            code = aws.error_code(error) if isinstance(error, ClientError) else error.code
            logger.error("batch not started", extra={"job_id": manifest.job_id, "error_code": code})
            members = {(ref.bucket, ref.key, ref.identity) for ref in manifest.documents}
            failed += [each for each, ref in refs.items() if (ref.bucket, ref.key, ref.identity) in members]
    redeliver_soon(settings().require("upload_queue_url"), [each for each in records if each["messageId"] in failed])
    return failed
