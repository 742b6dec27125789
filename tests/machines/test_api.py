"""The API of the deployed stack: signed calls through API Gateway, IAM enforced, tables and functions real."""

from __future__ import annotations

from typing import Any

import requests
from embedded_cloud import unique
from signed_calls import Caller


def test_a_signed_call_is_answered_and_others_are_refused(operator: Caller) -> None:
    answered = operator.send("GET", "/v1/health")
    assert (answered.status_code, answered.json().get("status")) == (200, "ok"), answered.text
    for path in ("/v1/health", "/v1/openapi.json", "/v1/archives", "/nowhere", "/"):
        assert requests.get(operator.endpoint + path, timeout=30).status_code == 403, path


def test_a_signature_with_another_key_is_refused(users: Any) -> None:
    known = users()
    assert known.send("GET", "/v1/health").status_code == 200
    forged = Caller(known.endpoint, known.access_key, "another")
    assert forged.send("GET", "/v1/health").status_code == 403


def test_iam_policies_hold_for_single_routes(users: Any) -> None:
    reader = users("$default/GET/v1/archives*")
    assert reader.send("GET", "/v1/archives").status_code == 200
    assert reader.send("POST", "/v1/archives", {"archive_id": unique()}).status_code == 403
    assert reader.send("GET", "/v1/health").status_code == 403


def test_archives_are_made_changed_shared_and_deleted(users: Any) -> None:
    mara, noah = users(), users()
    path = f"/v1/archives/{unique()}"
    body = {"archive_id": path.rsplit("/", 1)[1], "description": "Minutes."}
    made = mara.send("POST", "/v1/archives", body, Idempotency_Key="k")
    assert made.status_code == 201, made.text
    assert mara.send("POST", "/v1/archives", body, Idempotency_Key="k").json() == made.json()
    assert noah.send("POST", "/v1/archives", body).status_code == 409
    assert noah.send("GET", path).status_code == 404
    who = noah.send("POST", "/v1/archives", {"archive_id": unique()}).json()["owner"]
    shared = mara.send("PUT", f"{path}/access", {"read": [who]}, If_Match=made.headers["Etag"])
    assert shared.status_code == 200, shared.text
    seen = noah.send("GET", path)
    assert seen.json()["description"] == "Minutes."
    assert noah.send("PATCH", path, {"description": "x"}, If_Match="*").status_code == 403
    listed = noah.send("GET", "/v1/archives").json()["items"]
    assert body["archive_id"] in {each["archive_id"] for each in listed}
    changed = mara.send("PATCH", path, {"chunking": {"max_tokens": 100}}, If_Match=seen.headers["Etag"])
    assert changed.json()["chunking"]["max_tokens"] == 100
    assert mara.send("DELETE", path, If_Match=seen.headers["Etag"]).status_code == 412
    assert mara.send("DELETE", path, If_Match=changed.headers["Etag"]).status_code == 204
    assert mara.send("GET", path).status_code == 404
    assert mara.send("POST", "/v1/archives", body).status_code == 201
