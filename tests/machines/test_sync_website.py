"""A website becomes answers: crawl, ingestion, question, a citation that names the page; then the site changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from any_site import Answer, Site, any_site
from embedded_cloud import PATIENCE_S, Cloud

from omnilake.models import AnswerStatus, Job, JobStatus

LOCK = "The sea lock of Selmere closes when the wind exceeds 24 metres per second."
QUESTION = "When does the sea lock of Selmere close?"


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of three pages."""
    with any_site() as running:
        running.pages |= {
            "/robots.txt": Answer("User-agent: *\nDisallow: /private\n", media_type="text/plain"),
            "/": running.page("Harbour", "/lock", "/berths", "/private/fees", "/plan.pdf"),
            "/lock": running.page("Lock", text=LOCK),
            "/berths": running.page("Berths", text="The harbour has nine berths, and berth four takes long ships."),
            "/private/fees": running.page("Fees"),
            "/plan.pdf": Answer(b"%PDF-1.7", media_type="application/pdf"),
        }
        yield running


def synced(cloud: Cloud, source_id: str) -> Job:
    """The job of a sync, once it is complete."""
    job = cloud.deployment.wait(cloud.deployment.sync(source_id).job_id, timeout_s=2 * PATIENCE_S)
    assert job.status is JobStatus.COMPLETED, job.error
    return job


def test_a_site_is_crawled_asked_and_followed(cloud: Cloud, site: Site) -> None:
    archive_id = cloud.archive()
    config = {"start_url": site.url, "delay_s": 0}
    source = cloud.deployment.put_source(archive_id, "website", config, schedule="")

    job = synced(cloud, source.source_id)
    assert not any(path.startswith("/private") for path in site.paths)
    reasons = [problem.reason for problem in cloud.deployment.sync_problems(job)]
    assert any("robots.txt" in reason for reason in reasons)
    assert any("application/pdf" in reason for reason in reasons)
    _, answer = cloud.ask(archive_id, QUESTION)
    assert answer.status is AnswerStatus.ANSWERED
    assert f"{site.url}/lock" in {citation.source for citation in answer.citations}
    assert cloud.misquotes(answer) == []
    rows = len(cloud.rows(archive_id))

    again = synced(cloud, source.source_id)
    assert again.progress["records"] == 0
    assert len(cloud.rows(archive_id)) == rows

    del site.pages["/lock"]
    last = synced(cloud, source.source_id)
    assert last.progress["deleted"] == 1
    _, answer = cloud.ask(archive_id, QUESTION)
    assert f"{site.url}/lock" not in {citation.source for citation in answer.citations}
