"""The client on the deployed stack: OmniLake's own example, as it stands in its README, and the typed surface."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from embedded_cloud import ROOT, Cloud, unique

from omnilake import cli
from omnilake.client.client import AsyncOmniLake, OmniLake
from omnilake.client.types import JobRecord
from omnilake.errors import ArchiveExists, ArchiveNotFound, InvalidFields
from omnilake.models import AnswerStatus, JobStatus

TEXT = "The gauge at pier seven is read every ninety seconds. Its battery lasts eleven days."
QUESTION = "How often is the gauge at pier seven read?"


@pytest.fixture(scope="module")
def lake(cloud: Cloud) -> Iterator[OmniLake]:
    with OmniLake() as connected:
        yield connected


@pytest.fixture(scope="module")
def archive(cloud: Cloud, lake: OmniLake) -> str:
    """An archive that holds one text."""
    archive_id = unique()
    lake.archives.create(archive_id, "Tides")
    assert cloud.ingest(archive_id, {"pier.md": TEXT})["pier.md"]["status"] == "COMPLETED"
    return archive_id


def readme_block() -> str:
    """The client's example in the README."""
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.S | re.M)
    return str(next(block for block in blocks if "request_definitions" in block))


class TestTheReadmesExample:
    def test_runs_unchanged_in_under_ten_seconds_and_its_question_is_answered(
        self, cloud: Cloud, lake: OmniLake
    ) -> None:
        with contextlib.suppress(ArchiveNotFound):
            for entry in lake.entries.list("my_archive"):  # of an earlier session: the cloud's state is kept
                lake.entries.delete("my_archive", entry.entry_id).completed()
        lake.health()
        printed, started = io.StringIO(), time.monotonic()
        with contextlib.redirect_stdout(printed):
            exec(compile(readme_block(), "README.md", "exec"), {})  # noqa: S102 (it is what people run)
        seconds = time.monotonic() - started
        entry_id, job_id = re.fullmatch(
            r"Entry added with ID: (\S+)\nInformation request submitted\. Job ID: (\S+)\n", printed.getvalue()
        ).groups()  # type: ignore[union-attr]
        assert seconds < 10
        assert entry_id
        assert lake.jobs.handle(job_id).wait(120).status is JobStatus.COMPLETED


