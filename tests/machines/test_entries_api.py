"""Routes of entries, uploads, sources and what a sync left out, on the deployed stack: roles and S3 are real."""

from __future__ import annotations

from typing import Any

import requests
from embedded_cloud import Cloud, unique
from signed_calls import Caller

from omnilake import aws, clock, jobs, layout
from omnilake.connectors.protocol import Problem
from omnilake.models import JobKind, JobStatus
from omnilake.syncing.parts import Counts, Manifest

RED = "The lamp of Selmere is red."
GREEN = "The lamp of Selmere is green, and it turns."


def ended(cloud: Cloud, accepted: requests.Response) -> dict[str, Any]:
    """What a call was accepted with, once its job has completed."""
    assert accepted.status_code == 202, accepted.text
    told: dict[str, Any] = accepted.json()
    assert cloud.deployment.wait(told["job_id"], timeout_s=240).status is JobStatus.COMPLETED
    return told


def test_life_of_an_entry(cloud: Cloud, operator: Caller) -> None:
    archive_id = unique()
    base = f"/v1/archives/{archive_id}"
    assert operator.send("POST", "/v1/archives", {"archive_id": archive_id}).status_code == 201
    new = {"content": RED, "sources": ["https://example.com/lamp"]}
    path = f"{base}/entries/{ended(cloud, operator.send('POST', f'{base}/entries', new))['entry_id']}"

    first = operator.send("GET", path)
    assert first.json()["status"] == "COMPLETED", first.text
    told = operator.send("GET", f"{path}/content", Accept="application/json").json()
    assert told == {"text": RED, "start": 0, "end": len(RED), "total": len(RED)}
    (chunk,) = operator.send("GET", f"{path}/chunks").json()["items"]
    assert RED in chunk["text"]

    ended(cloud, operator.send("PUT", path, {"content": GREEN}))
    assert operator.send("GET", f"{path}/content", Accept="application/json").json()["text"] == GREEN
    versions = operator.send("GET", f"{path}/versions").json()["items"]
    assert {each["version"] for each in versions} > {first.json()["version"]}

    ended(cloud, operator.send("POST", f"{base}/reindex", {}))
    (chunk,) = operator.send("GET", f"{path}/chunks").json()["items"]
    assert GREEN in chunk["text"]

    ended(cloud, operator.send("DELETE", path))
    assert operator.send("GET", path).status_code == 404
    assert operator.send("GET", f"{path}/content").status_code == 404


def test_a_file_goes_straight_to_s3_and_becomes_an_entry(cloud: Cloud, operator: Caller) -> None:
    archive_id = cloud.archive()
    base = f"/v1/archives/{archive_id}"
    data = b"The buoy is yellow.\n"
    asked = {"name": "a b.md", "bytes": len(data), "media_type": "text/markdown"}
    assert operator.send("POST", f"{base}/uploads", asked | {"bytes": 0}).status_code == 422
    made = operator.send("POST", f"{base}/uploads", asked)
    assert made.status_code == 201, made.text
    target = made.json()
    longer = {"file": data + b"And more than was said."}
    assert requests.post(target["url"], data=target["fields"], files=longer, timeout=30).status_code == 400
    sent = requests.post(target["url"], data=target["fields"], files={"file": data}, timeout=30)
    assert sent.status_code in {200, 201, 204}, sent.text
    (outcome,) = cloud.outcomes(archive_id, 1)
    assert (outcome["name"], outcome["status"]) == ("a b.md", "COMPLETED")
    found = operator.send("GET", f"{base}/entries/{target['entry_id']}")
    assert (found.status_code, found.json()["name"]) == (200, "a b.md")


def test_a_source_tells_its_cursors_and_a_sync_what_it_left_out(cloud: Cloud, operator: Caller) -> None:
    archive_id = cloud.archive()
    config = {"start_url": f"https://{unique()}.example.com/"}
    body = {"archive_id": archive_id, "source_type": "website", "config": config, "schedule": ""}
    made = operator.send("POST", "/v1/sources", body)
    assert made.status_code == 201, made.text
    source_id = made.json()["source_id"]
    assert operator.send("GET", f"/v1/sources/{source_id}").json()["cursors"] == []

    job_id = unique("sync-")
    problem = Problem(item="https://example.com/a", reason="It has no text.")
    manifest = Manifest(
        job_id=job_id,
        source_id=source_id,
        source_type="website",
        archive_id=archive_id,
        started_at=clock.now(),
        complete=True,
        counts=Counts(malformed=1),
        batches=[],
        problems_key=aws.lake().write_models(layout.connector_problems(source_id, job_id), [problem]),
    )
    key = aws.lake().write_model(layout.connector_manifest(source_id, job_id), manifest)
    assert jobs.create(job_id, JobKind.SYNC_SOURCE, archive_id, source_id=source_id)
    jobs.complete(job_id, JobKind.SYNC_SOURCE, "Advance Cursor", result_key=key)
    items = operator.send("GET", f"/v1/jobs/{job_id}/items")
    assert items.status_code == 200, items.text
    assert [(each["name"], each["error"]["code"]) for each in items.json()["items"]] == [
        ("https://example.com/a", "RECORD_INVALID")
    ]


def test_models_of_a_request_are_looked_up_in_the_configuration(cloud: Cloud, operator: Caller) -> None:
    asked = {"archive_id": cloud.archive(), "goal": "Know", "request": "Which lamp?"}
    refused = operator.send("POST", "/request_information", asked | {"responder_model_id": "nobody"})
    assert refused.status_code == 422, refused.text
    assert [each["field"] for each in refused.json()["errors"]] == ["responder_model_id"]
    ended(cloud, operator.send("POST", "/request_information", asked | {"responder_model_id": "extractive"}))
