"""Bad input at the deployed API: a problem document with its code and the field at fault, and nothing half done.

What a route refuses by itself is tested in tests/unit/api; here is what gateway, tables and machines make of it.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from any_call import Answered, any_call
from botocore.auth import SIGV4_TIMESTAMP
from embedded_cloud import Cloud, unique, wait_for
from signed_calls import Caller

from omnilake import api, aws, jobs, sources
from omnilake.api import pagination
from omnilake.clock import timestamp
from omnilake.models import ENDED, JobKind, JobStatus

MIB = 1024 * 1024
FACT = "The night ferry to Selmere leaves from pier seven at half past nine."
QUESTION = "From which pier does the night ferry to Selmere leave?"

Users = Callable[..., Caller]


def refusal(response: requests.Response, status: int, code: str, *fields: str) -> dict[str, Any]:
    """The problem document that a call was refused with."""
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json"), (
        response.text
    )
    told: dict[str, Any] = response.json()
    assert told["code"] == code, told
    assert {*fields} <= {each["field"] for each in told["errors"]}, told
    assert told["type"].endswith(f"#{code.lower()}")
    assert told["instance"]
    return told


@dataclass(frozen=True)
class Lake:
    """What somebody has: an archive with an entry, an answer, a source, and an upload under way."""

    caller: Caller
    principal: str
    archive_id: str
    entry_id: str
    job_id: str
    source_id: str
    upload_id: str

    @property
    def path(self) -> str:
        """Of the archive."""
        return f"/v1/archives/{self.archive_id}"

    def jobs(self) -> list[str]:
        """Ids of the archive's jobs."""
        listed = self.caller.send("GET", f"/v1/jobs?archive_id={self.archive_id}&limit=100").json()["items"]
        return [each["job_id"] for each in listed]

    def entries(self) -> list[str]:
        """Ids of the archive's entries."""
        return [each["entry_id"] for each in self.caller.send("GET", f"{self.path}/entries").json()["items"]]


@pytest.fixture(scope="module")
def mara(cloud: Cloud, users: Users) -> Lake:
    """Someone with all kinds of things."""
    caller, archive_id = users(), unique()
    path = f"/v1/archives/{archive_id}"
    made = caller.send("POST", "/v1/archives", {"archive_id": archive_id})
    assert made.status_code == 201, made.text
    entry = caller.send("POST", f"{path}/entries", {"content": FACT}, Prefer="wait=25").json()
    assert cloud.deployment.wait(entry["job_id"]).status is JobStatus.COMPLETED
    asked = caller.send("POST", "/v1/requests", {"archives": [archive_id], "question": QUESTION}).json()
    assert cloud.deployment.wait(asked["job_id"]).status is JobStatus.COMPLETED
    config = {"start_url": f"https://{unique()}.invalid/"}
    source = {"archive_id": archive_id, "source_type": "website", "config": config, "schedule": ""}
    upload = {"name": "large.txt", "bytes": 6 * MIB, "multipart": True}
    return Lake(
        caller=caller,
        principal=made.json()["owner"],
        archive_id=archive_id,
        entry_id=entry["entry_id"],
        job_id=asked["job_id"],
        source_id=caller.send("POST", "/v1/sources", source).json()["source_id"],
        upload_id=caller.send("POST", f"{path}/uploads", upload).json()["upload_id"],
    )