class TestTheTypedSurface:
    def test_a_question_is_answered_with_a_citation_of_what_was_added(self, lake: OmniLake, archive: str) -> None:
        seen: list[JobRecord] = []
        handle = lake.ask(archive, QUESTION)
        record = handle.wait(120, seen.append)
        answer = handle.answer()
        assert (record.status, answer.status) == (JobStatus.COMPLETED, AnswerStatus.ANSWERED)
        assert "ninety seconds" in answer.text
        assert seen[-1] == record
        assert record.entered
        events = list(handle.events())
        assert events
        assert [event.sequence for event in events] == sorted(event.sequence for event in events)
        assert list(lake.jobs.events(handle.job_id, events[-1].sequence)) == []
        assert lake.requests.get(handle.job_id).request["question"] == QUESTION
        again = lake.requests.replay(handle.job_id).answer(120)
        assert again.content_hash == answer.content_hash
        assert lake.answers.diff(handle.job_id, again.job_id).identical
        cited = lake.answers.citation(handle.job_id, answer.citations[0].number)
        assert "ninety seconds" in cited.text

    def test_a_search_finds_what_was_added(self, lake: OmniLake, archive: str) -> None:
        found = lake.search(archive, QUESTION, evidence_limit=3)
        assert "ninety seconds" in found.results[0].text

    def test_lists_are_read_over_several_pages(self, lake: OmniLake, archive: str) -> None:
        handles = [lake.ask(archive, QUESTION) for _ in range(3)]
        for handle in handles:
            handle.wait(120)
        pages = lake.jobs.list(kind="answer_request", archive_id=archive).pages(size=2)
        found = [job.job_id for page in pages for job in page.items]
        assert {handle.job_id for handle in handles} <= set(found)
        assert len(found) == len(set(found))

    def test_the_same_key_is_one_job_and_another_body_under_it_is_refused(self, lake: OmniLake, archive: str) -> None:
        key = unique()
        first = lake.ask(archive, QUESTION, idempotency_key=key)
        assert lake.ask(archive, QUESTION, idempotency_key=key).job_id == first.job_id
        with pytest.raises(Exception, match="IDEMPOTENCY_MISMATCH"):
            lake.ask(archive, "Another?", idempotency_key=key)

    def test_errors_are_those_of_the_product(self, lake: OmniLake, archive: str) -> None:
        with pytest.raises(ArchiveNotFound):
            lake.archives.get(unique())
        with pytest.raises(ArchiveExists):
            lake.archives.create(archive, "Another description")
        with pytest.raises(InvalidFields) as raised:
            lake.ask(archive, QUESTION, colour="blue")
        assert [each["field"] for each in raised.value.details["errors"]] == ["colour"]

    def test_an_archive_is_changed_by_its_revision(self, lake: OmniLake) -> None:
        archive_id = unique()
        lake.archives.create(archive_id, "Before")
        assert lake.archives.update(archive_id, description="After").description == "After"
        with pytest.raises(Exception, match="REVISION_MISMATCH"):
            lake.archives.update(archive_id, etag='"stale"', description="Late")
        assert lake.archives.delete(archive_id) is None
        with pytest.raises(ArchiveNotFound):
            lake.archives.get(archive_id)

    def test_a_file_is_uploaded_by_presigned_post(self, lake: OmniLake, archive: str, tmp_path: Path) -> None:
        path = tmp_path / "buoy.md"
        path.write_text("# Buoy\n\nBuoy nine was replaced in May.\n")
        done = CliRunner().invoke(cli.cli, ["upload", archive, str(path)])
        assert done.exit_code == 0, done.output
        assert "1 completed" in done.output
        assert any(entry.name == "buoy.md" for entry in lake.entries.list(archive))

    def test_an_entry_is_read_updated_and_removed(self, lake: OmniLake, archive: str) -> None:
        job = lake.entries.add(archive, "Slack water lasts twenty minutes.")
        job.completed()
        assert lake.entries.content(archive, job.entry_id).text.startswith("Slack water")
        assert len(lake.entries.chunks(archive, job.entry_id).all()) == 1
        lake.entries.update(archive, job.entry_id, "Slack water lasts thirty minutes.").completed()
        assert len(lake.entries.versions(archive, job.entry_id).all()) == 2
        lake.entries.delete(archive, job.entry_id).completed()
        with pytest.raises(Exception, match="NOT_FOUND"):
            lake.entries.content(archive, job.entry_id)

    def test_the_asynchronous_client_does_the_same(self, cloud: Cloud, archive: str) -> None:
        async def main() -> tuple[str, str]:
            async with AsyncOmniLake() as connected:
                found, handle = await asyncio.gather(
                    connected.search(archive, QUESTION), connected.ask(archive, QUESTION)
                )
                return found.results[0].text, (await handle.answer(120)).text

        found, answered = asyncio.run(main())
        assert "ninety seconds" in found
        assert "ninety seconds" in answered


class TestTheCommandLine:
    def test_asks_and_draws_the_job(self, cloud: Cloud, archive: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "160")
        asked = CliRunner().invoke(cli.cli, ["ask", archive, QUESTION])
        assert asked.exit_code == 0, asked.output
        job_id = asked.output.rstrip().rpartition("job: ")[2]
        shown = CliRunner().invoke(cli.cli, ["jobs", "show", job_id])
        assert shown.exit_code == 0, shown.output
        for told in ("COMPLETED", "Compose Answer", "━", "whole job"):
            assert told in shown.output

    def test_the_doctor_finds_nothing_broken(self, cloud: Cloud) -> None:
        told = CliRunner().invoke(cli.cli, ["doctor"])
        assert "broken" not in told.output
        assert told.exit_code == 0, told.output
