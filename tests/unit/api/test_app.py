"""What every call goes through before its route sees it, and what comes of what fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from any_stored import MARA
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body as BodyParameter
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from omnilake.api.app import MAX_BODY_BYTES, answer, caller, etag_of, make_router, page
from omnilake.api.problems import MEDIA_TYPE, status_of
from omnilake.api.schemas import Body, Cursor, Health, Limit, Page
from omnilake.errors import OmniLakeError, RateLimited, StageFailed, TransientError, by_name

Send = Callable[..., Any]


class Order(Body):
    name: str
    count: int = 1


def router() -> tuple[Router, list[Order]]:
    made = make_router()
    seen: list[Order] = []

    @made.post("/v1/orders", status_code=201)
    def order(body: Annotated[Order, BodyParameter()]) -> Response[Order]:
        seen.append(body)
        if body.name == "busy":
            raise TransientError("A service did not answer.")
        return answer(body, 201)

    @made.get("/v1/orders")
    def orders(limit: Limit = 5) -> Response[Health]:
        told = Health(status=str(limit), version=caller().name)
        return answer(told, etag=etag_of(told))

    @made.get("/v1/shelves")
    def shelves(limit: Limit = 50, cursor: Cursor = "") -> Response[Page[str]]:
        first = int(cursor or 0)
        last = min(first + limit, 90)
        return page([str(number) + "漢" * 50_000 for number in range(first, last)], str(last) if last < 90 else "")

    @made.get("/v1/volumes")
    def volumes() -> Response[Page[str]]:
        return page(["x" * 7_000_000], "")

    @made.get("/v1/broken/<kind>")
    def broken(kind: str) -> Response[Health]:
        if kind == "wrong":
            return answer({"not": "it"})
        raise KeyError("a secret text")

    return made, seen


@pytest.fixture
def orders() -> tuple[Router, list[Order]]:
    return router()


@pytest.fixture
def seen(orders: tuple[Router, list[Order]]) -> list[Order]:
    """What the route of orders was given."""
    return orders[1]


@pytest.fixture
def send(api: Callable[[Router], Send], orders: tuple[Router, list[Order]]) -> Send:
    return api(orders[0])


def problem(answered: Any, status: int, code: str) -> Any:
    assert answered.status == status, answered.text
    assert answered.headers["content-type"] == MEDIA_TYPE
    told = answered.json
    assert (told["status"], told["code"], told["instance"]) == (status, code, "a-request")
    assert told["type"].endswith(f"#{code.lower()}")
    assert told["detail"].endswith(".")
    return told


def test_a_call_reaches_its_route_with_its_principal(send: Send) -> None:
    answered = send("GET", "/v1/orders?limit=7")
    assert answered.status == 200
    assert answered.json == {"status": "7", "version": MARA}


def test_a_page_that_is_more_than_a_response_can_hold_is_shorter_and_nothing_of_the_list_is_left_out(
    send: Send,
) -> None:
    found, path = [], "/v1/shelves"
    while path:
        answered = send("GET", path)
        assert answered.status == 200, answered.text
        found += [each.split("漢")[0] for each in answered.json["items"]]
        cursor = answered.json["next_cursor"]
        assert ("link" in answered.headers) == bool(cursor)
        path = f"/v1/shelves?limit=80&cursor={cursor}" if cursor else ""
    assert found == [str(number) for number in range(90)]


def test_what_is_more_than_a_response_can_hold_and_no_list_is_refused(send: Send) -> None:
    problem(send("GET", "/v1/volumes"), 422, "RESPONSE_TOO_LARGE")


def test_text_is_sent_as_utf_8(send: Send) -> None:
    assert "漢" in send("GET", "/v1/shelves?limit=1").text


@pytest.mark.parametrize("body", ["{", "", "[1,", '{"name": NaN}', '{"name": "\\ud800"}', "[" * 100_000, "\x00"])
def test_a_body_that_is_no_json_is_refused(send: Send, body: str) -> None:
    told = problem(
        send("POST", "/v1/orders", body), 422 if body == "" else 400, "FIELDS_INVALID" if body == "" else "BODY_INVALID"
    )
    assert told["title"]


@pytest.mark.parametrize(
    "body", ['{"name": "a", "name": "b"}', '{"name": "a", "count": 1, "count": 1}', '[{"a": 1, "a": 2}]']
)
def test_a_body_that_says_a_field_twice_is_refused(send: Send, seen: list[Order], body: str) -> None:
    problem(send("POST", "/v1/orders", body), 400, "BODY_INVALID")
    assert seen == []


@pytest.mark.parametrize("kind", ["application/json", "APPLICATION/JSON", "Application/Json; charset=UTF-8"])
def test_a_media_type_counts_in_any_case(send: Send, kind: str) -> None:
    assert send("POST", "/v1/orders", {"name": "x"}, headers={"content-type": kind}).status == 201


def test_a_preference_that_is_none_is_refused_before_anything_is_begun(send: Send, seen: list[Order]) -> None:
    told = problem(send("POST", "/v1/orders", {"name": "x"}, headers={"prefer": "wait=soon"}), 422, "FIELDS_INVALID")
    assert [each["field"] for each in told["errors"]] == ["header.Prefer"]
    assert seen == []


def test_bytes_that_are_no_text_are_refused(send: Send, api: Any) -> None:
    import base64

    from any_call import any_call
    from any_lambda import any_context

    from omnilake.api.app import api_handler

    event = any_call("POST", "/v1/orders") | {
        "body": base64.b64encode(b'{"name": "\xff"}').decode(),
        "isBase64Encoded": True,
    }
    response = api_handler(router()[0])(event, any_context())
    assert response["statusCode"] == 400
    assert json.loads(response["body"])["code"] == "BODY_INVALID"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x", "count": "many"}, "count"),
        ({"name": "x", "colour": "crimson"}, "colour"),
        ([], ""),
        ("null", ""),
    ],
)
def test_fields_at_fault_are_named_without_their_values(send: Send, body: Any, field: str) -> None:
    told = problem(send("POST", "/v1/orders", body), 422, "FIELDS_INVALID")
    assert [each["field"] for each in told["errors"]] == [field or told["errors"][0]["field"]]
    assert "many" not in json.dumps(told)
    assert "crimson" not in json.dumps(told)


@pytest.mark.parametrize(
    "path", ["/v1/orders?limit=0", "/v1/orders?limit=x", "/v1/orders?colour=red", "/v1/orders?limit="]
)
def test_parameters_that_do_not_fit_are_refused(send: Send, path: str) -> None:
    told = problem(send("GET", path), 422, "FIELDS_INVALID")
    assert told["errors"][0]["field"].startswith("query.")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_other_media_types_are_refused(send: Send, kind: str) -> None:
    problem(send("POST", "/v1/orders", {"name": "x"}, headers={"content-type": kind}), 415, "MEDIA_TYPE_UNSUPPORTED")


def test_a_large_body_is_refused(send: Send) -> None:
    problem(send("POST", "/v1/orders", '"' + "x" * MAX_BODY_BYTES + '"'), 413, "BODY_TOO_LARGE")


def test_nobody_is_refused_before_the_route(send: Send, seen: list[Order]) -> None:
    problem(send("POST", "/v1/orders", {"name": "x"}, who=""), 401, "NOT_AUTHENTICATED")
    assert seen == []


def test_unknown_paths_and_methods_are_told_apart(send: Send) -> None:
    problem(send("GET", "/v1/nothing"), 404, "ROUTE_NOT_FOUND")
    answered = send("PUT", "/v1/orders", {})
    problem(answered, 405, "METHOD_NOT_ALLOWED")
    assert answered.headers["allow"] == "GET, POST"


def test_what_was_seen_already_is_not_sent_again(send: Send) -> None:
    tag = send("GET", "/v1/orders").headers["etag"]
    again = send("GET", "/v1/orders", headers={"if-none-match": f'"other", W/{tag}'})
    assert (again.status, again.text) == (304, "")
    assert send("GET", "/v1/orders?limit=6", headers={"if-none-match": tag}).status == 200


def test_an_error_of_the_program_tells_nothing_of_it(send: Send) -> None:
    for kind in ("wrong", "raises"):
        told = problem(send("GET", f"/v1/broken/{kind}"), 500, "STAGE_FAILED")
        assert "secret" not in json.dumps(told)


def test_a_transient_error_says_when_to_come_again(send: Send) -> None:
    answered = send("POST", "/v1/orders", {"name": "busy"})
    problem(answered, 503, "TRANSIENT")
    assert answered.headers["retry-after"] == "2"


# --- idempotency ------------------------------------------------------------------------------------------------


def test_a_response_that_no_item_holds_is_given_and_not_kept(send: Send, seen: list[Order]) -> None:
    told = [
        send("POST", "/v1/orders", {"name": "x" * 400_000}, headers={"idempotency-key": "long"}).status for _ in "ab"
    ]
    assert told == [201, 201]
    assert len(seen) == 2


def test_the_same_call_under_one_key_is_done_once(send: Send, seen: list[Order]) -> None:
    first = send("POST", "/v1/orders", {"name": "x"}, headers={"idempotency-key": "k"})
    again = send("POST", "/v1/orders", {"name": "x"}, headers={"idempotency-key": "k"})
    assert first == again
    assert len(seen) == 1


def test_a_key_is_good_for_one_call_and_one_caller(send: Send, seen: list[Order]) -> None:
    headers = {"idempotency-key": "k"}
    assert send("POST", "/v1/orders", {"name": "x"}, headers=headers).status == 201
    problem(send("POST", "/v1/orders", {"name": "y"}, headers=headers), 422, "IDEMPOTENCY_MISMATCH")
    other = send("POST", "/v1/orders", {"name": "y"}, headers=headers, claims={"sub": "noah"})
    assert other.status == 201
    assert len(seen) == 2


def test_what_failed_may_be_sent_again_under_its_key(send: Send, seen: list[Order]) -> None:
    headers = {"idempotency-key": "k"}
    for _ in range(2):
        assert send("POST", "/v1/orders", {"name": "busy"}, headers=headers).status == 503
    assert len(seen) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "line\nbreak", "ü"])
def test_a_key_that_is_none_is_refused(send: Send, key: str) -> None:
    problem(send("POST", "/v1/orders", {"name": "x"}, headers={"idempotency-key": key}), 400, "IDEMPOTENCY_KEY_INVALID")


# --- statuses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("ArchiveNotFound", 404), ("ArchiveExists", 409), ("InvalidArchive", 422), ("InvalidRequest", 422),
        ("Forbidden", 403), ("JobNotFound", 404), ("StageFailed", 500), ("TransientError", 503), ("RateLimited", 429),
        ("IncompleteIndexing", 503), ("RevisionMismatch", 412), ("RevisionRequired", 428), ("ExpiredCursor", 400),
    ],
)  # fmt: skip
def test_errors_have_their_status(name: str, status: int) -> None:
    kind = by_name(name)
    assert kind is not None
    assert status_of(kind("x")) == status


def test_a_limit_says_how_long_to_wait(send: Send) -> None:
    from omnilake.api.problems import headers_of

    assert headers_of(RateLimited.after(7, "x"))["Retry-After"] == "7"
    assert "Retry-After" not in headers_of(StageFailed("x"))
    assert isinstance(StageFailed("x"), OmniLakeError)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.text(max_size=200))
def test_no_body_is_too_odd_for_an_answer(send: Send, body: str) -> None:
    answered = send("POST", "/v1/orders", body)
    assert answered.status in {201, 400, 422}
