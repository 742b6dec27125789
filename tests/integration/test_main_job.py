"""Documents in, a checked answer out: the whole chain on the embedded cloud, from the S3 event to the citations."""

from __future__ import annotations

import time

import pytest
from embedded_cloud import Cloud, entered, payloads, unique

from omnilake import aws, entries, layout
from omnilake.models import AnswerStatus, DocumentStatus, JobStatus
from omnilake_local import logs
from omnilake_local.errors import LocalCloudError

HANDBOOK = """# Harbour handbook

## Berths

The harbour of Selmere has nine berths. Berth four takes ships of up to 210 metres.
Every ship must announce its arrival at least six hours ahead by radio on channel 12.

## Lock

The sea lock closes when the wind exceeds 24 metres per second. The lock keeper decides alone, and writes the time into
the lock book. After a closure the lock opens again once the wind has stayed below 20 metres per second for an hour.

## Pilots

Ships longer than 90 metres take a pilot on board. The pilot station is on the north pier and is staffed day and night.
"""
QUESTION = "When does the sea lock close?"


@pytest.fixture(scope="module")
def archive(cloud: Cloud) -> str:
    """An archive with the handbook in it."""
    archive_id = cloud.archive()
    outcome = cloud.ingest(archive_id, {"guides/handbook.md": HANDBOOK})["guides/handbook.md"]
    assert outcome["status"] == DocumentStatus.COMPLETED
    return archive_id


def test_an_upload_becomes_an_answer_whose_quotes_stand_at_their_offsets(cloud: Cloud, archive: str) -> None:
    job, answer = cloud.ask(archive, QUESTION)

    assert answer.status is AnswerStatus.ANSWERED
    assert any("wind exceeds 24 metres per second" in claim.text for claim in answer.claims)
    assert all(claim.citations for claim in answer.claims)
    assert cloud.misquotes(answer) == []
    assert {citation.source for citation in answer.citations} == {
        f"s3://{cloud.outputs['LandingBucket']}/incoming/{archive}/guides/handbook.md"
    }
    assert answer.coverage.retrievers == {"full_text": "ok", "vector": "ok"}
    assert answer.job_id == job.job_id


def test_an_ingested_object_moves_to_processed_and_its_entry_is_complete(cloud: Cloud, archive: str) -> None:
    (job,) = cloud.ingestions(archive)
    (document,) = job.documents
    (item,) = entries.versions(document["entry_id"])

    assert cloud.objects(f"incoming/{archive}/") == {}
    kept = cloud.objects(f"processed/{archive}/")
    assert kept[f"processed/{archive}/guides/handbook.md"]["omnilake-job"] == job.job_id
    assert (item["status"], item["media_type"]) == ("COMPLETED", "text/markdown")
    assert item["chunks"] == len(cloud.rows(archive)) == document["chunks"]


def test_the_job_id_is_the_name_of_the_execution(cloud: Cloud, archive: str) -> None:
    (ingestion,) = cloud.ingestions(archive)
    asked, answer = cloud.ask(archive, QUESTION)

    for job in (ingestion, asked):
        execution = cloud.execution_of(job)
        assert execution["name"] == job.job_id
        assert execution["status"] == "SUCCEEDED"
    assert answer.execution_arn == asked.execution_arn


def test_a_question_that_the_archive_does_not_answer_abstains_with_the_nearest_evidence(
    cloud: Cloud, archive: str
) -> None:
    job, answer = cloud.ask(archive, "How much sugar belongs into a chocolate cake?")

    assert answer.status is AnswerStatus.ABSTAINED
    assert (answer.claims, answer.citations) == ([], [])
    assert answer.reasons
    assert answer.nearest
    assert all(each.similarity is not None and each.similarity < 0.35 for each in answer.nearest)
    assert "Compose Answer" not in entered(cloud.history(job.execution_arn))