@pytest.fixture(scope="module")
def noah(users: Users) -> Caller:
    """Someone who may call the API, and has no right over anything of Mara's."""
    return users()


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            b'{"archives": [',
            b"\xff\xfe{}",
            b'{"content": "\\ud800"}',
            b'{"\\ud800": 1}',
            b'{"content": NaN}',
            b'{"content": -Infinity}',
            b"[" * 100_000,
            b'{"content": "One.", "content": "Two."}',
            b'{"content": "One."} x',
            b'{"content": "a\x00b"}',
            b'\xef\xbb\xbf{"content": "One."}',
            b'{"content": ' + b"9" * 5_000 + b"}",
            gzip.compress(b'{"content": "One."}'),
        ],
        ids=[
            "cut off",
            "no UTF-8",
            "a lone surrogate",
            "a lone surrogate as a name",
            "no number",
            "no end",
            "100,000 deep",
            "a name twice",
            "more behind it",
            "a control character",
            "a byte order mark",
            "a number of 5,000 digits",
            "gzip",
        ],
    )
    def test_what_is_no_json_starts_nothing(self, mara: Lake, body: bytes) -> None:
        before = mara.jobs()
        refusal(mara.caller.send("POST", f"{mara.path}/entries", body), 400, "BODY_INVALID")
        refusal(mara.caller.send("POST", "/v1/requests", body), 400, "BODY_INVALID")
        assert mara.jobs() == before

    @pytest.mark.parametrize(
        "kind",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/merge-patch+json",
            "json",
        ],
    )
    def test_another_media_type_starts_nothing(self, mara: Lake, kind: str) -> None:
        before = mara.jobs()
        body = json.dumps({"content": FACT}).encode()
        refused = mara.caller.send("POST", f"{mara.path}/entries", body, content_type=kind)
        refusal(refused, 415, "MEDIA_TYPE_UNSUPPORTED")
        assert mara.jobs() == before

    @pytest.mark.parametrize("wait", ["wait", "wait=", "wait=-1", "wait=1e3", "wait=1.5", "wait=soon"])
    def test_a_preference_that_is_none_starts_nothing(self, mara: Lake, wait: str) -> None:
        before = mara.jobs()
        asked = {"archives": [mara.archive_id], "question": QUESTION}
        for path, body in (
            ("/v1/requests", asked),
            ("/v1/search", asked),
            (f"/v1/requests/{mara.job_id}/replay", {}),
            (f"{mara.path}/entries", {"content": "One."}),
        ):
            refusal(mara.caller.send("POST", path, body, Prefer=wait), 422, "FIELDS_INVALID", "header.Prefer")
        assert mara.jobs() == before

    @pytest.mark.parametrize(
        "address",
        [
            "s3://",
            "s3:///a",
            "http://bucket/a/",
            "s3://bucket",
            "s3://b\x00d/a/",
            "s3://Bad_Bucket/a/",
            "s3://bucket/a\n",
        ],
    )
    def test_what_is_no_address_in_s3_starts_no_collection(self, mara: Lake, address: str) -> None:
        before = mara.jobs()
        for name in ("prefix", "manifest"):
            refused = mara.caller.send("POST", f"{mara.path}/collections", {name: address})
            refusal(refused, 422, "FIELDS_INVALID", name)
        assert mara.jobs() == before

    @pytest.mark.parametrize(
        ("path", "body", "field"),
        [
            ("/entries", {"content": 7}, "content"),
            ("/entries", {"content": FACT, "\x00": 1}, "?"),
            ("/entries", {"content": FACT, "metadata": {"a": {"b": 1}}}, "metadata.a"),
            ("/entries", {"content": FACT, "colour": "red"}, "colour"),
            ("/entries", {"content": FACT, "sources": "https://example.com"}, "sources"),
            ("/collections", {"prefix": ["incoming/"]}, "prefix"),
            ("/reindex", {"entry_ids": ["e/1"]}, "entry_ids.0"),
            ("/uploads", {"name": "a.txt", "bytes": "many"}, "bytes"),
            ("/uploads", {"name": "a.txt", "bytes": 1, "key": "incoming/other/a.txt"}, "key"),
        ],
    )
    def test_types_and_fields_that_do_not_fit_are_named_and_start_nothing(
        self, mara: Lake, path: str, body: dict[str, Any], field: str
    ) -> None:
        before = mara.jobs(), mara.entries()
        refusal(mara.caller.send("POST", mara.path + path, body), 422, "FIELDS_INVALID", field)
        assert (mara.jobs(), mara.entries()) == before

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"question": 7}, "question"),
            ({"colour": "red"}, "colour"),
            ({"mode": "SOME"}, "mode"),
            ({"filters": [{"field": "source", "operator": "is", "value": "x"}]}, "filters.0.operator"),
            ({"max_cost": -1}, "max_cost"),
            ({"archives": []}, "archives"),
            ({"archives": ["a"] * 21}, "archives"),
            ({"goal": "x" * 4_001}, "goal"),
        ],
    )
    def test_a_request_that_does_not_fit_is_refused_with_its_field(
        self, mara: Lake, body: dict[str, Any], field: str
    ) -> None:
        before = mara.jobs()
        asked = {"archives": [mara.archive_id], "question": QUESTION} | body
        for path in ("/v1/requests", "/v1/search"):
            refusal(mara.caller.send("POST", path, asked), 422, "FIELDS_INVALID", field)
        assert mara.jobs() == before

    @pytest.mark.parametrize(
        ("question", "code"),
        [("?!", "QUESTION_EMPTY"), ("pier " * 10_000, "QUESTION_TOO_LONG")],
        ids=["no word", "long"],
    )
    def test_a_question_that_is_none_is_refused_before_a_job_is_made(
        self, mara: Lake, question: str, code: str
    ) -> None:
        before = mara.jobs()
        asked = {"archives": [mara.archive_id], "question": question}
        refusal(mara.caller.send("POST", "/v1/requests", asked), 422, code, "question")
        assert mara.jobs() == before

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"filters": [{"field": "page", "operator": "eq", "value": "a'); DROP TABLE x; --"}]}, "filters"),
            ({"filters": [{"field": "page", "operator": "eq", "value": 2**63}]}, "filters"),
            ({"filters": [{"field": "colour", "operator": "eq", "value": "red"}]}, "filters"),
            ({"filters": [{"field": "entry", "operator": "in", "value": ["e1"] * 201}]}, "filters"),
            ({"mode": "RELATED"}, "related_to"),
        ],
    )
    def test_a_scope_that_can_not_be_is_refused_before_a_job_is_made(
        self, mara: Lake, body: dict[str, Any], field: str
    ) -> None:
        before = mara.jobs()
        asked = {"archives": [mara.archive_id], "question": QUESTION} | body
        for path in ("/v1/requests", "/v1/search"):
            refusal(mara.caller.send("POST", path, asked), 422, "REQUEST_INVALID", field)
        assert mara.jobs() == before

    def test_a_content_over_the_limit_is_refused_and_kept_nowhere(self, mara: Lake) -> None:
        before = mara.jobs()
        refusal(
            mara.caller.send("POST", f"{mara.path}/entries", {"content": "x" * (MIB + 1)}),
            422,
            "ENTRY_INVALID",
            "content",
        )
        assert mara.jobs() == before

    def test_a_body_over_the_limit_is_refused_unread(self, mara: Lake) -> None:
        before = mara.jobs()
        refusal(mara.caller.send("POST", f"{mara.path}/entries", b" " * (2 * MIB + 1)), 413, "BODY_TOO_LARGE")
        assert mara.jobs() == before

    def test_a_body_over_the_gateways_limit_never_reaches_the_function(self, mara: Lake) -> None:
        before = mara.jobs()
        refused = mara.caller.send("POST", f"{mara.path}/entries", b" " * (10 * MIB + 1))
        assert (refused.status_code, refused.json()) == (413, {"message": "Request Entity Too Large"})
        assert mara.jobs() == before


