"""Embedding by a provider behind an API: what a used-up quota and an unusable vector come to on a deployed stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import any_provider
import pytest
from any_provider import Answer, Call, Provider, packed
from embedded_cloud import Cloud, entered, unique

from omnilake import aws, layout
from omnilake.embedding.report import EmbedReport
from omnilake.models import Job

MODEL = "openai/text-embedding-3-small@256"
QUOTA = Answer(429, {}, {"Retry-After": "2"})


@pytest.fixture(scope="module")
def server(cloud: Cloud) -> Iterator[Provider]:
    """A provider that the deployed functions talk to."""
    with any_provider.serving(any_provider.openai) as served, ExitStack() as settings:
        options = json.dumps({"endpoints": {"openai": [served.url]}, "limits": {"openai": {}}})
        for function in ("EmbedBatchFunction", "PlanRetrievalFunction"):
            settings.enter_context(cloud.setting(function, "OMNILAKE_EMBEDDING_OPTIONS", options))
        yield served


@pytest.fixture
def archive(cloud: Cloud, server: Provider) -> str:
    """An empty archive in the provider's space."""
    server.usual = any_provider.openai
    server.calls.clear()
    return cloud.deployment.create_archive(unique(), embedding_model=MODEL).archive_id


def note(word: str = "") -> str:
    """A text that no other test has, so that no cache knows it."""
    return f"The harbour master keeps note {unique()} {word} in the third drawer of the green desk."


def only_ingestion(cloud: Cloud, archive_id: str) -> Job:
    (job,) = cloud.ingestions(archive_id)
    assert cloud.execution_of(job)["status"] == "SUCCEEDED"
    return job


def test_a_batch_waits_for_its_providers_quota_and_goes_on(cloud: Cloud, server: Provider, archive: str) -> None:
    server.script.append(QUOTA)
    outcome = cloud.ingest(archive, {"note.txt": note()})["note.txt"]

    assert outcome["status"] == "COMPLETED"
    job = only_ingestion(cloud, archive)
    states = entered(cloud.history(job.execution_arn))
    assert (states.count("Await Quota"), states.count("Embed Batch")) == (1, 2)
    assert len(server.calls) == 2
    assert len(cloud.rows(archive)) == outcome["chunks"]
    usage = aws.lake().read_model(layout.embed_report(job.job_id, 0), EmbedReport).usage
    assert usage.input_tokens > 0
    assert job.progress["embedding_tokens"] == usage.input_tokens


def test_the_same_text_in_another_archive_calls_nobody(cloud: Cloud, server: Provider, archive: str) -> None:
    text = note()
    assert cloud.ingest(archive, {"note.txt": text})["note.txt"]["status"] == "COMPLETED"
    calls = len(server.calls)
    other = cloud.deployment.create_archive(unique(), embedding_model=MODEL).archive_id
    assert cloud.ingest(other, {"note.txt": text})["note.txt"]["status"] == "COMPLETED"
    assert len(server.calls) == calls > 0
    states = entered(cloud.history(only_ingestion(cloud, other).execution_arn))
    assert "Await Quota" not in states


def test_only_the_document_whose_vector_is_unusable_fails(cloud: Cloud, server: Provider, archive: str) -> None:
    def poisoned(call: Call) -> Answer:
        answer = any_provider.openai(call)
        for each in answer.body["data"]:
            if "poison" in call.body["input"][each["index"]]:
                each["embedding"] = packed([float("nan")] * 256)
        return answer

    server.usual = poisoned
    outcomes = cloud.ingest(archive, {"good.txt": note(), "bad.txt": note("poison"), "fine.txt": note()})

    assert {name: each["status"] for name, each in outcomes.items()} == {
        "good.txt": "COMPLETED", "bad.txt": "FAILED", "fine.txt": "COMPLETED",
    }  # fmt: skip
    assert outcomes["bad.txt"]["error"]["code"] == "EMBEDDING_REJECTED"
    completed = {outcomes[name]["entry_id"] for name in ("good.txt", "fine.txt")}
    assert {row["entry_id"] for row in cloud.rows(archive)} == completed
    assert f"failed/{archive}/bad.txt" in cloud.objects(f"failed/{archive}/")


def test_a_question_waits_for_the_provider_that_embeds_it(cloud: Cloud, server: Provider, archive: str) -> None:
    assert cloud.ingest(archive, {"note.txt": note()})["note.txt"]["status"] == "COMPLETED"
    server.script.append(QUOTA)
    job, _ = cloud.ask(archive, "In which drawer does the harbour master keep the note?")

    states = entered(cloud.history(job.execution_arn))
    assert (states.count("Await Quota"), states.count("Plan Retrieval")) == (1, 2)


def test_a_provider_that_refuses_the_key_fails_the_batch_with_its_reason(
    cloud: Cloud, server: Provider, archive: str
) -> None:
    server.usual = lambda _: Answer(401, {})
    outcome = cloud.ingest(archive, {"note.txt": note()})["note.txt"]

    assert (outcome["status"], outcome["error"]["code"]) == ("FAILED", "PROVIDER_REJECTED")
    (job,) = cloud.ingestions(archive)
    assert job.error is not None
    assert (job.error.code, "401" in job.error.message) == ("PROVIDER_REJECTED", True)