def test_the_newest_version_of_a_key_is_what_is_searched(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    old = cloud.ingest(archive_id, {"crane.txt": "The harbour crane lifts forty tonnes at most."})["crane.txt"]
    new = cloud.ingest(archive_id, {"crane.txt": "The harbour crane lifts ninety tonnes since its repair."})[
        "crane.txt"
    ]

    _, answer = cloud.ask(archive_id, "How many tonnes does the harbour crane lift?")

    assert "ninety tonnes" in answer.text
    assert "forty" not in answer.text
    assert new["entry_id"] == old["entry_id"]
    assert {row["version"] for row in cloud.rows(archive_id)} == {new["version"]}
    assert new["version"] > old["version"]


@pytest.fixture(scope="module")
def corpus(cloud: Cloud) -> str:
    """An archive of seventy pages, more than one context of evidence."""
    archive_id = cloud.archive()
    outcomes = cloud.ingest(archive_id, {f"pages/{number:02}.html": _page(number) for number in range(70)})
    assert {each["status"] for each in outcomes.values()} == {"COMPLETED"}
    return archive_id


def _page(number: int) -> str:
    paragraphs = "".join(
        f"<p>Inspection {number}.{part} of lighthouse {number} found its lamp {word} and its tower dry. The keeper of "
        f"lighthouse {number} replaces the lamp every {number + part + 3} weeks and notes it in the {word} book. "
        f"Visitors reach lighthouse {number} by the {word} path, which is closed in winter and after heavy rain.</p>"
        for part, word in enumerate(("bright", "faint", "green", "steady"))
    )
    return f"<html><head><title>Lighthouse {number}</title></head><body><h1>Lighthouse {number}</h1>{paragraphs}</body>"


def test_evidence_beyond_one_context_is_compacted_in_a_nested_execution(cloud: Cloud, corpus: str) -> None:
    job, answer = cloud.ask(
        corpus, "How often is the lamp of a lighthouse replaced?", evidence_limit=200, max_claims=12
    )

    assert answer.status is AnswerStatus.ANSWERED
    assert answer.coverage.groups > 1
    assert answer.coverage.groups_failed == 0
    assert answer.coverage.chunks_read > 60
    assert cloud.misquotes(answer) == []
    assert len({citation.entry_id for citation in answer.citations}) > 1
    history = cloud.history(job.execution_arn)
    assert "Compact Evidence" in entered(history)
    (nested,) = [
        execution
        for execution in cloud.executions("CompactEvidenceMachine")
        if any(execution["executionArn"] in payload for payload in payloads(history))
    ]
    assert nested["status"] == "SUCCEEDED"
    assert entered(cloud.history(nested["executionArn"])).count("Summarise Group") == answer.coverage.groups
    assert max(map(len, payloads(cloud.history(nested["executionArn"])))) < 4_096


def test_payloads_of_states_do_not_grow_with_the_document(cloud: Cloud) -> None:
    line = "Reading {0} of the gauge at Selmere was {1} and was signed with {2}.\n"
    signature = "0123456789abcdef" * 90  # one word to the embedding model: bytes without tokens

    def document(size: int) -> str:
        text = ""
        number = 0
        while len(text) < size:
            text += "".join(line.format(number + each, number % 7, signature) for each in range(size // 4_000 + 1))
            number += size // 4_000 + 1
        return text[:size]

    largest: dict[int, int] = {}
    batches: dict[int, int] = {}
    for size in (2 * 1024, 2 * 1024 * 1024):
        archive_id = cloud.archive()
        outcome = cloud.ingest(archive_id, {"readings.txt": document(size)})["readings.txt"]
        assert outcome["status"] == "COMPLETED", outcome
        (job,) = cloud.ingestions(archive_id)
        history = cloud.history(job.execution_arn)
        largest[size] = max(len(payload.encode()) for payload in payloads(history))
        batches[size] = entered(history).count("Embed Batch")
        asked, _ = cloud.ask(archive_id, "What was the reading of the gauge at Selmere?")
        asking = max(len(payload.encode()) for payload in payloads(cloud.history(asked.execution_arn)))
        largest[size] = max(largest[size], asking)
    small, large = sorted(largest)
    assert batches[large] > batches[small]
    assert abs(largest[large] - largest[small]) < 1_024
    assert max(largest.values()) < 4_096


def test_neither_logs_nor_histories_hold_words_of_documents_or_questions(cloud: Cloud) -> None:
    since = time.time()
    secret, asked = unique("zyxword"), unique("qwvword")
    archive_id = cloud.archive()
    cloud.ingest(archive_id, {"secret.md": f"# On {secret}\n\nThe keeper calls the northern buoy {secret} since 1931."})
    job, answer = cloud.ask(archive_id, f"How does the keeper call the northern buoy, {asked}?")
    refused = cloud.failed_request(archive_id, asked * 3_000)
    assert secret in answer.text  # so there was something to keep quiet about

    lines = "\n".join(cloud.log_lines(since))
    told = "\n".join(
        payload
        for machine in ("IngestDocumentMachine", "AnswerRequestMachine", "CompactEvidenceMachine")
        for execution in cloud.executions(machine, since - 1)
        for payload in payloads(cloud.history(execution["executionArn"]))
    )

    assert refused.job_id in lines  # so the search looks where things are
    assert refused.job_id in told
    assert job.job_id in told
    for word in (secret, asked):
        assert word not in lines
        assert word not in told


def test_the_logs_of_a_function_can_be_read(cloud: Cloud, archive: str) -> None:
    cloud.ask(archive, QUESTION)
    endpoint = cloud.running.server.endpoint_url

    of_one = list(logs.function_lines(endpoint, "FuseEvidence", last=50))
    of_all = {function for function, _ in logs.function_lines(endpoint, None, last=5_000)}

    assert {function for function, _ in of_one} == {cloud.resources["FuseEvidenceFunction"]}
    assert any(line.startswith("REPORT RequestId") for _, line in of_one)
    assert {cloud.resources[each] for each in ("PlanRetrievalFunction", "FuseEvidenceFunction")} <= of_all
    with pytest.raises(LocalCloudError, match="no function named nobody"):
        list(logs.function_lines(endpoint, "nobody"))


def test_what_was_ingested_is_still_there_after_down_and_up(cloud: Cloud, archive: str) -> None:
    before = {row["chunk_id"] for row in cloud.rows(archive)}
    (ingestion,) = cloud.ingestions(archive)

    cloud.running.restart()
    with cloud.running.environment():
        again = Cloud(cloud.running, since=ingestion.created_at)
        _, answer = again.ask(archive, QUESTION)
        (job,) = again.ingestions(archive)

        assert {row["chunk_id"] for row in again.rows(archive)} == before
        assert any("wind exceeds 24 metres per second" in claim.text for claim in answer.claims)
        assert again.misquotes(answer) == []
        assert job.status is JobStatus.COMPLETED
        assert aws.lake().head(layout.batch(job.job_id, "published")) is not None