def _paths() -> list[tuple[str, set[str]]]:
    """Path templates of the API's description, each with its methods."""
    document = json.loads(Path(api.__file__).with_name("openapi.json").read_text(encoding="utf-8"))
    return [(path, {method.upper() for method in operations}) for path, operations in document["paths"].items()]


class TestPathsAndMethods:
    @pytest.fixture
    def ids(self, mara: Lake) -> dict[str, str]:
        return {
            "archive_id": mara.archive_id,
            "entry_id": mara.entry_id,
            "job_id": mara.job_id,
            "other_job_id": mara.job_id,
            "number": "1",
            "source_id": mara.source_id,
            "upload_id": mara.upload_id,
            "name": "website",
        }

    @pytest.mark.parametrize(("path", "methods"), [each for each in _paths() if each[0].startswith("/v1/")])
    def test_other_methods_are_refused_with_those_that_it_takes(
        self, mara: Lake, ids: dict[str, str], path: str, methods: set[str]
    ) -> None:
        for method in {"GET", "PUT", "POST", "PATCH", "DELETE"} - methods:
            body: dict[str, Any] | None = {} if method in {"PUT", "POST", "PATCH"} else None
            refused = mara.caller.send(method, path.format_map(ids), body, If_Match="*")
            refusal(refused, 405, "METHOD_NOT_ALLOWED")
            assert set(refused.headers["Allow"].split(", ")) == methods

    @pytest.mark.parametrize(("path", "methods"), _paths())
    def test_a_path_is_taken_as_it_is_or_not_at_all(
        self, mara: Lake, ids: dict[str, str], path: str, methods: set[str]
    ) -> None:
        told = path.format_map(ids)
        for odd in (
            f"{told}/",
            f"{told}//",
            f"{told}/more/of/it/all",
            f"{told}%2F",
            f"{told}%00",
            told.replace("/v1/", "/v1//"),
        ):
            if odd == told:
                continue  # OmniLake's own paths have one part
            refused = mara.caller.send("GET", odd)
            code = refused.json()["code"]
            assert code in {"ROUTE_NOT_FOUND", "FIELDS_INVALID", "METHOD_NOT_ALLOWED"}, (odd, refused.text)
            refusal(refused, {"ROUTE_NOT_FOUND": 404, "FIELDS_INVALID": 422, "METHOD_NOT_ALLOWED": 405}[code], code)

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=-1",
            "limit=1e9",
            "limit=101",
            "limit=",
            "limit=x",
            "limit=1&limit=2",
            "colour=red",
            "%00=1",
            "=1",
        ],
    )
    def test_a_query_that_does_not_fit_is_refused(self, mara: Lake, query: str) -> None:
        for path in (
            "/v1/archives",
            "/v1/jobs",
            "/v1/sources",
            f"{mara.path}/entries",
            f"{mara.path}/entries/{mara.entry_id}/chunks",
            f"/v1/jobs/{mara.job_id}/items",
            f"/v1/jobs/{mara.job_id}/events",
        ):
            refusal(mara.caller.send("GET", f"{path}?{query}"), 422, "FIELDS_INVALID")

    @pytest.mark.parametrize("tag", ["", '"', "nonsense", 'W/"x"', '"a", "b"', ",", "*, x"])
    def test_a_revision_that_is_none_changes_nothing(self, mara: Lake, tag: str) -> None:
        entry = f"{mara.path}/entries/{mara.entry_id}"
        before = mara.jobs()
        for method, path, body in (
            ("PATCH", mara.path, {"description": "Mine now."}),
            ("PUT", f"{mara.path}/access", {"read": ["*"]}),
            ("DELETE", mara.path, None),
            ("PUT", entry, {"content": "Mine now."}),
            ("DELETE", entry, None),
        ):
            refusal(mara.caller.send(method, path, body, If_Match=tag), 412, "REVISION_MISMATCH")
        assert mara.jobs() == before
        assert mara.caller.send("GET", mara.path).json()["description"] == ""


class TestCursors:
    @pytest.fixture
    def cursor(self, mara: Lake) -> str:
        """Of Mara's list of jobs of her archive, one a page."""
        page = mara.caller.send("GET", f"/v1/jobs?archive_id={mara.archive_id}&limit=1").json()
        assert page["next_cursor"]
        return str(page["next_cursor"])

    @pytest.mark.parametrize("text", ["x", "e30.e30", "%00", "é", ".", "a" * 2_048])
    def test_what_is_no_cursor_is_refused(self, mara: Lake, text: str) -> None:
        for path in (
            "/v1/archives",
            "/v1/jobs",
            "/v1/sources",
            f"{mara.path}/entries",
            f"/v1/jobs/{mara.job_id}/items",
        ):
            refusal(mara.caller.send("GET", f"{path}?cursor={quote(text, safe='%')}"), 400, "CURSOR_INVALID")

    def test_a_cursor_too_long_to_be_one_names_its_parameter(self, mara: Lake) -> None:
        refusal(mara.caller.send("GET", f"/v1/jobs?cursor={'a' * 2_049}"), 422, "FIELDS_INVALID", "query.cursor")

    def test_a_cursor_leads_on_in_its_own_list_only(self, mara: Lake, noah: Caller, cursor: str) -> None:
        own = f"/v1/jobs?archive_id={mara.archive_id}&limit=1&cursor={cursor}"
        assert mara.caller.send("GET", own).status_code == 200
        refusal(noah.send("GET", own), 400, "CURSOR_INVALID")
        others = ["/v1/jobs?", f"/v1/jobs?archive_id={mara.archive_id}&status=FAILED&", "/v1/archives?", "/v1/sources?"]
        for path in [*others, f"{mara.path}/entries?", f"/v1/jobs/{mara.job_id}/items?"]:
            refusal(mara.caller.send("GET", f"{path}cursor={cursor}"), 400, "CURSOR_INVALID")

    def test_a_cursor_of_the_day_before_yesterday_has_expired(self, cloud: Cloud, mara: Lake) -> None:
        """Signed as the deployment signed it then: with its key."""
        name = cloud.resources["ApiSecret"]
        key = aws.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"].encode()
        scope = pagination.scope_of("archives", {}, mara.principal)
        position = {"after": mara.archive_id[:-1]}
        fresh = pagination.make_cursor(position, scope, key)
        old = pagination.make_cursor(position, scope, key, time.time() - 2 * 86_400)

        assert mara.caller.send("GET", f"/v1/archives?cursor={fresh}").status_code == 200
        refusal(mara.caller.send("GET", f"/v1/archives?cursor={old}"), 400, "CURSOR_EXPIRED")


