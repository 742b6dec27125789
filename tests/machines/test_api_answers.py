"""Questions, search and jobs through the API of the deployed stack: signed calls, IAM enforced."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from embedded_cloud import Cloud, unique, wait_for
from signed_calls import Caller

FACT = "The night ferry to Selmere leaves from pier seven at half past nine."
QUESTION = "From which pier does the night ferry to Selmere leave?"


@pytest.fixture(scope="module")
def archive_id(cloud: Cloud, operator: Caller) -> str:
    """An archive with one document, made through the API."""
    made = unique()
    assert operator.send("POST", "/create_archive", {"archive_id": made, "description": "Ferries."}).status_code == 201
    assert cloud.ingest(made, {"ferry.txt": FACT})["ferry.txt"]["status"] == "COMPLETED"
    return made


def finished(operator: Caller, job_id: str) -> Callable[[], str]:
    def look() -> str:
        status = str(operator.send("GET", f"/v1/jobs/{job_id}").json()["status"])
        return status if status in {"COMPLETED", "FAILED", "CANCELLED"} else ""

    return look


def test_a_question_is_answered_with_a_citation_that_opens(operator: Caller, archive_id: str) -> None:
    asked = operator.send("POST", "/v1/requests", {"archives": [archive_id], "question": QUESTION})
    assert asked.status_code == 202, asked.text
    job_id = asked.json()["job_id"]
    assert wait_for(finished(operator, job_id), "the answer") == "COMPLETED"
    answer = operator.send("GET", f"/v1/answers/{job_id}").json()
    assert "pier seven" in answer["text"]
    span = operator.send("GET", f"/v1/answers/{job_id}/citations/1").json()
    assert (span["text"], span["archive_id"]) == (FACT, archive_id)
    job = operator.send("GET", f"/v1/jobs/{job_id}").json()
    assert (job["cost_usd"], job["links"]["answer"]) == (0.0, f"/v1/answers/{job_id}")
    events = operator.send("GET", f"/v1/jobs/{job_id}/events").json()["items"]
    assert [events[0]["kind"], events[-1]["kind"]] == ["created", "ended"]
    listed = operator.send("GET", f"/v1/jobs?kind=answer_request&archive_id={archive_id}").json()["items"]
    assert job_id in {each["job_id"] for each in listed}


def test_a_search_gives_ranked_evidence_and_calls_no_model(operator: Caller, archive_id: str) -> None:
    asked = operator.send("POST", "/v1/search", {"archives": [archive_id], "question": QUESTION})
    assert asked.status_code in {200, 202}, asked.text
    job_id = asked.json()["job_id"]
    assert wait_for(finished(operator, job_id), "the search") == "COMPLETED"
    found = operator.send("GET", f"/v1/search/{job_id}").json()
    assert [each["text"] for each in found["results"]] == [FACT]
    entered = operator.send("GET", f"/v1/jobs/{job_id}").json()["entered"]
    assert "Compose Answer" not in entered


def test_a_search_ranks_what_an_answer_would_not_be_made_of(operator: Caller, archive_id: str) -> None:
    """Its caller judges by the scores: the floor of support is for answers."""
    unlike = {"archives": [archive_id], "question": "What do otters of the northern coast eat in winter?"}
    answered = operator.send("POST", "/v1/requests", unlike).json()["job_id"]
    searched = operator.send("POST", "/v1/search", unlike).json()["job_id"]
    for job_id in (answered, searched):
        assert wait_for(finished(operator, job_id), "the end") == "COMPLETED"
    assert operator.send("GET", f"/v1/answers/{answered}").json()["status"] == "ABSTAINED"
    assert operator.send("GET", f"/v1/search/{searched}").json()["results"]


def test_a_cancelled_job_stays_cancelled(cloud: Cloud, operator: Caller, archive_id: str) -> None:
    asked = operator.send("POST", "/v1/requests", {"archives": [archive_id], "question": QUESTION + " Again?"})
    job_id = asked.json()["job_id"]
    cancelled = operator.send("POST", f"/v1/jobs/{job_id}/cancel")
    assert cancelled.json().get("status") == "CANCELLED", cancelled.text
    execution = cloud.execution_of(cloud.deployment.job(job_id))
    assert execution["status"] == "ABORTED"
    assert wait_for(finished(operator, job_id), "the end") == "CANCELLED"
    assert operator.send("POST", f"/v1/jobs/{job_id}/cancel").status_code == 409


def test_the_page_is_served_with_a_strict_policy(operator: Caller) -> None:
    served = operator.send("GET", "/")
    assert served.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in served.headers["Content-Security-Policy"]
    assert operator.send("GET", "/console/main.js").status_code == 200
