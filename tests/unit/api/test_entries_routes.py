"""Routes of entries, uploads, collections and reindexing: who may do what, and what is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import any_call
import pytest
from any_stored import MARA, stored_archive
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from omnilake import aws, entries, executions, jobs, layout
from omnilake.api import entries as routes
from omnilake.api import rpc_entries
from omnilake.errors import TransientError
from omnilake.ingest.register import register_documents
from omnilake.models import DocumentStatus, JobKind, Record
from omnilake.removal.requests import RemovalRequest
from omnilake.uploads import StartedUpload

Send = Callable[..., Any]
AS_NOAH = {"who": any_call.NOAH}
NOAH = "iam:arn:aws:iam::123456789012:role/reader"
TENANT = {"sub": "anna", "business": "acme"}
NOTE = {"content": "The lamp of the lighthouse is red.", "sources": ["https://example.com/lamp"]}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(machine, name) of executions that were started."""
    seen: list[tuple[str, str]] = []

    def start(machine: str, name: str, _: Any) -> bool:
        seen.append((machine.rpartition(":")[2], name))
        return True

    monkeypatch.setattr(executions, "start_once", start)
    return seen


@pytest.fixture
def send(api: Callable[..., Send], started: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> Send:
    sent = api(routes.router)
    stored_archive("notes", MARA)
    return sent


@pytest.fixture
def rpc(api: Callable[..., Send], started: list[tuple[str, str]]) -> Send:
    sent = api(rpc_entries.router)
    stored_archive("notes", MARA)
    return sent


def published(entry_id: str, text: str = "The lamp is red.", **facts: Any) -> str:
    """An entry of the archive in search, without its ingestion; its version."""
    version: str = facts.pop("version", "20260101T000000Z-000000000000000000-0a1b2c3d")
    told: dict[str, Any] = {
        "job_id": "ingest-1",
        "name": "lamp.md",
        "source": "s3://landing/lamp.md",
        "size": 9,
        "content_hash": entry_id,
    }
    told |= facts
    entries.register(entry_id, version, archive_id="notes", **told)
    entries.finish(entry_id, version, archive_id="notes", status=DocumentStatus.COMPLETED, characters=len(text))
    aws.lake().write(layout.entry_text(entry_id, version), text.encode())
    return version


ENTRY = entries.entry_id_of("notes", "s3", "lamp.md")


class TestAdding:
    def test_the_job_and_the_entry_are_told_and_the_document_is_what_the_job_ingests(
        self, send: Send, started: list[tuple[str, str]]
    ) -> None:
        answered = send("POST", "/v1/archives/notes/entries", NOTE | {"title": "Lamp", "metadata": {"port": "Hook"}})
        assert answered.status == 202
        told = answered.json
        assert answered.headers["location"] == f"/v1/jobs/{told['job_id']}"
        assert (told["kind"], told["started_by"], told["archive_id"]) == ("ingest_document", MARA, "notes")
        assert started == [("ingest", told["job_id"])]
        (item,) = entries.versions(told["entry_id"])
        assert (item["status"], item["source"]) == ("PENDING", "https://example.com/lamp")
        (record,) = aws.lake().read_models(layout.inline_record("notes", told["job_id"]), Record)
        assert (record.text, record.title) == (NOTE["content"], "Lamp")
        assert register_documents(told["job_id"]).live == 1
        described = send("GET", f"/v1/archives/notes/entries/{told['entry_id']}").json
        assert (described["sources"], described["metadata"]) == (["https://example.com/lamp"], {"port": "Hook"})

    def test_the_same_note_is_one_entry_and_two_notes_of_one_source_are_two(self, send: Send) -> None:
        first, again, other = (
            send("POST", "/v1/archives/notes/entries", body).json["entry_id"]
            for body in (NOTE, NOTE, NOTE | {"content": "The lamp is green."})
        )
        assert first == again
        assert first != other

    def test_originals_of_one_source_are_versions_of_one_entry(self, send: Send) -> None:
        told = [
            send("POST", "/v1/archives/notes/entries", {"content": text, "original_of_source": "x"}).json
            for text in ("one", "two")
        ]
        assert told[0]["entry_id"] == told[1]["entry_id"]
        assert [item["version"] for item in entries.versions(told[0]["entry_id"])] == sorted(
            (each["version"] for each in told), reverse=True
        )

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "content"),
            ({"content": ""}, "content"),
            ({"content": "x", "colour": "red"}, "colour"),
            ({"content": "x", "media_type": "application/pdf"}, "media_type"),
            ({"content": "x", "sources": "https://x"}, "sources"),
            ({"content": 5}, "content"),
        ],
    )
    def test_fields_that_do_not_fit_are_named(self, send: Send, body: Any, field: str) -> None:
        answered = send("POST", "/v1/archives/notes/entries", body)
        assert (answered.status, answered.json["errors"][0]["field"].split(".")[0]) == (422, field)
        assert list(aws.lake().keys("")) == []

    @pytest.mark.parametrize(
        "body",
        [
            {"content": " \n"},
            {"content": "x" * (1024 * 1024 + 1)},
            {"content": "x", "effective_on": "soon"},
            {"content": "x", "metadata": {"a": "b" * 20_000}},
        ],
        ids=["no text", "too long", "no time", "too much metadata"],
    )
    def test_what_can_t_be_ingested_is_refused_before_anything_is_kept(self, send: Send, body: Any) -> None:
        answered = send("POST", "/v1/archives/notes/entries", body)
        assert (answered.status, answered.json["code"]) == (422, "ENTRY_INVALID")
        assert list(aws.lake().keys("")) == []

    def test_an_execution_that_can_t_start_leaves_nothing_open(
        self, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy(*_: Any) -> bool:
            raise TransientError("The execution could not be started.")

        monkeypatch.setattr(executions, "start_once", busy)
        answered = send("POST", "/v1/archives/notes/entries", NOTE)
        assert (answered.status, "retry-after" in answered.headers) == (503, True)
        (item,) = entries.of_status("notes", DocumentStatus.FAILED, "job_id")
        assert jobs.get(item["job_id"]).status.value == "FAILED"

    def test_the_token_says_whose_document_it_is(self, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
        from omnilake.settings import settings

        monkeypatch.setenv("OMNILAKE_TENANT_CLAIM", "business")
        settings.cache_clear()
        stored_archive("theirs", "jwt:anna")
        body = NOTE | {"metadata": {"business_id": "others"}}
        told = send("POST", "/v1/archives/theirs/entries", body, claims=TENANT).json
        assert entries.versions(told["entry_id"])[0]["metadata"]["business_id"] == "acme"
        other = {"sub": "anna", "business": "others"}
        assert send("GET", f"/v1/archives/theirs/entries/{told['entry_id']}", claims=other).status == 404
        assert send("GET", "/v1/archives/theirs/entries", claims=other).json["items"] == []
        assert send("POST", "/v1/archives/theirs/collections", {"prefix": "s3://box/y"}, claims=TENANT).status == 403


class TestReading:
    def test_a_text_is_given_in_parts_and_as_it_is(self, send: Send) -> None:
        published(ENTRY, "Grüße aus dem Hafen")
        path = f"/v1/archives/notes/entries/{ENTRY}/content"
        assert send("GET", f"{path}?start=6&end=9").json == {"text": "aus", "start": 6, "end": 9, "total": 19}
        plain = send("GET", path, headers={"accept": "text/plain"})
        assert (plain.text, plain.headers["content-type"]) == ("Grüße aus dem Hafen", "text/plain; charset=utf-8")
        assert send("GET", f"{path}?start=100&end=5").json["text"] == ""

    def test_an_entry_of_another_archive_is_not_there(self, send: Send) -> None:
        published(ENTRY)
        stored_archive("minutes", MARA)
        for path in (f"entries/{ENTRY}", f"entries/{ENTRY}/content", f"entries/{ENTRY}/versions"):
            assert send("GET", f"/v1/archives/minutes/{path}").status == 404
            assert send("GET", f"/v1/archives/notes/{path}").status == 200
        assert send("DELETE", f"/v1/archives/minutes/entries/{ENTRY}").status == 404

    def test_strangers_are_told_the_same_as_of_what_is_not_there(self, send: Send) -> None:
        published(ENTRY)
        stranger = send("GET", f"/v1/archives/notes/entries/{ENTRY}", **AS_NOAH)
        nothing = send("GET", f"/v1/archives/nowhere/entries/{ENTRY}", **AS_NOAH)
        assert (stranger.status, stranger.json["code"]) == (nothing.status, nothing.json["code"])

    def test_lists_go_on_at_their_cursor_and_leave_out_what_is_superseded(self, send: Send) -> None:
        ids = [entries.entry_id_of("notes", "s3", str(number)) for number in range(5)]
        for each in ids:
            published(each)
        entries.finish(
            ids[0], entries.versions(ids[0])[0]["version"], archive_id="notes", status=DocumentStatus.SUPERSEDED
        )
        seen, cursor = [], ""
        while True:
            told = send("GET", f"/v1/archives/notes/entries?limit=2&cursor={cursor}")
            assert told.status == 200
            seen += [each["entry_id"] for each in told.json["items"]]
            cursor = told.json["next_cursor"]
            if not cursor:
                break
        assert sorted(seen) == sorted(ids[1:])
        only = send("GET", "/v1/archives/notes/entries?status=SUPERSEDED").json["items"]
        assert [each["entry_id"] for each in only] == [ids[0]]

    def test_versions_are_listed_newest_first(self, send: Send) -> None:
        for day in ("01", "02", "03"):
            published(ENTRY, version=f"202601{day}T000000Z-0-a")
        first = send("GET", f"/v1/archives/notes/entries/{ENTRY}/versions?limit=2").json
        rest = send("GET", f"/v1/archives/notes/entries/{ENTRY}/versions?limit=2&cursor={first['next_cursor']}").json
        told = [each["version"] for each in first["items"] + rest["items"]]
        assert told == sorted(told, reverse=True)
        assert (len(told), rest["next_cursor"]) == (3, "")

    def test_a_text_of_any_characters_is_read_to_its_end_in_parts_that_a_response_can_hold(self, send: Send) -> None:
        text = "漢\U0001f9ad\x01\n" * 600_000
        published(ENTRY, text)
        found, path = "", f"/v1/archives/notes/entries/{ENTRY}/content"
        while len(found) < len(text):
            told = send("GET", f"{path}?start={len(found)}").json
            assert (told["start"], told["end"], told["total"]) == (
                len(found),
                len(found) + len(told["text"]),
                len(text),
            )
            assert told["text"]
            found += told["text"]
        assert found == text
        plain = send("GET", path, headers={"accept": "text/plain"})
        assert plain.status == 200
        assert text.startswith(plain.text)

    def test_an_etag_saves_reading(self, send: Send) -> None:
        published(ENTRY)
        path = f"/v1/archives/notes/entries/{ENTRY}"
        tag = send("GET", path).headers["etag"]
        assert send("GET", path, headers={"if-none-match": tag}).status == 304


class TestChanging:
    def test_an_upload_gets_a_new_version_by_a_call(self, send: Send) -> None:
        published(ENTRY, source_type="s3", title="Lamp", metadata={"port": "Hook"})
        told = send("PUT", f"/v1/archives/notes/entries/{ENTRY}", {"content": "The lamp is green."}).json
        assert told["entry_id"] == ENTRY
        newest = entries.versions(ENTRY)[0]
        assert (newest["version"], newest["metadata"]) == (told["version"], {"port": "Hook"})
        (record,) = aws.lake().read_models(layout.inline_record("notes", told["job_id"]), Record)
        assert record.title == "Lamp"

    def test_a_change_of_an_older_version_is_refused(self, send: Send) -> None:
        published(ENTRY, source_type="s3")
        path = f"/v1/archives/notes/entries/{ENTRY}"
        for method, body in (("PUT", {"content": "x"}), ("DELETE", None)):
            assert send(method, path, body, headers={"if-match": '"an old one"'}).status == 412

    def test_an_object_of_another_bucket_is_not_changed_here(self, send: Send) -> None:
        entry_id = entries.entry_id_of("notes", "s3-object", "bucket", "key.pdf")
        published(entry_id, source_type="s3-object", name="key.pdf", source="s3://bucket/key.pdf")
        assert send("PUT", f"/v1/archives/notes/entries/{entry_id}", {"content": "x"}).status == 409

    def test_a_removal_is_a_job_of_its_own(self, send: Send, started: list[tuple[str, str]]) -> None:
        published(ENTRY)
        answered = send("DELETE", f"/v1/archives/notes/entries/{ENTRY}")
        assert (answered.status, answered.json["kind"], answered.json["entry_id"]) == (202, "remove_entries", ENTRY)
        job_id = answered.json["job_id"]
        assert started == [("remove", job_id)]
        request = aws.lake().read_model(layout.removal_part(job_id, "request"), RemovalRequest)
        assert (request.entry_ids, request.requested_by) == ([ENTRY], MARA)

    def test_readers_may_not_write(self, send: Send) -> None:
        stored_archive("shared", MARA, read=[NOAH])
        for method, path, body in (
            ("POST", "entries", NOTE),
            ("POST", "uploads", {"name": "a.md", "bytes": 5}),
            ("POST", "collections", {"prefix": "s3://box/p"}),
            ("POST", "reindex", {}),
        ):
            assert send(method, f"/v1/archives/shared/{path}", body, **AS_NOAH).status == 403

    def test_collections_and_reindexing_are_started_by_their_function(
        self, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[Any] = []

        def call(setting: str, event: dict[str, Any]) -> Any:
            seen.append((setting, event))
            jobs.create("collect-1", JobKind.INGEST_COLLECTION, "notes")
            return {"job_id": "collect-1", "execution_arn": "arn"}

        monkeypatch.setattr(routes, "call", call)
        assert send("POST", "/v1/archives/notes/collections", {"prefix": "s3://box/p"}).status == 202
        assert send("POST", "/v1/archives/notes/reindex", {}).status == 202
        asked = [event["request"] for _, event in seen]
        assert asked == [
            {"archive_id": "notes", "prefix": "s3://box/p", "manifest": ""},
            {"archive_id": "notes", "reindex": True, "entry_ids": []},
        ]
        assert {event["started_by"] for _, event in seen} == {MARA}


class TestUploads:
    def test_a_form_fixes_key_type_length_and_metadata(self, send: Send) -> None:
        body = {"name": "a b/plan.pdf", "bytes": 1_000, "media_type": "application/pdf", "metadata": {"Port": "Hoök"}}
        told = send("POST", "/v1/archives/notes/uploads", body)
        assert told.status == 201
        fields = told.json["fields"]
        assert (told.json["method"], fields["key"]) == ("POST", "incoming/notes/a b/plan.pdf")
        assert (fields["Content-Type"], fields["x-amz-meta-port"]) == ("application/pdf", "Ho%C3%B6k")
        import base64
        import json

        policy = json.loads(base64.b64decode(fields["policy"]))
        assert ["content-length-range", 1_000, 1_000] in policy["conditions"]
        assert {"key": "incoming/notes/a b/plan.pdf"} in policy["conditions"]
        assert told.json["entry_id"] == entries.entry_id_of("notes", "s3", "a b/plan.pdf")

    @pytest.mark.parametrize(
        ("told", "status"),
        [
            ({"name": "../x"}, 422),
            ({"name": "a//b"}, 422),
            ({"name": "a\nb"}, 422),
            ({"name": ""}, 422),
            ({"name": "ü" * 600}, 422),
            ({"bytes": 0}, 422),
            ({"bytes": 10**12}, 413),
            ({"media_type": "text/plain\r\nx: y"}, 422),
            ({"metadata": {"omnilake-job": "x"}}, 422),
            ({"metadata": {"a b": "x"}}, 422),
            ({"metadata": {"a": "x" * 3_000}}, 422),
        ],
    )
    def test_what_can_t_be_is_refused(self, send: Send, told: Any, status: int) -> None:
        assert send("POST", "/v1/archives/notes/uploads", {"name": "a.md", "bytes": 5} | told).status == status

    def test_parts_are_put_together_by_who_began_them(self, send: Send) -> None:
        stored_archive("shared", MARA, write=[NOAH])
        path = "/v1/archives/shared/uploads"
        told = send("POST", path, {"name": "a.md", "bytes": 5, "multipart": True}).json
        assert (told["method"], len(told["parts"])) == ("PUT", 1)
        kept = aws.lake().read_model(layout.upload("shared", told["upload_id"]), StartedUpload)
        part = aws.client("s3").upload_part(
            Bucket="landingbucket", Key=kept.key, UploadId=kept.s3_upload_id, PartNumber=1, Body=b"hello"
        )
        body = {"parts": [{"number": 1, "etag": part["ETag"]}]}
        one = f"{path}/{told['upload_id']}"
        assert send("POST", f"{one}/complete", body, **AS_NOAH).status == 404
        assert send("POST", f"{one}/complete", {"parts": [{"number": 2, "etag": part["ETag"]}]}).status == 422
        assert send("POST", f"{one}/complete", body).status == 200
        assert aws.ObjectStore("landingbucket").read("incoming/shared/a.md") == b"hello"
        assert send("POST", f"{one}/complete", body).status == 404

    def test_parts_of_another_length_are_not_kept(self, send: Send) -> None:
        path = "/v1/archives/notes/uploads"
        told = send("POST", path, {"name": "a.md", "bytes": 50, "multipart": True}).json
        kept = aws.lake().read_model(layout.upload("notes", told["upload_id"]), StartedUpload)
        part = aws.client("s3").upload_part(
            Bucket="landingbucket", Key=kept.key, UploadId=kept.s3_upload_id, PartNumber=1, Body=b"hello"
        )
        body = {"parts": [{"number": 1, "etag": part["ETag"]}]}
        assert send("POST", f"{path}/{told['upload_id']}/complete", body).status == 422
        assert list(aws.ObjectStore("landingbucket").keys("")) == []
        assert send("DELETE", f"{path}/{told['upload_id']}").status == 404

    def test_an_upload_can_be_given_up(self, send: Send) -> None:
        path = "/v1/archives/notes/uploads"
        told = send("POST", path, {"name": "a.md", "bytes": 50, "multipart": True}).json
        assert send("DELETE", f"{path}/{told['upload_id']}").status == 204
        assert send("DELETE", f"{path}/{told['upload_id']}").status == 404


class TestOmniLakesOwnPaths:
    def test_an_entry_lives_its_life(self, rpc: Send) -> None:
        added = rpc("POST", "/add_entry", {"archive_id": "notes", **NOTE})
        assert (added.status, set(added.json) >= {"entry_id", "job_id", "archive_id"}) == (202, True)
        named = {"entry_id": added.json["entry_id"]}
        assert rpc("POST", "/describe_entry", named).json["status"] == "PENDING"
        published(ENTRY, source_type="s3")
        assert rpc("POST", "/get_entry", {"entry_id": ENTRY}).json["content"] == "The lamp is red."
        updated = rpc("POST", "/update_entry", {"entry_id": ENTRY, "content": "green"})
        assert (updated.status, updated.json["entry_id"]) == (202, ENTRY)
        assert rpc("POST", "/delete_entry", {"entry_id": ENTRY, "force": True}).json["kind"] == "remove_entries"

    def test_strangers_find_no_entry(self, rpc: Send) -> None:
        published(ENTRY)
        for path in ("/describe_entry", "/get_entry", "/delete_entry"):
            answered = rpc("POST", path, {"entry_id": ENTRY}, **AS_NOAH)
            assert (answered.status, answered.json["code"]) == (404, "ENTRY_NOT_FOUND")

    def test_an_entry_is_indexed_in_another_archive_with_its_sources(self, rpc: Send) -> None:
        published(ENTRY)
        stored_archive("minutes", MARA)
        told = rpc("POST", "/index_entry", {"archive_id": "minutes", "entry_id": ENTRY})
        assert (told.status, told.json["archive_id"]) == (202, "minutes")
        assert entries.versions(told.json["entry_id"])[0]["archive_id"] == "minutes"

    def test_an_archive_may_be_called_the_destination(self, rpc: Send) -> None:
        assert rpc("POST", "/add_entry", {"destination_archive_id": "notes", **NOTE}).status == 202

    def test_an_archive_has_to_be_named(self, rpc: Send) -> None:
        answered = rpc("POST", "/add_entry", NOTE)
        assert (answered.status, answered.json["errors"][0]["field"]) == (422, "archive_id")


@pytest.mark.usefixtures("stack")
@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(min_size=1, max_size=60).filter(lambda text: "/" not in text or True))
def test_whatever_an_id_is_nothing_breaks(send: Send, name: str) -> None:
    """Ids come percent-decoded; none but a well-formed one gets past the pattern."""
    for path in (f"/v1/archives/notes/entries/{name}", f"/v1/archives/{name}/entries/{ENTRY}"):
        assert send("GET", path.split("?")[0].split("#")[0]).status in {404, 405, 422}