ODD = ["a/b", "../jobs", "ab\x00cd", "a\r\nb", "é" * 3, "\U0001f9ad", "\u202eabc", "a b", "%2e%2e", "x" * 3_000]


class TestOddIds:
    @pytest.mark.parametrize("odd", ODD, ids=ascii)
    def test_in_a_path_they_name_nothing(self, mara: Lake, odd: str) -> None:
        told = quote(odd, safe="")
        for path in (
            f"/v1/archives/{told}",
            f"/v1/archives/{told}/entries",
            f"{mara.path}/entries/{told}",
            f"{mara.path}/entries/{told}/content",
            f"/v1/jobs/{told}",
            f"/v1/jobs/{told}/events",
            f"/v1/answers/{told}",
            f"/v1/requests/{told}",
            f"/v1/search/{told}",
            f"/v1/sources/{told}",
            f"/v1/source-types/{told}",
        ):
            refused = mara.caller.send("GET", path)
            code = refused.json()["code"]
            assert code in {"ROUTE_NOT_FOUND", "FIELDS_INVALID"}, (path, refused.text)
            refusal(refused, 404 if code == "ROUTE_NOT_FOUND" else 422, code)

    @pytest.mark.parametrize("odd", ODD, ids=ascii)
    def test_in_a_body_they_are_refused_and_nothing_is_made(self, mara: Lake, odd: str) -> None:
        before = mara.jobs(), mara.entries()
        for path in ("/v1/archives", "/create_archive"):
            refusal(mara.caller.send("POST", path, {"archive_id": odd}), 422, "FIELDS_INVALID", "archive_id")
        for path, body, field in (
            ("/describe_archive", {"archive_id": odd}, "archive_id"),
            ("/describe_entry", {"entry_id": odd}, "entry_id"),
            ("/describe_job", {"job_id": odd}, "job_id"),
            ("/describe_source", {"source_id": odd}, "source_id"),
            (f"{mara.path}/reindex", {"entry_ids": [odd]}, "entry_ids.0"),
        ):
            refusal(mara.caller.send("POST", path, body), 422, "FIELDS_INVALID", field)
        asked = mara.caller.send("POST", "/v1/requests", {"archives": [odd], "question": QUESTION})
        refusal(asked, 404, "ARCHIVE_NOT_FOUND")
        assert (mara.jobs(), mara.entries()) == before

    def test_a_name_that_would_leave_its_archive_is_no_upload(self, mara: Lake) -> None:
        for name in ("../other/a.txt", "a/../../b.txt", "a\x00.txt", "\ud83e.txt".encode("utf-8", "replace").decode()):
            answered = mara.caller.send("POST", f"{mara.path}/uploads", {"name": name, "bytes": 1})
            if answered.status_code == 201:
                assert answered.json()["fields"]["key"].startswith(f"incoming/{mara.archive_id}/")
                assert ".." not in answered.json()["fields"]["key"].split("/")
            else:
                refusal(answered, 422, "UPLOAD_INVALID")


def _operations() -> list[tuple[str, str]]:
    """Method and path of all operations of the API's description that name something of an archive."""
    document = json.loads(Path(api.__file__).with_name("openapi.json").read_text(encoding="utf-8"))
    return [
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if "{" in path and "source-types" not in path  # those belong to all
    ]


_BODIES: dict[str, dict[str, Any]] = {
    "/access": {"read": ["*"]},
    "/collections": {"prefix": "s3://somewhere/"},
    "/reindex": {},
    "/uploads": {"name": "a.txt", "bytes": 1},
    "/complete": {"parts": [{"number": 1, "etag": "x"}]},
    "/entries": {"content": "Mine now."},
    "/entries/{entry_id}": {"content": "Mine now."},
    "/fork": {"changes": {}},
    "/score": {"score": 0},
    "/sources/{source_id}": {"config": {"start_url": "https://example.com/"}},
    "/syncs": {},
    "/archives/{archive_id}": {"description": "Mine now."},
}
"""By the end of an operation's path a body that fits it."""


