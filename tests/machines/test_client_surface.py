"""The client's typed surface on the deployed stack: uploads, collections, sources, reindexing, jobs."""

from __future__ import annotations

import asyncio
import io
import json
import os
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from docx import Document
from embedded_cloud import Cloud, unique, wait_for
from gitlab_service import PROJECT, TOKEN, Project, gitlab
from machines import faults

from omnilake import aws, layout
from omnilake.client import request_definitions as definitions
from omnilake.client.client import AsyncOmniLake, OmniLake
from omnilake.client.types import UploadTarget
from omnilake.errors import JobEnded, OmniLakeError, SourceNotFound, SourceTypeNotFound
from omnilake.models import JobStatus

TEXT = "The gauge at pier seven is read every ninety seconds."
PART_BYTES = 16 * 1024 * 1024


@pytest.fixture(scope="module")
def lake(cloud: Cloud) -> Iterator[OmniLake]:
    with OmniLake() as connected:
        yield connected


@pytest.fixture
def archive(lake: OmniLake) -> str:
    return lake.archives.create(unique(), "Tides").archive_id


def large_document() -> bytes:
    """A document of two parts: a sentence, and pictures that nothing can be read of."""
    document, file = Document(), io.BytesIO()
    document.add_paragraph(TEXT)
    document.save(file)
    with zipfile.ZipFile(file, "a") as parts:
        parts.writestr("word/media/photo.bin", os.urandom(PART_BYTES + 1_000_000))
    return file.getvalue()


def manifest(cloud: Cloud, *lines: dict[str, Any] | str) -> str:
    """The address of a manifest of these lines."""
    bucket, key = cloud.outputs["LandingBucket"], f"lists/{unique()}.jsonl"
    told = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    aws.ObjectStore(bucket).write(key, "\n".join(told).encode())
    return f"s3://{bucket}/{key}"


def record(number: int) -> dict[str, Any]:
    return {
        "source_type": "logbook",
        "record_id": f"entry-{number}",
        "title": f"Entry {number}",
        "url": f"https://example.com/logbook/{number}",
        "text": f"The lamp of buoy {number} was changed.",
        "updated_at": "2026-03-01T10:00:00Z",
    }


