"""The client against the API's wire: what is sent, what is made of the answers, and when it is sent again."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import hmac
import json
import runpy
import urllib.parse
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest
from any_answered import answer as any_answer
from hypothesis import given
from hypothesis import strategies as st
from wire import ENDPOINT, Wire, any_archive, any_job, problem, reply

from omnilake.client import request_definitions as definitions
from omnilake.client.client import OmniLake
from omnilake.client.problems import UnknownProblem
from omnilake.client.request_definitions import AddEntry, ArchiveInformationRequest, CreateArchive, InformationRequest
from omnilake.client.retrying import LONGEST_PAUSE_S, Retries, repeatable
from omnilake.client.types import UploadTarget
from omnilake.errors import (
    AnswerPending,
    ArchiveExists,
    ArchiveNotFound,
    DocumentTooLarge,
    EndpointUnknown,
    EndpointUnreachable,
    EntryNotFound,
    Forbidden,
    InvalidRequest,
    JobNotFound,
    StageFailed,
    TransientError,
)

ROOT = Path(__file__).resolve().parents[3]


class TestWhatIsSent:
    def test_an_archive_is_created_by_post_with_a_key_of_its_own(self) -> None:
        wire = Wire([reply(any_archive(), 201), reply(any_archive(), 201)])
        with wire.client() as lake:
            made = lake.archives.create("docs", "Ours", chunking={"kind": "fixed"})
            lake.archives.create("docs", "Ours")
        assert made.archive_id == "docs"
        assert wire.paths()[0] == "POST /v1/archives"
        assert wire.bodies()[0] == {"archive_id": "docs", "description": "Ours", "chunking": {"kind": "fixed"}}
        keys = {call.headers["idempotency-key"] for call in wire.calls}
        assert len(keys) == 2
        assert all(keys)

    def test_ids_are_one_part_of_the_path_whatever_they_hold(self) -> None:
        wire = Wire([problem(404, "ENTRY_NOT_FOUND"), problem(404, "JOB_NOT_FOUND")])
        lake = wire.client()
        with pytest.raises(EntryNotFound):
            lake.entries.get("docs", "a/../b c?d#é\n")
        with pytest.raises(JobNotFound):
            lake.jobs.get("../archives")
        assert wire.paths() == [
            "GET /v1/archives/docs/entries/a%2F..%2Fb%20c%3Fd%23%C3%A9%0A",
            "GET /v1/jobs/..%2Farchives",
        ]

    def test_an_archive_of_the_later_form_of_omnilake_has_its_configuration(self) -> None:
        configurations = (
            (definitions.BasicArchiveConfiguration(), {"archive_type": "BASIC"}),
            (
                definitions.VectorArchiveConfiguration(tag_hint_instructions="ships"),
                {"archive_type": "VECTOR", "tag_hint_instructions": "ships"},
            ),
        )
        for configuration, told in configurations:
            wire = Wire([reply(any_archive(), 201)])
            wire.client().create_archive(definitions.CreateArchive("docs", configuration=configuration))
            assert wire.bodies() == [{"archive_id": "docs", "configuration": told}]

    def test_reads_and_searches_carry_no_idempotency_key(self) -> None:
        wire = Wire([reply(any_job()), reply({"results": []})])
        lake = wire.client()
        lake.jobs.get("job-1")
        lake.search("docs", "Why?", evidence_limit=3)
        assert not any("idempotency-key" in call.headers for call in wire.calls)
        assert wire.bodies()[1] == {"archives": ["docs"], "question": "Why?", "evidence_limit": 3}
        assert wire.calls[1].headers["prefer"] == "wait=25"

    def test_a_change_names_the_revision_that_it_replaces(self) -> None:
        wire = Wire([reply(any_archive(), etag='"7"'), reply(any_archive(description="New"))])
        assert wire.client().archives.update("docs", description="New").description == "New"
        assert wire.paths() == ["GET /v1/archives/docs", "PATCH /v1/archives/docs"]
        assert wire.calls[1].headers["if-match"] == '"7"'

    def test_a_change_with_a_known_revision_reads_nothing(self) -> None:
        wire = Wire([reply(any_archive())])
        wire.client().archives.update("docs", etag='"3"', description="New")
        assert [call.headers["if-match"] for call in wire.calls] == ['"3"']

    def test_a_token_is_sent_as_it_is(self) -> None:
        wire = Wire([reply({"status": "ok"})])
        wire.client(token="a.b.c").health()
        assert wire.calls[0].headers["authorization"] == "Bearer a.b.c"


class TestTheSurfaceOfOmniLake:
    def test_each_request_goes_to_the_path_of_its_name_without_what_is_not_given(self) -> None:
        wire = Wire([reply({"archive_id": "my_archive"}, 201), reply({"entry_id": "e1", "job_id": "j1"}, 202)])
        lake = wire.client()
        lake.create_archive(CreateArchive(archive_id="my_archive", description="My first OmniLake archive"))
        result = lake.add_entry(
            AddEntry(
                archive_id="my_archive",
                content="A text.",
                sources=["https://example.com/source"],
                effective_on=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
            )
        )
        assert wire.paths() == ["POST /create_archive", "POST /add_entry"]
        assert wire.bodies() == [
            {"archive_id": "my_archive", "description": "My first OmniLake archive"},
            {
                "archive_id": "my_archive",
                "content": "A text.",
                "sources": ["https://example.com/source"],
                "effective_on": "2026-01-02T00:00:00+00:00",
            },
        ]
        assert (result.response_body["entry_id"], result.status_code) == ("e1", 202)

    def test_the_later_form_of_a_question_holds_requests_of_archives(self) -> None:
        wire = Wire([reply({"job_id": "j1"}, 202)])
        one = ArchiveInformationRequest(archive_id="docs", max_entries=5, evaluation_type="INCLUSIVE")
        wire.client().request_information(InformationRequest(goal="Know", requests=[one, {"archive_id": "more"}]))
        assert wire.bodies() == [
            {
                "goal": "Know",
                "requests": [
                    {"archive_id": "docs", "max_entries": 5, "evaluation_type": "INCLUSIVE"},
                    {"archive_id": "more"},
                ],
            }
        ]

    def test_every_request_has_a_method_of_its_name_in_both_clients(self) -> None:
        from omnilake.client.client import AsyncOmniLake

        paths = {each.path for each in definitions.RequestBody.__subclasses__() if each.path}
        names = {path.lstrip("/") for path in paths} - {"describe_lake_request"}
        assert len(names) == 20
        assert all(callable(getattr(client, name)) for name in names for client in (OmniLake, AsyncOmniLake))


class TestErrors:
    def test_a_problem_is_raised_as_the_class_of_its_code(self) -> None:
        told = problem(
            409,
            "ARCHIVE_EXISTS",
            f"Archive docs exists with another description. {ArchiveExists.advice}",
            instance="req-9",
            errors=[{"field": "description", "message": "Differs."}],
        )
        with pytest.raises(ArchiveExists) as raised:
            Wire([told]).client().archives.create("docs")
        assert raised.value.message == "Archive docs exists with another description."
        assert raised.value.details == {
            "status": 409,
            "code": "ARCHIVE_EXISTS",
            "instance": "req-9",
            "errors": [{"field": "description", "message": "Differs."}],
        }

    def test_fields_at_fault_stand_in_the_message(self) -> None:
        told = problem(422, "REQUEST_INVALID", "It does not fit.", errors=[{"field": "style", "message": "Not one."}])
        with pytest.raises(InvalidRequest, match=r"It does not fit\. style: Not one\."):
            Wire([told]).client().ask("docs", "Why?")

    def test_an_unknown_code_and_a_body_that_is_no_problem_are_unknown_problems(self) -> None:
        wire = Wire([problem(418, "TEAPOT"), httpx2.Response(403, content=b"<html>no</html>")])
        with pytest.raises(UnknownProblem) as raised:
            wire.client().health()
        assert raised.value.details["code"] == "TEAPOT"
        with pytest.raises(Forbidden) as refused:
            wire.client().health()
        assert refused.value.details["status"] == 403

    @given(st.binary(max_size=200), st.integers(400, 599))
    def test_any_refusal_is_an_error_of_the_product(self, body: bytes, status: int) -> None:
        from omnilake.client.problems import error_of

        assert error_of(status, {}, body).details["status"] == status


class TestRetries:
    def test_what_was_turned_away_is_sent_again_under_the_same_key(self) -> None:
        wire = Wire([problem(429, "RATE_LIMITED", headers={"retry-after": "0"}), problem(503, "TRANSIENT")])
        wire.replies.append(reply({"job_id": "j1"}, 202))
        assert wire.client().ask("docs", "Why?").job_id == "j1"
        assert len({call.headers["idempotency-key"] for call in wire.calls}) == 1
        assert len(wire.calls) == 3

    def test_a_lost_connection_is_tried_again(self) -> None:
        wire = Wire([httpx2.ConnectError("no"), httpx2.ReadError("cut"), reply(any_job())])
        assert wire.client().jobs.get("job-1").job_id == "job-1"

    def test_a_search_whose_answer_was_lost_is_not_repeated(self) -> None:
        wire = Wire([httpx2.ReadError("cut")])
        with pytest.raises(EndpointUnreachable, match="ReadError"):
            wire.client().search("docs", "Why?")
        assert len(wire.calls) == 1

    def test_a_first_call_that_is_still_worked_on_is_waited_for(self) -> None:
        wire = Wire([problem(409, "REQUEST_IN_PROGRESS", headers={"retry-after": "0"}), reply({"job_id": "j"}, 202)])
        assert wire.client().ask("docs", "Why?", idempotency_key="mine").job_id == "j"
        assert {call.headers["idempotency-key"] for call in wire.calls} == {"mine"}

    def test_an_answer_that_is_not_there_yet_is_not_waited_for(self) -> None:
        wire = Wire([problem(409, "ANSWER_PENDING", headers={"retry-after": "1"})])
        with pytest.raises(AnswerPending):
            wire.client().answers.get("answer-1")
        assert len(wire.calls) == 1

    def test_a_link_to_what_is_too_large_is_followed_without_the_callers_credentials(self) -> None:
        link = "https://lake.s3.amazonaws.com/answers/a/prompt.json?X-Amz-Signature=s"
        wire = Wire([httpx2.Response(303, headers={"location": link}), reply({"prompt": "Why?"})])
        assert wire.client().answers.prompt("answer-1") == {"prompt": "Why?"}
        assert (str(wire.calls[1].url), wire.calls[1].method) == (link, "GET")
        assert "authorization" in wire.calls[0].headers
        assert "authorization" not in wire.calls[1].headers

    def test_it_ends_with_the_error_after_the_last_attempt(self) -> None:
        wire = Wire([problem(503, "TRANSIENT") for _ in range(4)])
        with pytest.raises(TransientError):
            wire.client().health()
        assert wire.replies == []

    def test_a_refusal_is_not_repeated(self) -> None:
        wire = Wire([problem(404, "ARCHIVE_NOT_FOUND")])
        with pytest.raises(ArchiveNotFound):
            wire.client().archives.get("docs")
        assert len(wire.calls) == 1

    @given(st.integers(0, 4), st.floats(0, LONGEST_PAUSE_S))
    def test_pauses_are_random_grow_and_are_at_least_what_was_asked_for(self, attempt: int, asked: float) -> None:
        pause = Retries(most=5, base_s=0.2).pause(attempt, {"retry-after": str(asked)})
        assert pause is not None
        assert min(asked, LONGEST_PAUSE_S) <= pause <= min(asked + 0.2 * 2**attempt, LONGEST_PAUSE_S)

    def test_a_server_that_wants_a_long_pause_is_left_alone(self) -> None:
        assert Retries().pause(0, {"retry-after": "3600"}) is None

    @pytest.mark.parametrize(
        ("method", "status", "headers", "again"),
        [
            ("GET", None, {}, True),
            ("PATCH", None, {}, False),
            ("POST", 504, {}, False),
            ("POST", 504, {"idempotency-key": "k"}, True),
            ("PATCH", 429, {}, True),
            ("GET", 500, {}, False),
            ("POST", 409, {"idempotency-key": "k"}, False),
            ("GET", 404, {}, False),
        ],
    )
    def test_only_what_may_be_repeated_is(
        self, method: str, status: int | None, headers: dict[str, str], again: bool
    ) -> None:
        assert repeatable(method, status, headers) is again


class TestLists:
    def test_are_fetched_page_by_page_as_they_are_read(self) -> None:
        pages = [
            reply({"items": [any_job("a"), any_job("b")], "next_cursor": "c1"}),
            reply({"items": [any_job("c")], "next_cursor": ""}),
        ]
        wire = Wire(list(pages))
        found = iter(wire.client().jobs.list(kind="answer_request", archive_id="docs"))
        assert next(found).job_id == "a"
        assert len(wire.calls) == 1
        assert [job.job_id for job in found] == ["b", "c"]
        assert [dict(call.url.params) for call in wire.calls] == [
            {"kind": "answer_request", "archive_id": "docs"},
            {"kind": "answer_request", "archive_id": "docs", "cursor": "c1"},
        ]

    def test_stop_at_the_limit_without_a_further_page(self) -> None:
        wire = Wire([reply({"items": [any_job("a"), any_job("b")], "next_cursor": "c1"})])
        assert [job.job_id for job in wire.client().jobs.list(limit=2)] == ["a", "b"]
        wire = Wire([reply({"items": [any_job("a"), any_job("b")], "next_cursor": "c1"})])
        assert [job.job_id for job in wire.client().jobs.list(limit=1).all()] == ["a"]
        assert wire.client().jobs.list(limit=0).all() == []

    def test_ask_for_no_more_than_is_wanted(self) -> None:
        wire = Wire([reply({"items": [any_job("a")], "next_cursor": ""})])
        wire.client().jobs.list(limit=7).all()
        assert dict(wire.calls[0].url.params) == {"limit": "7"}

    def test_pages_may_be_of_another_size(self) -> None:
        pages = [
            reply({"items": [any_job("a"), any_job("b")], "next_cursor": "c1"}),
            reply({"items": [any_job("c")], "next_cursor": "c2"}),
        ]
        wire = Wire(list(pages))
        assert [len(page.items) for page in wire.client().jobs.list(limit=3).pages(size=2)] == [2, 1]
        assert [call.url.params["limit"] for call in wire.calls] == ["2", "1"]

    def test_what_a_newer_server_adds_does_no_harm(self) -> None:
        wire = Wire([reply({"items": [any_job("a", colour="blue")], "next_cursor": None, "total": 1})])
        assert [job.job_id for job in wire.client().jobs.list()] == ["a"]


class TestJobs:
    def test_a_job_is_waited_for_and_each_change_is_told(self) -> None:
        running, done = any_job(status="RUNNING", state="Compose Answer"), any_job()
        wire = Wire([reply({"job_id": "job-1"}, 202), reply(running), reply(running), reply(done)])
        seen: list[str] = []
        job = wire.client().ask("docs", "Why?").wait(on_change=lambda each: seen.append(each.status.value))
        assert (job.status.value, seen) == ("COMPLETED", ["RUNNING", "COMPLETED"])

    def test_the_answer_of_a_failed_job_is_its_error(self) -> None:
        error = {"code": "ARCHIVE_NOT_FOUND", "message": "There is no archive of that id.", "action": "Create it."}
        wire = Wire([reply({"job_id": "job-1"}, 202), reply(any_job(status="FAILED", error=error))])
        with pytest.raises(ArchiveNotFound, match="Create it"):
            wire.client().ask("docs", "Why?").answer()

    def test_a_cancelled_job_has_no_answer(self) -> None:
        wire = Wire([reply(any_job(status="CANCELLED"))])
        with pytest.raises(StageFailed, match="CANCELLED"):
            wire.client().jobs.handle("job-1").answer()

    def test_a_job_that_failed_without_saying_why_has_no_answer(self) -> None:
        wire = Wire([reply(any_job(status="FAILED"))])
        with pytest.raises(StageFailed, match="FAILED"):
            wire.client().jobs.handle("job-1").answer()

    def test_the_answer_comes_with_all_its_fields(self) -> None:
        told = any_answer()
        wire = Wire([reply(any_job()), reply(told.model_dump(mode="json"))])
        assert wire.client().jobs.handle("job-1").answer() == told

    def test_events_go_on_after_the_last_one_until_the_job_ends(self) -> None:
        wire = Wire(
            [
                reply(any_job(status="RUNNING")),
                reply({"items": [{"sequence": 1, "kind": "state"}, {"sequence": 2, "kind": "state"}]}),
                reply(any_job()),
                reply({"items": [{"sequence": 3, "kind": "ended"}]}),
            ]
        )
        assert [event.sequence for event in wire.client().jobs.handle("job-1").events()] == [1, 2, 3]
        assert wire.calls[3].url.params["after"] == "2"

    def test_more_events_than_a_page_holds_are_all_told(self) -> None:
        many = [{"sequence": number, "kind": "item"} for number in range(1, 131)]
        wire = Wire([reply({"items": many[:100]}), reply({"items": many[100:]})])
        assert [event.sequence for event in wire.client().jobs.events("job-1")] == list(range(1, 131))
        assert [call.url.params["after"] for call in wire.calls] == ["0", "100"]

    def test_a_job_that_does_not_end_is_not_waited_for_longer_than_asked(self) -> None:
        wire = Wire(routes={"GET /v1/jobs/job-1": lambda _: reply(any_job(status="RUNNING", state="Fuse"))})
        with pytest.raises(TimeoutError, match="RUNNING in 'Fuse'"):
            wire.client().jobs.handle("job-1").wait(timeout_s=0)

    def test_a_removal_that_needs_no_job_has_none(self) -> None:
        wire = Wire([httpx2.Response(204)])
        assert wire.client().archives.delete("docs", etag='"1"') is None
        assert wire.calls[0].url.query == b""

    def test_an_archive_goes_with_its_entries_by_a_job(self) -> None:
        wire = Wire([reply({"job_id": "delete-docs-1"}, 202)])
        job = wire.client().archives.delete("docs", etag='"1"', with_entries=True)
        assert job is not None
        assert job.job_id == "delete-docs-1"
        assert wire.paths() == ["DELETE /v1/archives/docs?with_entries=true"]
        assert wire.calls[0].headers["if-match"] == '"1"'


class TestUploads:
    FIELDS: ClassVar = {"key": "incoming/docs/a.txt", "policy": "p"}

    def target(self, **fields: Any) -> dict[str, Any]:
        return {"upload_id": "u/1", "url": "https://s3.example/bucket", "fields": self.FIELDS, **fields}

    def test_a_file_goes_straight_to_s3_with_its_fields_first_and_no_credentials(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(b"hello")
        wire = Wire([reply(self.target(), 201), httpx2.Response(204)])
        sent: list[int] = []
        wire.client().entries.upload("docs", path, metadata={"team": "sea"}, on_sent=sent.append)
        told, post = wire.calls
        assert told.url.path == "/v1/archives/docs/uploads"
        wanted = {"name": "a.txt", "bytes": 5, "media_type": "text/plain", "metadata": {"team": "sea"}}
        assert json.loads(told.content) == wanted
        assert "authorization" not in post.headers
        assert post.content.index(b'name="key"') < post.content.index(b'name="file"')
        assert b"hello" in post.content
        assert sum(sent) == 5

    def test_what_s3_refuses_is_said(self) -> None:
        body = b"<Error><Code>EntityTooLarge</Code></Error>"
        wire = Wire([reply(self.target(), 201), httpx2.Response(400, content=body)])
        with pytest.raises(DocumentTooLarge):
            wire.client().entries.upload("docs", b"hello", "a.txt")

    def test_a_post_that_failed_on_the_way_is_sent_again_whole(self) -> None:
        wire = Wire([reply(self.target(), 201), httpx2.WriteError("cut"), httpx2.Response(204)])
        sent: list[int] = []
        wire.client().entries.upload("docs", b"hello", "a.txt", on_sent=sent.append)
        assert b"hello" in wire.calls[2].content
        assert sum(sent) == 5

    def test_a_large_file_goes_in_parts(self) -> None:
        parts = [{"number": 1, "url": "https://s3.example/1"}, {"number": 2, "url": "https://s3.example/2"}]
        target = self.target(part_bytes=3, parts=parts)
        tags = [httpx2.Response(200, headers={"etag": f'"t{number}"'}) for number in (1, 2)]
        wire = Wire([reply(target, 201), tags[0], httpx2.Response(503), tags[1], reply({"job_id": "j"}, 202)])
        wire.client().entries.upload("docs", b"hello", "a.bin")
        assert [call.content for call in wire.calls[1:4]] == [b"hel", b"lo", b"lo"]
        assert wire.paths()[4] == "POST /v1/archives/docs/uploads/u%2F1/complete"
        assert json.loads(wire.calls[4].content) == {
            "parts": [{"number": 1, "etag": '"t1"'}, {"number": 2, "etag": '"t2"'}]
        }

    def test_parts_that_can_not_be_sent_are_given_up(self) -> None:
        target = self.target(part_bytes=3, parts=[{"number": 1, "url": "https://s3.example/1"}])
        wire = Wire([reply(target, 201), httpx2.Response(403), httpx2.Response(204)])
        with pytest.raises(StageFailed, match="403"):
            wire.client().entries.upload("docs", b"hello", "a.bin")
        assert wire.paths()[2] == "DELETE /v1/archives/docs/uploads/u%2F1"


class TestAsynchronous:
    def test_asks_waits_and_answers(self) -> None:
        told = any_answer()
        wire = Wire(
            [
                problem(503, "TRANSIENT"),
                reply({"job_id": "job-1"}, 202),
                reply(any_job(status="RUNNING")),
                reply(any_job()),
                reply(told.model_dump(mode="json")),
            ]
        )

        async def main() -> Any:
            async with wire.async_client() as lake:
                return await (await lake.ask("docs", "Why?")).answer()

        assert asyncio.run(main()) == told

    def test_lists_and_uploads(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(b"hello")
        wire = Wire(
            [
                reply({"items": [any_job("a")], "next_cursor": "c"}),
                reply({"items": [any_job("b")]}),
                reply({"upload_id": "u", "url": "https://s3.example/b", "fields": {"key": "k"}}, 201),
                httpx2.Response(204),
            ]
        )

        async def main() -> tuple[list[str], UploadTarget]:
            async with wire.async_client() as lake:
                jobs = [job.job_id async for job in lake.jobs.list()]
                return jobs, await lake.entries.upload("docs", path)

        jobs, target = asyncio.run(main())
        assert (jobs, target.upload_id) == (["a", "b"], "u")
        assert b"hello" in wire.calls[3].content

    def test_the_synchronous_client_is_what_is_made_of_it(self) -> None:
        script = runpy.run_path(str(ROOT / "scripts" / "synchronous_client.py"))
        assert script["TARGET"].read_text(encoding="utf-8") == script["made"]()


class TestEndpoint:
    @pytest.fixture(autouse=True)
    def _bare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("OMNILAKE_ENDPOINT", "OMNILAKE_STACK", "OMNILAKE_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
            monkeypatch.delenv(name, raising=False)

    def test_comes_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMNILAKE_ENDPOINT", f"{ENDPOINT}/")
        monkeypatch.setenv("OMNILAKE_TOKEN", "t")
        wire = Wire([reply({"status": "ok"})])
        OmniLake(transport=httpx2.MockTransport(wire)).health()
        assert str(wire.calls[0].url) == f"{ENDPOINT}/v1/health"
        assert wire.calls[0].headers["authorization"] == "Bearer t"

    def test_comes_from_the_outputs_of_the_stack(self, mocked_aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
        from omnilake import aws

        monkeypatch.setenv("OMNILAKE_STACK", "lake-of-a-test")
        body = '{"Resources": {"Any": {"Type": "AWS::SQS::Queue"}}, "Outputs": {"ApiEndpoint": {"Value": "%s"}}}'
        aws.client("cloudformation").create_stack(StackName="lake-of-a-test", TemplateBody=body % ENDPOINT)
        wire = Wire([reply({"status": "ok"})])
        OmniLake(token="t", transport=httpx2.MockTransport(wire)).health()
        assert wire.calls[0].url.host == ENDPOINT.removeprefix("https://")

    def test_a_stack_that_is_not_there_is_named(self, mocked_aws: None) -> None:
        with pytest.raises(EndpointUnknown, match="The stack elsewhere can't be read"):
            OmniLake(stack="elsewhere").health()

    def test_something_else_than_an_address_is_refused(self) -> None:
        with pytest.raises(EndpointUnknown):
            OmniLake("ftp://x", token="t").health()


class TestSignature:
    """Checked as AWS describes it, from what is on the wire (its guide "Create a signed AWS API request")."""

    @pytest.fixture(autouse=True)
    def _credentials(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "SESSION")
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        monkeypatch.delenv("OMNILAKE_TOKEN", raising=False)

    def test_holds_for_bodies_queries_and_encoded_paths(self) -> None:
        wire = Wire([reply({"job_id": "j"}, 202), reply({"items": []}), problem(404, "ENTRY_NOT_FOUND")])
        lake = OmniLake(ENDPOINT, transport=httpx2.MockTransport(wire))
        lake.ask("docs", "Warum? é")
        lake.jobs.list(since="2026-01-01T00:00:00+01:00", kind="a b~c*").all()
        with pytest.raises(EntryNotFound):
            lake.entries.get("docs", "a/b c:d")
        assert len(wire.calls) == 3
        for call in wire.calls:
            assert call.headers["x-amz-security-token"] == "SESSION"
            assert signature(call, "SECRET", "eu-central-1") == call.headers["authorization"].rpartition("=")[2]

    def test_is_made_anew_for_each_attempt(self) -> None:
        wire = Wire([problem(503, "TRANSIENT"), reply(any_job())])
        OmniLake(ENDPOINT, retries=Retries(3, 0.0), transport=httpx2.MockTransport(wire)).jobs.get("job-1")
        assert all(call.headers["authorization"].startswith("AWS4-HMAC-SHA256 ") for call in wire.calls)


def signature(request: httpx2.Request, secret: str, region: str) -> str:
    path, _, query = request.url.raw_path.decode().partition("?")
    names = request.headers["authorization"].split("SignedHeaders=")[1].split(",")[0]
    canonical = "\n".join(
        [
            request.method,
            urllib.parse.quote(path, safe="/~"),
            "&".join(sorted(query.split("&"))) if query else "",
            *(f"{name}:{request.headers[name].strip()}" for name in names.split(";")),
            "",
            names,
            hashlib.sha256(request.content).hexdigest(),
        ]
    )
    moment = request.headers["x-amz-date"]
    scope = f"{moment[:8]}/{region}/execute-api/aws4_request"
    told = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, told.encode(), "sha256").hexdigest()


def test_bytes_without_a_name_are_refused() -> None:
    with pytest.raises(ValueError, match="name"):
        Wire().client().entries.upload("docs", b"x")
