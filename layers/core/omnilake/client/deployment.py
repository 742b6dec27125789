"""One deployed stack below its API: functions, buckets and tables. For operators, tests and benchmarks."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError
from pydantic import TypeAdapter

from omnilake import aws, entries, jobs, layout, sources
from omnilake.answering.configuring import Action, ConfigurationState
from omnilake.calling import remote_error
from omnilake.client.uploading import Upload
from omnilake.connectors.protocol import Problem
from omnilake.errors import EntryNotFound, JobNotFound, SourceNotFound, StageFailed
from omnilake.ingest import landing, stages
from omnilake.ingest.collections import FailedItem
from omnilake.models import (
    ENDED,
    Answer,
    Archive,
    Batch,
    DocumentStatus,
    Insights,
    Job,
    JobKind,
    JobStatus,
    Source,
)
from omnilake.settings import Settings
from omnilake.syncing.parts import Manifest
from omnilake.syncing.starting import SyncStart

_POLL_SECONDS = (0.05, 0.5)
_FIELDS = TypeAdapter(dict[str, Any])


class Deployment:
    """A stack of ``template.yaml``.

    Args:
        stack_name: its CloudFormation name. Endpoint, region and credentials come from the environment, as the AWS
            SDKs define it.
    """

    def __init__(self, stack_name: str = "omnilake") -> None:
        self.stack_name = stack_name

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs by name.

        Raises:
            StageFailed: there is no such stack, or it can't be read with these credentials.
        """
        try:
            stacks = aws.client("cloudformation").describe_stacks(StackName=self.stack_name)["Stacks"]
        except ClientError as error:
            raise StageFailed(
                f"The stack {self.stack_name} can't be read: {aws.error_code(error)}.",
                action="Deploy it (sam build && sam deploy), or start the embedded cloud (omnilake local up).",
            ) from error
        return {each["OutputKey"]: each["OutputValue"] for each in stacks[0].get("Outputs", [])}

    def create_archive(self, archive_id: str, description: str = "", **definition: Any) -> Archive:
        """Create an archive and its store; an identical one may exist already.

        Args:
            definition: further fields of :class:`~omnilake.archives.ArchiveDefinition`, such as
                ``chunking={"kind": "fixed", "max_tokens": 128}``.

        Raises:
            ArchiveExists, InvalidArchive: as their codes say.
        """
        event = {"archive_id": archive_id, "description": description} | definition
        return Archive.model_validate(self._invoke("CreateArchiveFunction", event))

    def upload(
        self, archive_id: str, uploads: Sequence[Upload], on_uploaded: Callable[[Upload], None] = lambda _: None
    ) -> None:
        """Put files into the landing bucket, eight at a time; their arrival starts their ingestion."""
        bucket = aws.client("s3")

        def put(upload: Upload) -> None:
            key = f"{landing.INCOMING}{archive_id}/{upload.name}"
            told = {name.lower(): quote(value, safe=" /:+") for name, value in upload.metadata.items()}
            bucket.upload_file(str(upload.path), self.outputs["LandingBucket"], key, ExtraArgs={"Metadata": told})
            on_uploaded(upload)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, uploads))

    def start_collection(self, archive_id: str, *, prefix: str = "", manifest: str = "") -> str:
        """Ingest what lies below a prefix, or what a manifest lists (``s3://…`` each); returns the job id at once.

        Raises:
            ArchiveNotFound, InvalidCollection: as their codes say.
        """
        fields = {"archive_id": archive_id, "prefix": prefix, "manifest": manifest}
        return str(self._invoke("StartCollectionFunction", {"request": fields})["job_id"])

    def retry(self, job_id: str) -> str:
        """Ingest again what failed of an ended ingestion or collection; returns the new job's id.

        Raises:
            JobNotFound, InvalidCollection: as their codes say.
        """
        return str(self._invoke("StartCollectionFunction", {"retry": job_id})["job_id"])

    def redrive(self, job_id: str) -> None:
        """Let the execution of a failed collection go on where it ended.

        Raises:
            JobNotFound, InvalidCollection: as their codes say.
        """
        self._invoke("RedriveCollectionFunction", {"job_id": job_id})

    def failed_items(self, job_id: str) -> list[FailedItem]:
        """Documents of an ended ingestion or collection that failed, with their reasons. Raises ``JobNotFound``."""
        job = self.job(job_id)
        lake = aws.ObjectStore(self.outputs["LakeBucket"])
        if job.kind in {JobKind.INGEST_COLLECTION, JobKind.REINDEX_ARCHIVE}:
            return list(lake.find_models(layout.collection_part(job_id, "failed"), FailedItem))
        batch = lake.find_model(layout.batch(job_id, stages.PUBLISHED), Batch)
        return [
            FailedItem(ref=each.ref, name=each.name, entry_id=each.entry_id, job_id=job_id, error=each.error)
            for each in (batch.documents if batch else [])
            if each.status is DocumentStatus.FAILED and each.error
        ]

    def entries(self, archive_id: str, statuses: Iterable[DocumentStatus]) -> Iterator[dict[str, Any]]:
        """Registry items of an archive's entry versions, by status, the latest first."""
        table = aws.Table(self.outputs["EntriesTable"])
        for status in statuses:
            yield from table.query(
                IndexName=entries.BY_ARCHIVE_STATUS,
                KeyConditionExpression="archive_status = :archive_status",
                ExpressionAttributeValues={":archive_status": f"{archive_id}#{status.value}"},
                ScanIndexForward=False,
            )

    def entry(self, archive_id: str, name: str) -> list[dict[str, Any]]:
        """Registry items of all versions of an entry, the newest first.

        Args:
            archive_id: its archive.
            name: its name (path below the archive), or its entry id.

        Raises:
            EntryNotFound: the archive has none of that name.
        """
        table = aws.Table(self.outputs["EntriesTable"])
        for entry_id in (name, entries.entry_id_of(archive_id, landing.SOURCE_TYPE, name)):
            found = table.query(
                KeyConditionExpression="entry_id = :entry_id",
                ExpressionAttributeValues={":entry_id": entry_id},
                ScanIndexForward=False,
            )
            if versions := [item for item in found if item["archive_id"] == archive_id]:
                return versions
        for item in self.entries(archive_id, DocumentStatus):  # its identity may be another than its name
            if item["name"] == name:
                return self.entry(archive_id, item["entry_id"])
        raise EntryNotFound(f"The archive {archive_id} has no entry of that name.")

    def insights(self, entry_id: str, version: str) -> Insights | None:
        """What was extracted of an entry version as a whole, None when nothing was."""
        lake = aws.ObjectStore(self.outputs["LakeBucket"])
        return lake.find_model(layout.entry_insights(entry_id, version), Insights)

    def ingestions(self, archive_id: str, since: str) -> Iterator[Job]:
        """Ingestion jobs of an archive that started at or after a time (ISO 8601), in any status."""
        for job in self.jobs([JobKind.INGEST_DOCUMENT], list(JobStatus), since=since):
            if job.archive_id == archive_id:
                yield job

    def jobs(self, kinds: Iterable[JobKind], statuses: Iterable[JobStatus], since: str = "") -> Iterator[Job]:
        """Jobs of some kinds and statuses, the newest of each pair first."""
        table = aws.Table(self.outputs["JobsTable"])
        for kind, status in itertools.product(kinds, statuses):
            items = table.query(
                IndexName=jobs.BY_KIND_STATUS,
                KeyConditionExpression="kind_status = :kind_status AND created_at >= :since",
                ExpressionAttributeValues={":kind_status": f"{kind.value}#{status.value}", ":since": since or "0"},
                ScanIndexForward=False,
            )
            yield from map(jobs.from_item, items)

    def outcomes(self, archive_id: str, since: str) -> Iterator[dict[str, Any]]:
        """What ended ingestion jobs of an archive, started at or after a time (ISO 8601), say of each document."""
        for job in self.ingestions(archive_id, since):
            if job.status in ENDED:
                yield from job.documents

    def follow_ingestion(
        self, archive_id: str, names: Iterable[str], since: str, timeout_s: float = 1_800
    ) -> Iterator[dict[str, dict[str, Any]]]:
        """Outcomes of uploaded documents by name, again and again as they come in, until all have one.

        Raises:
            TimeoutError: some have none after ``timeout_s`` seconds.
        """
        wanted = set(names)
        deadline = time.monotonic() + timeout_s
        while True:
            outcomes = {
                document["name"]: document
                for document in self.outcomes(archive_id, since)
                if document["name"] in wanted and not _taken_elsewhere(document)
            }
            yield outcomes
            if len(outcomes) == len(wanted):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(wanted) - len(outcomes)} documents have no outcome after {timeout_s:.0f} s.")
            time.sleep(_POLL_SECONDS[1])

    def put_source(
        self,
        archive_id: str,
        source_type: str,
        config: dict[str, Any],
        secret_name: str = "",
        schedule: str = sources.DEFAULT_SCHEDULE,
    ) -> Source:
        """Define a source of an archive, or change one of the same identity.

        Args:
            archive_id: where its content goes.
            source_type: slack, gitlab, …
            config: of that type (docs/connectors.md).
            secret_name: of AWS Secrets Manager; empty: it needs none.
            schedule: an expression of EventBridge Scheduler; empty: only on demand.

        Raises:
            SourceError, ArchiveNotFound: as their codes say.
        """
        event = {
            "archive_id": archive_id,
            "source_type": source_type,
            "config": config,
            "secret_name": secret_name,
            "schedule": schedule,
        }
        return Source.model_validate(self._invoke("PutSourceFunction", event))

    def source(self, source_id: str) -> Source:
        """One source. Raises ``SourceNotFound``."""
        item = aws.Table(self.outputs["SourcesTable"]).get(sources.definition_key(source_id))
        if item is None:
            raise SourceNotFound(f"There is no source {source_id!r}.")
        return sources.from_item(item)

    def sync(self, source_id: str, full: bool = False) -> SyncStart:
        """Start a sync of a source now; nothing happens while one runs.

        Args:
            source_id: the source.
            full: read it from its beginning.

        Raises:
            SourceNotFound: there is none of that id.
        """
        event = {"source_id": source_id, "full": full}
        return SyncStart.model_validate(self._invoke("StartSyncFunction", event))

    def sync_problems(self, job: Job) -> Iterator[Problem]:
        """What a completed sync left out, with reasons."""
        lake = aws.ObjectStore(self.outputs["LakeBucket"])
        manifest = lake.read_model(job.result_key, Manifest)
        return lake.iterate_models(manifest.problems_key, Problem) if manifest.problems_key else iter(())

    def delete_source(self, source_id: str) -> None:
        """Forget a source, its schedule and its cursors; what was ingested of it stays.

        Raises:
            SourceNotFound: there is none of that id.
            SourceError: a sync of it runs.
        """
        self._invoke("DeleteSourceFunction", {"source_id": source_id})

    def submit(
        self, archives: str | Sequence[str], question: str, *, idempotency_key: str | None = None, **options: Any
    ) -> str:
        """Ask archives a question; returns the job id at once.

        Args:
            archives: one, or several.
            question: in any language.
            idempotency_key: the same request under the same key is one job; without one, each call is its own.
            options: further fields of :class:`~omnilake.models.InformationRequest`, as JSON or as models:
                ``filters=[{"field": "page", "operator": "ge", "value": 4}]``, ``max_cost=0.05`` …

        Raises:
            InvalidRequest: it is too large, or no JSON.
        """
        asked = [archives] if isinstance(archives, str) else [*archives]
        return self._submit(
            {"archives": asked, "question": question, **_FIELDS.dump_python(options, mode="json")}, idempotency_key
        )

    def replay(self, job_id: str) -> str:
        """Answer a request again from what was recorded of it: no retrieval, no model. Returns the new job's id.

        The new answer's ``content_hash`` is that of the first where everything is still there. A replay of a replay
        repeats the first answer.

        Raises:
            JobNotFound: there is no such job.
        """
        request = self.request(job_id)
        origin = request.get("replay_of") or job_id
        again = request if origin == job_id else self.request(origin)
        own = {"destination_archive", "forked_from"}
        kept = {name: value for name, value in again.items() if name not in own}
        return self._submit({**kept, "replay_of": origin}, None)

    def fork(self, job_id: str, **changes: Any) -> str:
        """Ask a request again with something changed; returns the new job's id.

        Its configuration is the recorded one, and with the same ``as_of`` its evidence too; models are called anew.

        Args:
            job_id: of the answer to go on from.
            changes: fields of ``InformationRequest``; models of ``providers`` come over those of the first request.

        Raises:
            JobNotFound: there is no such job.
        """
        request = self.request(job_id)
        origin = request.pop("replay_of", "") or job_id
        request.pop("destination_archive", None)
        told = _FIELDS.dump_python(changes, mode="json")
        if "providers" in told:
            told["providers"] = {**request.get("providers", {}), **told["providers"]}
        return self._submit({**request, **told, "forked_from": origin}, None)

    def request(self, job_id: str) -> dict[str, Any]:
        """A request as it was submitted.

        Raises:
            JobNotFound: no job of that id answers a request.
        """
        stored = aws.ObjectStore(self.outputs["LakeBucket"]).find(layout.request(job_id))
        if stored is None:
            raise JobNotFound(f"There is no request of a job {job_id}.")
        told: dict[str, Any] = json.loads(stored)
        return told

    def _submit(self, request: dict[str, Any], idempotency_key: str | None) -> str:
        key = {"idempotency_key": idempotency_key} if idempotency_key else {}
        return str(self._invoke("SubmitRequestFunction", {"request": request, **key})["job_id"])

    def configuration(self) -> ConfigurationState:
        """The configuration of answering in force.

        Raises:
            InvalidConfiguration: the deployment's own can't be read.
        """
        return self._configure(Action.SHOW)

    def put_configuration(self, configuration: dict[str, Any]) -> ConfigurationState:
        """Check a configuration and put it in force from the next request on.

        Raises:
            InvalidConfiguration: it would not work here; names the places.
        """
        return self._configure(Action.PUT, configuration)

    def _configure(self, action: Action, configuration: dict[str, Any] | None = None) -> ConfigurationState:
        event = {"action": action.value, "configuration": configuration or {}}
        return ConfigurationState.model_validate(self._invoke("ConfigureAnsweringFunction", event))

    def job(self, job_id: str) -> Job:
        """The record of a job. Raises ``JobNotFound``."""
        item = aws.Table(self.outputs["JobsTable"]).get({"job_id": job_id})
        if item is None:
            raise JobNotFound(f"There is no job {job_id}.")
        return jobs.from_item(item)

    def wait(self, job_id: str, timeout_s: float = 900) -> Job:
        """The record of a job once it has ended, however it did.

        Raises:
            JobNotFound: there is none of that id.
            TimeoutError: it has not ended after ``timeout_s`` seconds.
        """
        deadline = time.monotonic() + timeout_s
        pause = _POLL_SECONDS[0]
        while (job := self.job(job_id)).status not in ENDED:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Job {job_id} is {job.status} in {job.state!r} after {timeout_s:.0f} s.")
            time.sleep(pause)
            pause = min(pause * 1.3, _POLL_SECONDS[1])
        return job

    def answer(self, job: Job) -> Answer:
        """The answer of a completed request."""
        lake = aws.ObjectStore(self.outputs["LakeBucket"])
        return lake.read_model(job.result_key or layout.answer_part(job.job_id, "answer"), Answer)

    def prompt(self, answer: Answer) -> dict[str, Any]:
        """The assembled prompt, with its evidence, that a request asked for in place of an answer."""
        told: dict[str, Any] = json.loads(aws.ObjectStore(self.outputs["LakeBucket"]).read(answer.prompt_key))
        return told

    def settings(self, **values: Any) -> Settings:
        """Settings with the names of this deployment's buckets and tables, to use the product's rooms from outside."""
        names = {
            "lake_bucket": "LakeBucket",
            "landing_bucket": "LandingBucket",
            "archives_table": "ArchivesTable",
            "entries_table": "EntriesTable",
            "registrations_table": "RegistrationsTable",
            "stores_table": "StoresTable",
            "jobs_table": "JobsTable",
            "sources_table": "SourcesTable",
            "event_bus": "EventBus",
        }
        return Settings.model_validate({name: self.outputs[output] for name, output in names.items()} | values)

    def _invoke(self, output: str, event: dict[str, Any]) -> dict[str, Any]:
        answer = aws.client("lambda").invoke(FunctionName=self.outputs[output], Payload=json.dumps(event).encode())
        payload: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise remote_error(payload)
        return payload


def _taken_elsewhere(document: dict[str, Any]) -> bool:
    """Whether another execution has this object version, whose outcome is then the document's."""
    return document["status"] == DocumentStatus.DUPLICATE and not document.get("duplicate_of")
