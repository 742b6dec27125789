"""The console as the API serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from any_call import Answered

from omnilake.api import lake
from omnilake.settings import settings

Send = Callable[..., Answered]


@pytest.fixture
def send(api: Callable[[Any], Send], monkeypatch: pytest.MonkeyPatch) -> Iterator[Send]:
    monkeypatch.setenv("OMNILAKE_LANDING_BUCKET", "landing")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for cached in (settings, lake._upload_origins):
        cached.cache_clear()
    yield api(lake.router)
    for cached in (settings, lake._upload_origins):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/", "text/html"), ("/console/main.js", "text/javascript"), ("/console/console.css", "text/css")],
)
def test_page_and_files_come_with_the_policy_that_lets_files_go_to_the_bucket(send: Send, path: str, kind: str) -> None:
    answered = send("GET", path)
    assert answered.status == 200
    assert answered.headers["content-type"] == f"{kind}; charset=utf-8"
    assert (
        "connect-src 'self' https://landing.s3.eu-west-1.amazonaws.com " in answered.headers["content-security-policy"]
    )


def test_a_file_that_the_browser_has_is_not_sent_again(send: Send) -> None:
    tag = send("GET", "/console/main.js").headers["etag"]
    again = send("GET", "/console/main.js", headers={"if-none-match": tag})
    assert (again.status, again.text) == (304, "")


@pytest.mark.parametrize("name", ["nothing.js", "__init__.py", "..", "..%2fapp.py"])
def test_what_the_console_has_not_is_not_found(send: Send, name: str) -> None:
    answered = send("GET", f"/console/{name}")
    assert (answered.status, answered.json["code"]) == (404, "ROUTE_NOT_FOUND")


def test_the_page_can_only_be_read(send: Send) -> None:
    assert send("POST", "/", {}).status == 405