class TestWhatIsOthers:
    @pytest.mark.parametrize(("method", "path"), _operations())
    def test_it_looks_as_if_it_were_not_there(self, mara: Lake, noah: Caller, method: str, path: str) -> None:
        """The answer is the same, but for the id, as to one that nothing has."""
        body = next((body for end, body in _BODIES.items() if path.endswith(end)), None)
        there = {
            "archive_id": mara.archive_id,
            "entry_id": mara.entry_id,
            "job_id": mara.job_id,
            "other_job_id": mara.job_id,
            "number": "1",
            "source_id": mara.source_id,
            "upload_id": mara.upload_id,
        }
        nothing = {
            "archive_id": unique(),
            "entry_id": "e" + "0" * 31,
            "job_id": unique("req-"),
            "number": "1",
            "source_id": "s" + "0" * 31,
            "upload_id": "0" * 32,
        }
        nothing["other_job_id"] = nothing["job_id"]
        told = []
        for ids in (there, nothing):
            sent = body if method in {"POST", "PUT", "PATCH"} else None
            response = noah.send(method, path.format_map(ids), sent, If_Match="*")
            problem = response.json()
            assert response.status_code == 404, response.text
            assert problem["code"].endswith("_NOT_FOUND")
            assert problem["code"] != "ROUTE_NOT_FOUND"
            del problem["instance"]
            told.append(json.dumps(problem).replace(ids["job_id"], "ID").replace(ids["entry_id"], "ID"))
        assert told[0] == told[1]

    @pytest.mark.parametrize(
        ("path", "field"),
        [
            ("/describe_archive", "archive_id"),
            ("/update_archive", "archive_id"),
            ("/delete_archive", "archive_id"),
            ("/describe_entry", "entry_id"),
            ("/get_entry", "entry_id"),
            ("/update_entry", "entry_id"),
            ("/delete_entry", "entry_id"),
            ("/describe_job", "job_id"),
            ("/describe_source", "source_id"),
            ("/delete_source", "source_id"),
        ],
    )
    def test_omnilakes_own_paths_tell_no_more(self, mara: Lake, noah: Caller, path: str, field: str) -> None:
        more = {"content": "Mine now."} if path == "/update_entry" else {}
        refused = noah.send("POST", path, {field: getattr(mara, field)} | more)
        assert refused.status_code == 404, refused.text
        assert refused.json()["code"].endswith("_NOT_FOUND")

    def test_nobody_is_told_of_it_in_a_list_and_nothing_is_changed(self, mara: Lake, noah: Caller) -> None:
        ids = {mara.archive_id, mara.entry_id, mara.job_id, mara.source_id}
        for path in ("/v1/archives", "/v1/jobs", "/v1/sources"):
            text = noah.send("GET", f"{path}?limit=100").text
            assert not [each for each in ids if each in text]
        assert noah.send("GET", f"/v1/jobs?archive_id={mara.archive_id}").json()["items"] == []
        refusal(noah.send("GET", f"/v1/sources?archive_id={mara.archive_id}"), 404, "ARCHIVE_NOT_FOUND")

        content = mara.caller.send("GET", f"{mara.path}/entries/{mara.entry_id}/content").json()
        assert content["text"] == FACT
        assert mara.caller.send("GET", mara.path).json()["description"] == ""
        assert mara.caller.send("GET", f"/v1/requests/{mara.job_id}").json()["score"] is None
        upload = f"{mara.path}/uploads/{mara.upload_id}"
        assert mara.caller.send("DELETE", upload).status_code == 204

    def test_it_can_not_be_asked_written_into_or_built_upon(self, cloud: Cloud, mara: Lake, noah: Caller) -> None:
        own = unique()
        assert noah.send("POST", "/v1/archives", {"archive_id": own}).status_code == 201
        before = mara.jobs()
        asked = {"archives": [own], "question": QUESTION}
        for more, code in (
            ({"archives": [own, mara.archive_id]}, "ARCHIVE_NOT_FOUND"),
            ({"destination_archive": mara.archive_id}, "ARCHIVE_NOT_FOUND"),
            ({"mode": "RELATED", "related_to": mara.job_id}, "JOB_NOT_FOUND"),
            ({"replay_of": mara.job_id}, "JOB_NOT_FOUND"),
            ({"forked_from": mara.job_id}, "JOB_NOT_FOUND"),
        ):
            for path in ("/v1/requests", "/v1/search"):
                refusal(noah.send("POST", path, asked | more), 404, code)
        refusal(
            noah.send("POST", "/index_entry", {"entry_id": mara.entry_id, "archive_id": own}), 404, "ENTRY_NOT_FOUND"
        )
        refusal(noah.send("GET", f"/v1/archives/{own}/entries/{mara.entry_id}"), 404, "ENTRY_NOT_FOUND")
        refusal(noah.send("DELETE", f"/v1/archives/{own}/uploads/{mara.upload_id}"), 404, "UPLOAD_NOT_FOUND")
        reindexed = noah.send("POST", f"/v1/archives/{own}/reindex", {"entry_ids": [mara.entry_id]})
        assert reindexed.status_code == 202, reindexed.text
        assert cloud.deployment.wait(reindexed.json()["job_id"]).status in ENDED
        assert cloud.rows(own) == []
        assert mara.jobs() == before