class TestUploads:
    def test_a_large_file_goes_in_parts_and_becomes_an_entry(self, cloud: Cloud, lake: OmniLake, archive: str) -> None:
        data, sent = large_document(), list[int]()
        target = lake.entries.upload(archive, data, "gauge.docx", multipart=True, on_sent=sent.append)
        assert (len(target.parts), target.part_bytes) == (2, PART_BYTES)
        assert sent == [PART_BYTES, len(data) - PART_BYTES]
        (outcome,) = cloud.outcomes(archive, 1)
        assert (outcome["name"], outcome["status"]) == ("gauge.docx", "COMPLETED")
        assert TEXT in lake.entries.content(archive, target.entry_id).text
        assert lake.search(archive, "How often is the gauge read?").results[0].entry_id == target.entry_id

    def test_one_that_breaks_off_leaves_nothing(self, cloud: Cloud, lake: OmniLake, archive: str) -> None:
        def break_off(_: int) -> None:
            raise OSError("The disk was pulled out.")

        with pytest.raises(OSError, match="pulled out"):
            lake.entries.upload(archive, large_document(), "gauge.docx", multipart=True, on_sent=break_off)
        bucket, key = cloud.outputs["LandingBucket"], f"incoming/{archive}/gauge.docx"
        assert aws.client("s3").list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", []) == []
        assert aws.ObjectStore(bucket).head(key) is None
        assert lake.entries.list(archive).all() == []

    def test_parts_that_are_not_as_long_as_was_said_are_given_up(self, lake: OmniLake, archive: str) -> None:
        path = f"/v1/archives/{archive}/uploads"
        asked = {"name": "a.txt", "bytes": 100, "media_type": "text/plain", "multipart": True}
        target = UploadTarget.model_validate_json(lake.send("POST", path, body=asked).content)
        tag = httpx2.put(target.parts[0].url, content=b"too short").headers["etag"]
        for code in ("UPLOAD_INVALID", "UPLOAD_NOT_FOUND"):  # what was there is gone
            with pytest.raises(OmniLakeError) as raised:
                lake.send("POST", f"{path}/{target.upload_id}/complete", body={"parts": [{"number": 1, "etag": tag}]})
            assert raised.value.code == code

    @pytest.mark.parametrize(
        ("other", "status"),
        [
            ({"Content-Type": "text/html"}, 403),
            ({"key": "incoming/another-archive/a.md"}, 403),
            ({"x-amz-meta-omnilake-source": "https://example.com"}, 403),
            ({}, 204),
        ],
        ids=["content type", "key", "metadata", "as it was signed"],
    )
    def test_a_form_is_taken_as_it_was_signed_or_not_at_all(
        self, lake: OmniLake, archive: str, other: dict[str, str], status: int
    ) -> None:
        data = TEXT.encode()
        asked = {"name": "a.md", "bytes": len(data), "media_type": "text/markdown"}
        told = lake.send("POST", f"/v1/archives/{archive}/uploads", body=asked)
        target = UploadTarget.model_validate_json(told.content)
        sent = httpx2.post(target.url, data=target.fields | other, files={"file": ("a.md", data, "text/markdown")})
        assert sent.status_code == status, sent.text

    def test_a_file_that_grew_since_it_was_announced_is_refused(
        self, lake: OmniLake, archive: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        posted = lake.post_file
        monkeypatch.setattr(lake, "post_file", lambda target, data, *rest: posted(target, data + b" And more.", *rest))
        with pytest.raises(OmniLakeError) as raised:
            lake.entries.upload(archive, TEXT.encode(), "a.md")
        assert raised.value.code == "DOCUMENT_TOO_LARGE"


class TestCollections:
    def test_what_failed_is_told_and_retried(self, cloud: Cloud, lake: OmniLake, archive: str) -> None:
        job = lake.collections.start(archive, manifest=manifest(cloud, record(1), "{ no json", record(2)))
        ended = job.completed(240)
        assert (ended.progress["completed"], ended.progress["failed"]) == (2, 1)
        failed = [each for each in job.items() if each.error]
        assert [each.error.code for each in failed if each.error] == ["RECORD_INVALID"]
        assert {event.kind for event in job.events()} >= {"created", "state", "ended"}
        again = job.retry()
        assert again.job_id != job.job_id
        assert again.wait(240).status is JobStatus.FAILED  # the line is still no JSON
        with pytest.raises(OmniLakeError):
            again.completed()

    def test_one_that_was_stopped_is_redriven(self, cloud: Cloud, lake: OmniLake, archive: str) -> None:
        with faults.hanging(cloud, "PlanCollectionFunction"):
            job = lake.collections.start(archive, manifest=manifest(cloud, record(1)))
            cloud.in_state(lambda: [cloud.deployment.job(job.job_id)], "Plan Collection")
            aws.client("stepfunctions").stop_execution(executionArn=job.record().execution_arn)
            assert job.wait(120).status is JobStatus.FAILED
        assert job.redrive().completed(240).progress["completed"] == 1

    def test_one_that_was_cancelled_is_not(self, cloud: Cloud, lake: OmniLake, archive: str) -> None:
        with faults.hanging(cloud, "PlanCollectionFunction"):
            job = lake.collections.start(archive, manifest=manifest(cloud, record(1)))
            cloud.in_state(lambda: [cloud.deployment.job(job.job_id)], "Plan Collection")
            assert job.cancel().status is JobStatus.CANCELLED
        assert job.wait(60).status is JobStatus.CANCELLED
        for again in (job.cancel, job.redrive):
            with pytest.raises(JobEnded):
                again()
        assert lake.entries.list(archive).all() == []


class TestSources:
    def test_types_are_declared_and_forgotten(self, lake: OmniLake) -> None:
        name = unique("wiki-")
        made = lake.source_types.create(name, ["space", "page"], "Pages of a wiki")
        assert lake.source_types.get(name) == made
        assert {"gitlab", "slack", "website", name} <= {each.name for each in lake.source_types.list()}
        lake.source_types.delete(name)
        with pytest.raises(SourceTypeNotFound):
            lake.source_types.get(name)

    def test_a_source_is_synced_listed_and_forgotten(self, lake: OmniLake, archive: str) -> None:
        project = Project()
        project.put(1, "Night ferry", "2026-06-01T10:00:00Z", description="It leaves from pier seven.")
        secret = unique("omnilake/sources/")
        aws.client("secretsmanager").create_secret(Name=secret, SecretString=TOKEN)
        with gitlab(project) as api:
            config = {"base_url": api.url, "project": PROJECT, "list_every": 1, "merge_requests": False}
            source = lake.sources.put(archive, "gitlab", config, secret_name=secret, schedule="")
            assert [each.source_id for each in lake.sources.list(archive)] == [source.source_id]
            job = lake.sources.sync(source.source_id)
            assert job.completed(240).progress["records"] == 1
            wait_for(lambda: lake.entries.list(archive).all(), "the issue's entry")
            assert lake.sources.get(source.source_id).cursors
            assert lake.sources.sync(source.source_id, full=True).completed(240).status is JobStatus.COMPLETED
        lake.sources.delete(source.source_id)
        with pytest.raises(SourceNotFound):
            lake.sources.get(source.source_id)
        assert len(lake.entries.list(archive).all()) == 1


class TestEntriesAndReindexing:
    def test_new_settings_hold_for_what_is_there_after_a_reindexing(self, lake: OmniLake, archive: str) -> None:
        text = "\n\n".join(f"Buoy {number} off Selmere has a lamp that was changed in May." for number in range(40))
        added = lake.entries.add(archive, text, sources=["https://example.com/buoys"])
        added.completed(120)
        before = len(lake.entries.chunks(archive, added.entry_id).all())
        lake.archives.update(archive, chunking={"max_tokens": 64, "overlap_tokens": 0})
        lake.archives.reindex(archive).completed(240)
        after = lake.entries.chunks(archive, added.entry_id).all()
        assert len(after) > before
        assert max(chunk.tokens for chunk in after) <= 64
        assert len(lake.entries.versions(archive, added.entry_id).all()) == 1

    def test_an_update_from_a_revision_that_is_no_longer_is_refused(self, lake: OmniLake, archive: str) -> None:
        added = lake.entries.add(archive, TEXT)
        added.completed(120)
        path = f"/v1/archives/{archive}/entries/{added.entry_id}"
        tag = lake.send("GET", path).headers["etag"]
        lake.entries.update(archive, added.entry_id, "It is read hourly.", etag=tag).completed(120)
        with pytest.raises(OmniLakeError) as raised:
            lake.entries.update(archive, added.entry_id, "It is read daily.", etag=tag)
        assert raised.value.code == "REVISION_MISMATCH"
        assert lake.entries.content(archive, added.entry_id).text == "It is read hourly."


class TestWhatIsMoreThanAResponseHolds:
    """Lambda hands over 6 MB. The objects are made that large in the lake: to ingest them would take long."""

    def test_a_text_is_read_in_parts(self, lake: OmniLake, archive: str) -> None:
        added = lake.entries.add(archive, TEXT)
        added.completed(120)
        version = lake.entries.get(archive, added.entry_id).version
        text = "漢字\n\U0001f9ad" * 400_000
        aws.lake().write(layout.entry_text(added.entry_id, version), text.encode())
        found = ""
        while len(found) < len(text):
            part = lake.entries.content(archive, added.entry_id, start=len(found))
            assert (part.start, part.end, part.total) == (len(found), len(found) + len(part.text), len(text))
            assert part.text
            found += part.text
        assert found == text
        whole = lake.get_entry(definitions.GetEntry(added.entry_id)).response_body
        assert text.startswith(whole["content"])
        assert whole["total"] == len(text)

    def test_an_answer_and_its_prompt_are_fetched_from_where_they_lie(self, lake: OmniLake, archive: str) -> None:
        lake.entries.add(archive, TEXT).completed(120)
        job = lake.ask(archive, "How often is the gauge read?", deliver="prompt")
        answer = job.answer(120)
        large = answer.model_copy(update={"reasons": ["漢" * 1_000] * 1_200})
        aws.lake().write_model(job.record().result_key, large)
        assert lake.answers.get(job.job_id) == large
        prompt = lake.answers.prompt(job.job_id) | {"more": "x" * 7_000_000}
        aws.lake().write(answer.prompt_key, json.dumps(prompt).encode())
        assert lake.answers.prompt(job.job_id) == prompt


def test_the_asynchronous_client_uploads_follows_and_removes(cloud: Cloud, archive: str) -> None:
    async def main() -> tuple[list[str], list[str], int]:
        async with AsyncOmniLake() as lake:
            one, two = await asyncio.gather(lake.entries.add(archive, TEXT), lake.entries.add(archive, "Fog at six."))
            told = [event.kind async for event in one.events()]
            await two.completed(120)
            target = await lake.entries.upload(archive, large_document(), "gauge.docx", multipart=True)
            listed = [entry.status async for entry in lake.entries.list(archive)]
            for entry_id in (one.entry_id, two.entry_id):
                await (await lake.entries.delete(archive, entry_id)).completed(120)
            return told, listed, len(target.parts)

    told, listed, parts = asyncio.run(main())
    assert (told[0], told[-1], parts) == ("created", "ended", 2)
    assert listed.count("COMPLETED") >= 2
    (outcome,) = [each for each in cloud.outcomes(archive, 3) if each["name"] == "gauge.docx"]
    assert outcome["status"] == "COMPLETED"
