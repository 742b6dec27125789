"""HTTP APIs: routes, authorizers, the event that a function gets (payload format 2.0), its response, and the limits."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import httpx2
import pytest
from conformance_cloud import Cloud, wait_for
from token_issuer import AUDIENCE, Issuer, any_key, issuer

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Any:
    with httpx2.Client(base_url=cloud["HttpApiEndpoint"], timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def gateway(cloud: Cloud) -> Any:
    return cloud.server.client("apigatewayv2")


@pytest.fixture(scope="module")
def trusted(cloud: Cloud, gateway: Any) -> Any:
    with issuer() as running:
        authorizer = gateway.create_authorizer(
            ApiId=cloud["HttpApi"],
            Name="tokens",
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": running.url, "Audience": [AUDIENCE]},
        )["AuthorizerId"]
        told = {"ApiId": cloud["HttpApi"], "AuthorizationType": "JWT", "AuthorizerId": authorizer}
        target = f"integrations/{cloud['ToEcho'].rpartition('/')[2]}"
        gateway.create_route(**told, RouteKey="GET /token", Target=target)
        gateway.create_route(
            **told, RouteKey="GET /scoped", Target=target, AuthorizationScopes=["lake/read", "lake/write"]
        )
        yield running


def event_of(response: httpx2.Response) -> dict[str, Any]:
    """The event that the function got, which it answers with."""
    assert response.status_code == 200, response.text
    event: dict[str, Any] = response.json()["echo"]
    return event


def refused(response: httpx2.Response, status: int, message: str) -> None:
    assert (response.status_code, response.json()) == (status, {"message": message}), response.text
    assert response.headers["content-type"] == "application/json"


class TestRouting:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html"""

    @pytest.mark.parametrize(
        ("method", "path", "route"),
        [
            ("GET", "/items/first", "GET /items/first"),
            ("PUT", "/items/first", "ANY /items/{id}"),
            ("POST", "/items/7", "POST /items/{id}"),
            ("DELETE", "/items/7", "ANY /items/{id}"),
            ("POST", "/items/7/parts/8", "ANY /items/{proxy+}"),
            ("PATCH", "/echo", "ANY /echo"),
        ],
    )
    def test_the_most_specific_route_is_taken(self, api: Any, method: str, path: str, route: str) -> None:
        event = event_of(api.request(method, path))
        assert (event["routeKey"], event["requestContext"]["routeKey"]) == (route, route)

    def test_parts_of_the_path_are_parameters(self, api: Any) -> None:
        assert event_of(api.get("/items/7"))["pathParameters"] == {"id": "7"}
        assert event_of(api.get("/items/7/parts/8"))["pathParameters"] == {"proxy": "7/parts/8"}

    @pytest.mark.parametrize("path", ["/nowhere", "/", "/items", "/echo/deeper"])
    def test_what_no_route_matches_is_not_found(self, api: Any, path: str) -> None:
        refused(api.get(path), 404, "Not Found")

    def test_a_method_that_no_route_has_is_not_found_too(self, api: Any) -> None:
        refused(api.post("/fail"), 404, "Not Found")


class TestEvent:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html"""

    def test_it_has_the_form_of_version_2(self, cloud: Cloud, api: Any) -> None:
        event = event_of(api.get("/echo?a=1&a=2&b=x%20y", headers={"X-Color": "red"}))
        assert event["version"] == "2.0"
        assert event["rawPath"] == "/echo"
        assert event["rawQueryString"] == "a=1&a=2&b=x%20y"
        assert event["queryStringParameters"] == {"a": "1,2", "b": "x y"}
        assert event["headers"]["x-color"] == "red"  # names in lower case
        context = event["requestContext"]
        assert (context["apiId"], context["stage"]) == (cloud["HttpApi"], "$default")
        assert (context["http"]["method"], context["http"]["path"]) == ("GET", "/echo")
        assert context["requestId"]
        assert abs(context["timeEpoch"] / 1000 - time.time()) < 60
        assert "authorizer" not in context

    def test_what_is_not_there_is_left_out(self, api: Any) -> None:
        event = event_of(api.get("/echo"))
        assert not {"body", "queryStringParameters"} & event.keys()
        assert (event["rawQueryString"], event["isBase64Encoded"]) == ("", False)

    def test_text_comes_as_it_is_and_other_bytes_as_base64(self, api: Any) -> None:
        told = '{"word": "Fähre"}'
        text = event_of(api.post("/echo", content=told.encode(), headers={"Content-Type": "application/json"}))
        assert (text["body"], text["isBase64Encoded"]) == (told, False)
        data = bytes(range(256))
        other = event_of(api.post("/echo", content=data, headers={"Content-Type": "application/octet-stream"}))
        assert (base64.b64decode(other["body"]), other["isBase64Encoded"]) == (data, True)

    def test_escapes_of_a_path_are_decoded(self, api: Any) -> None:
        assert event_of(api.get("/items/a%20b"))["pathParameters"] == {"id": "a b"}


class TestResponse:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html"""

    def test_status_headers_and_body_are_the_functions(self, api: Any) -> None:
        told = {"statusCode": 201, "headers": {"Content-Type": "text/plain", "X-Color": "red"}, "body": "Fähre"}
        response = api.post("/respond", json=told)
        assert (response.status_code, response.text, response.headers["x-color"]) == (201, "Fähre", "red")
        assert response.headers["content-type"] == "text/plain"

    def test_what_has_no_status_is_the_body_of_a_200(self, api: Any) -> None:
        response = api.post("/respond", json={"harbour": "Selmere"})
        assert (response.status_code, response.json()) == (200, {"harbour": "Selmere"})
        assert response.headers["content-type"] == "application/json"

    def test_base64_is_decoded(self, api: Any) -> None:
        data = bytes(range(256))
        told = {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(data).decode()}
        assert api.post("/respond", json=told).content == data

    def test_each_cookie_is_a_header(self, api: Any) -> None:
        response = api.post("/respond", json={"statusCode": 204, "cookies": ["a=1; Secure", "b=2"]})
        assert response.headers.get_list("set-cookie") == ["a=1; Secure", "b=2"]

    def test_what_a_function_failed_with_is_not_told(self, api: Any) -> None:
        """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html"""
        refused(api.get("/fail"), 500, "Internal Server Error")