class TestTenants:
    """Two tenants in one archive. The token's claims are handed over as the gateway does once it has checked one."""

    @pytest.fixture
    def send(self, cloud: Cloud) -> Iterator[Callable[..., Answered]]:
        """A caller of the deployed functions with a tenant's token."""
        functions = {"entries": "EntriesApiFunction", "jobs": "JobsApiFunction", "requests": "RequestsApiFunction"}

        def sent(function: str, tenant: str, method: str, path: str, body: Any = None) -> Answered:
            event = any_call(method, path, body, claims={"sub": f"someone of {tenant}", "business": tenant})
            return Answered.of(cloud.invoke(functions[function], event).output)

        with ExitStack() as settings:
            for function in functions.values():
                settings.enter_context(cloud.setting(function, "OMNILAKE_TENANT_CLAIM", "business"))
            yield sent

    def test_what_is_another_tenants_is_not_there(
        self, cloud: Cloud, operator: Caller, send: Callable[..., Answered]
    ) -> None:
        archive_id = unique()
        everyone = {"read": ["*"], "write": ["*"]}
        made = operator.send("POST", "/v1/archives", {"archive_id": archive_id, "access": everyone})
        assert made.status_code == 201, made.text
        path = f"/v1/archives/{archive_id}/entries"
        added = send("entries", "red", "POST", path, {"content": FACT})
        assert added.status == 202, added.text
        assert cloud.deployment.wait(added.json["job_id"]).status is JobStatus.COMPLETED
        entry = f"{path}/{added.json['entry_id']}"
        asked = {"archives": [archive_id], "question": QUESTION}
        answers = {tenant: send("requests", tenant, "POST", "/v1/requests", asked) for tenant in ("red", "blue")}
        for answer in answers.values():
            assert cloud.deployment.wait(answer.json["job_id"]).status is JobStatus.COMPLETED
        reds = answers["red"].json["job_id"]

        for method, of, body in (
            ("GET", entry, None),
            ("GET", f"{entry}/content", None),
            ("GET", f"{entry}/chunks", None),
            ("GET", f"{entry}/versions", None),
            ("PUT", entry, {"content": "Blue's now."}),
            ("DELETE", entry, None),
        ):
            refused = send("entries", "blue", method, of, body)
            assert (refused.status, refused.json["code"]) == (404, "ENTRY_NOT_FOUND"), (method, of)
        assert send("entries", "blue", "GET", path).json["items"] == []
        for function, method, of in (
            ("jobs", "GET", f"/v1/jobs/{reds}"),
            ("jobs", "GET", f"/v1/jobs/{reds}/events"),
            ("jobs", "POST", f"/v1/jobs/{added.json['job_id']}/cancel"),
            ("jobs", "POST", f"/v1/jobs/{reds}/retry"),
            ("requests", "GET", f"/v1/answers/{reds}"),
            ("requests", "GET", f"/v1/requests/{reds}"),
            ("requests", "POST", f"/v1/requests/{reds}/replay"),
        ):
            refused = send(function, "blue", method, of)
            assert (refused.status, refused.json["code"]) == (404, "JOB_NOT_FOUND"), (method, of)
        listed = send("jobs", "blue", "GET", f"/v1/jobs?archive_id={archive_id}").json["items"]
        assert [each["job_id"] for each in listed] == [answers["blue"].json["job_id"]]
        forged = send("requests", "blue", "POST", "/v1/requests", asked | {"tenant": {"business_id": "red"}})
        assert (forged.status, forged.json["code"]) == (403, "FORBIDDEN")

        found = {
            tenant: send("requests", tenant, "GET", f"/v1/answers/{answer.json['job_id']}").json
            for tenant, answer in answers.items()
        }
        assert "pier seven" in found["red"]["text"]
        assert found["blue"]["status"] == "ABSTAINED"
        assert FACT not in json.dumps(found["blue"])
        assert send("entries", "red", "GET", f"{entry}/content").json["text"] == FACT


class TestRepeatedCalls:
    def test_under_one_key_a_call_is_done_once_and_another_is_refused(self, mara: Lake) -> None:
        key, before = unique("key-"), len(mara.jobs())
        body = {"content": "The lamp of Selmere is red."}
        first = mara.caller.send("POST", f"{mara.path}/entries", body, Idempotency_Key=key)
        again = mara.caller.send("POST", f"{mara.path}/entries", body, Idempotency_Key=key)
        assert (first.status_code, again.status_code) == (202, 202), again.text
        assert again.text == first.text
        assert again.headers["Location"] == first.headers["Location"]

        other = {"content": "The lamp of Selmere is green."}
        refusal(
            mara.caller.send("POST", f"{mara.path}/entries", other, Idempotency_Key=key), 422, "IDEMPOTENCY_MISMATCH"
        )
        asked = {"archives": [mara.archive_id], "question": QUESTION}
        refusal(mara.caller.send("POST", "/v1/requests", asked, Idempotency_Key=key), 422, "IDEMPOTENCY_MISMATCH")
        assert len(mara.jobs()) == before + 1

    def test_another_callers_key_is_another_key(self, mara: Lake, noah: Caller) -> None:
        key = unique("key-")
        made = mara.caller.send("POST", "/v1/archives", {"archive_id": unique()}, Idempotency_Key=key)
        others = noah.send("POST", "/v1/archives", {"archive_id": unique()}, Idempotency_Key=key)
        assert (made.status_code, others.status_code) == (201, 201)
        assert made.json()["archive_id"] != others.json()["archive_id"]

    def test_of_calls_at_once_under_one_key_one_is_done(self, mara: Lake) -> None:
        key, before, many = unique("key-"), set(mara.jobs()), 6
        body = {"content": f"The bell of buoy {key} rings."}

        def call(_: int) -> requests.Response:
            return mara.caller.send("POST", f"{mara.path}/entries", body, Idempotency_Key=key)

        with ThreadPoolExecutor(many) as threads:
            answers = list(threads.map(call, range(many)))
        told = {each.json()["job_id"] for each in answers if each.status_code == 202}
        for each in answers:
            if each.status_code != 202:
                refusal(each, 409, "REQUEST_IN_PROGRESS")
                assert each.headers["Retry-After"]
        assert {*mara.jobs()} - before == told
        assert len(told) == 1

    @pytest.mark.parametrize("key", ["", "x" * 256, "x" * 9_000, "k\tk"])
    def test_a_key_that_is_none_is_refused(self, mara: Lake, key: str) -> None:
        made = unique()
        refused = mara.caller.send("POST", "/v1/archives", {"archive_id": made}, Idempotency_Key=key)
        refusal(refused, 400, "IDEMPOTENCY_KEY_INVALID")
        refusal(mara.caller.send("GET", f"/v1/archives/{made}"), 404, "ARCHIVE_NOT_FOUND")


