"""Retrievers on the real state machine: tables that are computed over, pages that are read now, one of one's own."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from any_site import any_site
from embedded_cloud import Cloud, entered, unique
from machines.answering_model import configured
from machines.conftest import FACT

from omnilake import aws
from omnilake.models import AnswerStatus

BOATS = """boat,harbour,price
Aurora,Selmere,1200
Bora,Selmere,900
Circe,Nordvik,500
"""
GLOSSARY = Path(__file__).resolve().parents[2] / "examples" / "retriever" / "glossary.py"


@pytest.fixture(scope="module")
def archive(cloud: Cloud) -> str:
    """An archive with a table and a text."""
    archive_id = cloud.archive()
    outcomes = cloud.ingest(archive_id, {"boats.csv": BOATS, "timetable.txt": FACT})
    assert {each["status"] for each in outcomes.values()} == {"COMPLETED"}
    return archive_id


def test_a_total_is_computed_from_the_table_and_cited(cloud: Cloud, archive: str) -> None:
    job, answer = cloud.ask(archive, "What is the total price of the boats in the harbour Selmere?")
    assert answer.status is AnswerStatus.ANSWERED
    assert "Total price in boats where harbour is Selmere: 2100 (2 of 3 rows)." in answer.text
    cited = next(each for each in answer.citations if "2100" in each.quote)
    assert cited.source.endswith("/boats.csv")
    assert cloud.misquotes(answer) == []
    assert answer.coverage.retrievers["rows"] == "ok"
    assert [each.detail for each in answer.routes if each.retriever == "rows"] == ["figures"]
    assert "Retriever Failed" not in entered(cloud.history(job.execution_arn))


def test_a_filter_on_a_column_is_applied_and_one_of_no_table_fails_the_request(cloud: Cloud, archive: str) -> None:
    filters = [{"field": "column.price", "operator": "lt", "value": 1000}]
    _, answer = cloud.ask(archive, "How many boats are there?", filters=filters)
    assert "Number of rows in boats where price is less than 1000: 2" in answer.text
    wrong = [{"field": "column.colour", "value": "red"}]
    job = cloud.failed_request(archive, "How many boats are there?", filters=wrong)
    assert job.error is not None
    assert "REQUEST_INVALID" in job.error.message


def test_a_page_of_an_allowed_host_is_read_while_the_answer_is_made(cloud: Cloud, archive: str) -> None:
    with any_site() as site:
        host = f"127.0.0.1:{site.port}"
        site.pages["/status"] = site.page("Status", text="The sea lock of Selmere is closed until Thursday.")
        question = f"Until when is the sea lock of Selmere closed, says {site.url}/status?"
        with configured(retrievers={"website": {"enabled": True, "options": {"hosts": [host]}}}):
            _, answer = cloud.ask(archive, question)
        site.pages.clear()
    assert answer.status is AnswerStatus.ANSWERED
    assert "closed until Thursday" in answer.text
    assert f"{site.url}/status" in {each.source for each in answer.citations}
    assert cloud.misquotes(answer) == []  # although the page is gone


def test_a_page_that_can_not_be_read_is_named_and_the_others_answer(cloud: Cloud, archive: str) -> None:
    with any_site() as site:
        host = f"127.0.0.1:{site.port}"
        question = f"From which pier does the night ferry to Selmere leave? Not told on {site.url}/gone"
        with configured(retrievers={"website": {"enabled": True, "options": {"hosts": [host]}}}):
            _, answer = cloud.ask(archive, question, retrievers=["vector", "website"])
    assert answer.coverage.retrievers == {"vector": "ok", "website": "SOURCE_REJECTED"}
    assert answer.status is AnswerStatus.ANSWERED


def test_the_retriever_of_the_documentation_runs_without_a_change_of_the_state_machine(
    cloud: Cloud, archive: str
) -> None:
    terms = {"MTD": "Mean Tidal Datum", "QXZ": "nothing that is asked"}
    with (
        deployed(cloud, "glossary", GLOSSARY),
        configured(
            default_retrievers=["full_text", "vector", "glossary"],
            retrievers={"glossary": {"options": {"terms": terms}}},
        ),
    ):
        job, answer = cloud.ask(archive, "What does MTD stand for?")
    assert answer.coverage.retrievers == {"full_text": "ok", "glossary": "ok", "vector": "ok"}
    assert "MTD stands for Mean Tidal Datum." in answer.text
    assert "QXZ" not in answer.text
    cited = next(each for each in answer.citations if each.source == "glossary:MTD")
    address = cited.url.partition("#")[0].removeprefix(f"s3://{cloud.outputs['LakeBucket']}/")
    assert aws.lake().read(address).decode() == cited.quote  # the link opens
    again = cloud.deployment.answer(cloud.deployment.wait(cloud.deployment.replay(job.job_id)))
    assert again.content_hash == answer.content_hash
    assert cloud.misquotes(answer) == cloud.misquotes(again) == []


@contextmanager
def deployed(cloud: Cloud, name: str, module: Path) -> Iterator[None]:
    """A module as a retriever, registered as docs/retrievers.md says: function, allow-list, the machine's policy."""
    functions, iam = aws.client("lambda"), aws.client("iam")
    like = functions.get_function_configuration(FunctionName=cloud.resources["FuseEvidenceFunction"])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(module, module.name)
    function = unique(f"{name}-")
    arn = functions.create_function(
        FunctionName=function,
        Runtime=like["Runtime"],
        Role=like["Role"],  # may read and write answers, no more
        Handler=f"{module.stem}.handler",
        Code={"ZipFile": packed.getvalue()},
        Environment=like["Environment"],
        Layers=[each["Arn"] for each in like["Layers"]],
        MemorySize=like["MemorySize"],
        Timeout=like["Timeout"],
    )["FunctionArn"]
    planning = functions.get_function_configuration(FunctionName=cloud.resources["PlanRetrievalFunction"])
    registered = json.loads(planning["Environment"]["Variables"]["OMNILAKE_RETRIEVER_FUNCTIONS"]) | {name: arn}
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn}
    role = cloud.resources["AnswerRequestMachineRole"]
    iam.put_role_policy(
        RoleName=role,
        PolicyName=function,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    try:
        with cloud.setting("PlanRetrievalFunction", "OMNILAKE_RETRIEVER_FUNCTIONS", json.dumps(registered)):
            yield
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName=function)
        functions.delete_function(FunctionName=function)