class TestLimits:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html (payload size, request line and
    headers), https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (invocation payload)"""

    @pytest.mark.parametrize("size", [10 * MIB + 1, 7 * MIB], ids=["of the API", "of the function's event"])
    def test_a_body_over_the_limit_is_refused(self, api: Any, size: int) -> None:
        refused(
            api.post("/echo", content=b"x" * size, headers={"Content-Type": "text/plain"}),
            413,
            "Request Entity Too Large",
        )

    def test_bytes_count_as_the_base64_that_they_become(self, api: Any) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        refused(api.post("/respond", content=b"x" * (5 * MIB), headers=headers), 413, "Request Entity Too Large")

    def test_a_body_below_the_limits_reaches_the_function(self, api: Any) -> None:
        text = "x" * (2 * MIB)
        event = event_of(api.post("/echo", content=text.encode(), headers={"Content-Type": "text/plain"}))
        assert event["body"] == text

    def test_a_response_over_the_limit_of_functions_is_an_error(self, api: Any) -> None:
        told: dict[str, Any] = {"statusCode": 200, "body": "x" * 1_000}
        refused(api.post("/respond", json=told | {"repeat": 7_000}), 500, "Internal Server Error")
        assert len(api.post("/respond", json=told | {"repeat": 5_000}).content) == 5_000_000

    def test_headers_over_the_limit_are_refused(self, api: Any) -> None:
        assert api.get("/echo", headers={"X-Long": "x" * 9_000}).status_code == 200
        refused(api.get("/echo", headers={"X-Long": "x" * 10_300}), 431, "Request Header Fields Too Large")
        assert api.get(f"/echo?q={'x' * 10_300}").status_code == 431


class TestThrottling:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html"""

    def test_calls_over_the_burst_are_refused_until_the_rate_has_made_room(self, api: Any) -> None:
        seen = [api.get("/throttled") for _ in range(12)]
        answers = [each.status_code for each in seen]
        assert answers[:3] == [200, 200, 200]
        assert 429 in answers
        refused(seen[answers.index(429)], 429, "Too Many Requests")
        assert api.get("/echo").status_code == 200  # its settings are another route's

        assert wait_for(lambda: api.get("/throttled").status_code == 200, pause=0.3)


class TestSignedCalls:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html

    That policies are kept is tested on the product's own API, in tests/machines/test_api.py, with ``AUTH=true``.
    """

    def test_a_call_without_a_signature_is_forbidden(self, api: Any) -> None:
        refused(api.get("/signed"), 403, "Forbidden")


class TestTokens:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html"""

    @staticmethod
    def call(api: Any, path: str, token: str) -> httpx2.Response:
        response: httpx2.Response = api.get(path, headers={"Authorization": f"Bearer {token}"})
        return response

    def test_the_function_gets_the_claims_as_texts(self, api: Any, trusted: Issuer) -> None:
        token = trusted.token("mara", groups=["crew", "cooks"], age=41)
        authorizer = event_of(self.call(api, "/token", token))["requestContext"]["authorizer"]
        claims = authorizer["jwt"]["claims"]
        assert (claims["sub"], claims["groups"], claims["age"]) == ("mara", "[crew cooks]", "41")

    def test_a_call_without_a_token_is_unauthorized(self, api: Any, trusted: Issuer) -> None:
        refused(api.get("/token"), 401, "Unauthorized")

    @pytest.mark.parametrize(
        "claims",
        [{"exp": 1}, {"nbf": 4_000_000_000}, {"aud": "another"}, {"iss": "https://another.example"}],
        ids=["expired", "not yet", "audience", "issuer"],
    )
    def test_a_token_that_does_not_hold_is_unauthorized(
        self, api: Any, trusted: Issuer, claims: dict[str, Any]
    ) -> None:
        refused(self.call(api, "/token", trusted.token("mara", **claims)), 401, "Unauthorized")

    def test_a_token_of_another_key_and_what_is_none_are_unauthorized(self, api: Any, trusted: Issuer) -> None:
        forged = trusted.token("mara", key=any_key("k-1"))
        header, _, signature = trusted.token("mara").split(".")
        claims = base64.urlsafe_b64encode(json.dumps({"sub": "noah"}).encode()).decode().rstrip("=")
        for token in (forged, f"{header}.{claims}.{signature}", "a.b.c", "nothing"):
            refused(self.call(api, "/token", token), 401, "Unauthorized")

    def test_a_route_with_scopes_needs_one_of_them(self, api: Any, trusted: Issuer) -> None:
        refused(self.call(api, "/scoped", trusted.token("mara", scope="lake/other")), 403, "Forbidden")
        assert event_of(self.call(api, "/scoped", trusted.token("mara", scope="lake/other lake/read")))