class TestThingsInUse:
    def test_an_archive_with_an_entry_stays_whole(self, mara: Lake) -> None:
        tag = mara.caller.send("GET", mara.path).headers["Etag"]
        told = refusal(mara.caller.send("DELETE", mara.path, If_Match=tag), 409, "ARCHIVE_IN_USE")
        assert "entries" in told["detail"]
        refusal(mara.caller.send("POST", "/delete_archive", {"archive_id": mara.archive_id}), 409, "ARCHIVE_IN_USE")
        chunks = mara.caller.send("GET", f"{mara.path}/entries/{mara.entry_id}/chunks").json()["items"]
        assert FACT in chunks[0]["text"]

    def test_a_source_under_sync_and_its_archive_stay_until_the_sync_has_ended(self, mara: Lake) -> None:
        archive_id, job_id = unique(), unique("sync-")
        path = f"/v1/archives/{archive_id}"
        assert mara.caller.send("POST", "/v1/archives", {"archive_id": archive_id}).status_code == 201
        body = {"archive_id": archive_id, "source_type": "website", "config": {"start_url": "https://a.invalid/"}}
        source_id = mara.caller.send("POST", "/v1/sources", body | {"schedule": ""}).json()["source_id"]
        assert jobs.create(job_id, JobKind.SYNC_SOURCE, archive_id, source_id=source_id)
        assert sources.claim(source_id, job_id) == job_id

        refusal(mara.caller.send("DELETE", f"/v1/sources/{source_id}"), 409, "SOURCE_BUSY")
        refusal(mara.caller.send("POST", "/delete_source", {"source_id": source_id}), 409, "SOURCE_BUSY")
        refusal(mara.caller.send("DELETE", path, If_Match="*"), 409, "ARCHIVE_IN_USE")
        running = mara.caller.send("POST", f"/v1/sources/{source_id}/syncs", {})
        assert running.json().get("job_id", job_id) == job_id, running.text
        assert mara.caller.send("GET", f"/v1/sources/{source_id}").json()["active_job_id"] == job_id

        assert mara.caller.send("POST", f"/v1/jobs/{job_id}/cancel").json()["status"] == "CANCELLED"
        assert mara.caller.send("DELETE", f"/v1/sources/{source_id}").status_code == 204
        assert mara.caller.send("DELETE", path, If_Match="*").status_code == 204
        refusal(mara.caller.send("GET", f"/v1/sources/{source_id}"), 404, "SOURCE_NOT_FOUND")

    def test_a_declared_type_stays_while_there_is_a_source_of_it(self, mara: Lake, operator: Caller) -> None:
        name = unique("type-")
        kind = {"name": name, "required_fields": ["shelf"]}
        assert operator.send("POST", "/v1/source-types", kind).status_code == 201
        body = {"archive_id": mara.archive_id, "source_type": name, "config": {"shelf": "1"}, "schedule": ""}
        source_id = mara.caller.send("POST", "/v1/sources", body).json()["source_id"]

        refusal(operator.send("DELETE", f"/v1/source-types/{name}"), 409, "SOURCE_TYPE_IN_USE")
        refusal(
            operator.send("POST", "/v1/source-types", kind | {"required_fields": ["row"]}), 409, "SOURCE_TYPE_IN_USE"
        )
        assert operator.send("GET", f"/v1/source-types/{name}").json()["required_fields"] == ["shelf"]
        assert mara.caller.send("DELETE", f"/v1/sources/{source_id}").status_code == 204
        assert operator.send("DELETE", f"/v1/source-types/{name}").status_code == 204


class TestCancelledJobs:
    def test_a_cancelled_question_is_over_until_it_is_asked_again(self, cloud: Cloud, mara: Lake) -> None:
        asked = {"archives": [mara.archive_id], "question": f"{QUESTION} And when?"}
        job_id = mara.caller.send("POST", "/v1/requests", asked).json()["job_id"]
        path = f"/v1/jobs/{job_id}"
        assert mara.caller.send("POST", f"{path}/cancel").json()["status"] == "CANCELLED"
        execution = cloud.execution_of(cloud.deployment.job(job_id))

        refusal(mara.caller.send("POST", f"{path}/cancel"), 409, "JOB_ENDED")
        refusal(mara.caller.send("POST", f"{path}/redrive"), 409, "JOB_ENDED")
        assert execution["status"] == "ABORTED"
        assert cloud.deployment.wait(job_id, timeout_s=10).status is JobStatus.CANCELLED
        for of in (f"/v1/answers/{job_id}", f"/v1/answers/{job_id}/prompt", f"/v1/answers/{job_id}/citations/1"):
            refused = mara.caller.send("GET", of)
            assert "was cancelled" in refusal(refused, 409, "ANSWER_UNAVAILABLE")["detail"]
        scored = mara.caller.send("PUT", f"/v1/requests/{job_id}/score", {"score": 1})
        refusal(scored, 409, "ANSWER_UNAVAILABLE")
        refusal(mara.caller.send("GET", f"/v1/search/{job_id}"), 409, "ANSWER_UNAVAILABLE")

        again = mara.caller.send("POST", f"{path}/retry")
        assert again.status_code == 202, again.text
        assert again.json()["job_id"] != job_id
        assert cloud.deployment.wait(again.json()["job_id"]).status is JobStatus.COMPLETED
        assert mara.caller.send("GET", path).json()["status"] == "CANCELLED"

    def test_a_cancelled_entry_is_not_in_search_and_comes_in_by_a_retry(self, cloud: Cloud, mara: Lake) -> None:
        text = f"The buoy {unique()} is yellow."
        added = mara.caller.send("POST", f"{mara.path}/entries", {"content": text}).json()
        path = f"/v1/jobs/{added['job_id']}"
        cancelled = mara.caller.send("POST", f"{path}/cancel")
        assert cancelled.json()["status"] == "CANCELLED", cancelled.text
        entry = f"{mara.path}/entries/{added['entry_id']}"

        def closed() -> bool:
            return mara.caller.send("GET", entry).json()["status"] in {"FAILED", "CANCELLED"}

        wait_for(closed, "the entry's own end")
        assert mara.caller.send("GET", f"{entry}/chunks").json()["items"] == []
        refusal(mara.caller.send("POST", f"{path}/redrive"), 409, "JOB_ENDED")
        again = mara.caller.send("POST", f"{path}/retry")
        assert again.status_code == 202, again.text
        assert cloud.deployment.wait(again.json()["job_id"]).status is JobStatus.COMPLETED
        (chunk,) = mara.caller.send("GET", f"{entry}/chunks").json()["items"]
        assert text in chunk["text"]

    def test_a_job_that_has_not_ended_is_not_done_again(self, mara: Lake) -> None:
        job_id = unique("req-")
        assert jobs.create(job_id, JobKind.ANSWER_REQUEST, mara.archive_id)
        refusal(mara.caller.send("POST", f"/v1/jobs/{job_id}/retry"), 409, "JOB_ENDED")
        refusal(mara.caller.send("POST", f"/v1/jobs/{job_id}/redrive"), 409, "JOB_ENDED")
        assert mara.caller.send("POST", f"/v1/jobs/{job_id}/cancel").json()["status"] == "CANCELLED"


class TestClocks:
    @pytest.mark.parametrize("minutes", [-16, 16])
    def test_a_signature_of_another_time_is_refused_by_the_gateway(
        self, mara: Lake, monkeypatch: pytest.MonkeyPatch, minutes: int
    ) -> None:
        away = (datetime.now(UTC) + timedelta(minutes=minutes)).replace(tzinfo=None)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: away)
        refused = mara.caller.send("GET", "/v1/health")
        assert refused.status_code == 403, refused.text
        assert away.strftime(SIGV4_TIMESTAMP) in refused.json()["message"]

    def test_a_list_from_the_future_is_empty_and_one_up_to_it_is_whole(self, mara: Lake) -> None:
        now = datetime.now(UTC)
        soon, later = timestamp(now + timedelta(minutes=1)), timestamp(now + timedelta(days=400))
        own = f"/v1/jobs?archive_id={mara.archive_id}"
        for since in (soon, later, later[:10]):
            listed = mara.caller.send("GET", f"{own}&since={quote(since)}")
            assert (listed.status_code, listed.json()["items"]) == (200, []), listed.text
        reversed_span = mara.caller.send("GET", f"{own}&since={quote(soon)}&until={quote(timestamp(now))}")
        assert (reversed_span.status_code, reversed_span.json()["items"]) == (200, [])
        whole = mara.caller.send("GET", f"{own}&until={quote(later)}")
        assert mara.job_id in {each["job_id"] for each in whole.json()["items"]}

    @pytest.mark.parametrize("odd", ["yesterday", "2026-13-01", "0001-01-01T00:00:00+14:00", "\x00"])
    def test_what_is_no_time_is_refused_with_its_parameter(self, mara: Lake, odd: str) -> None:
        for name in ("since", "until"):
            answered = mara.caller.send("GET", f"/v1/jobs?{name}={quote(odd)}")
            refusal(answered, 422, "FIELDS_INVALID", f"query.{name}")

    def test_the_ends_of_the_calendar_are_times_too(self, mara: Lake) -> None:
        own = f"/v1/jobs?archive_id={mara.archive_id}"
        whole = mara.caller.send("GET", f"{own}&since=0001-01-01&until=9999-12-31").json()["items"]
        assert mara.job_id in {each["job_id"] for each in whole}
        assert mara.caller.send("GET", f"{own}&since=9999-12-31&until=0001-01-01").json()["items"] == []

    def test_the_state_of_a_day_to_come_is_that_of_now(self, cloud: Cloud, mara: Lake) -> None:
        later = timestamp(datetime.now(UTC) + timedelta(days=400))[:10]
        asked = {"archives": [mara.archive_id], "question": QUESTION, "as_of": later}
        job_id = mara.caller.send("POST", "/v1/requests", asked).json()["job_id"]
        assert cloud.deployment.wait(job_id).status is JobStatus.COMPLETED
        answer = mara.caller.send("GET", f"/v1/answers/{job_id}").json()
        assert "pier seven" in answer["text"]

    @pytest.mark.parametrize("odd", ["soon", "2026-02-30", "v", "v-1"])
    def test_a_state_of_no_time_starts_nothing(self, mara: Lake, odd: str) -> None:
        before = mara.jobs()
        asked = {"archives": [mara.archive_id], "question": QUESTION, "as_of": odd}
        for path in ("/v1/requests", "/v1/search"):
            refusal(mara.caller.send("POST", path, asked), 422, "REQUEST_INVALID", "as_of")
        assert mara.jobs() == before
