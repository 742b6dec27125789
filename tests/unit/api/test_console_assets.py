"""The files of the console: complete, from nowhere else, and without a way from data to HTML."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from omnilake.api.console import PAGE, asset, security_headers, upload_origins

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted(path for path in (ROOT / "layers/core/omnilake/api/console").iterdir() if path.suffix != ".py")
SCRIPTS = [path for path in FILES if path.suffix == ".js"]


def text_of(name: str) -> str:
    found = asset(name)
    assert found is not None, name
    return found.body


@pytest.mark.parametrize("path", [each for each in FILES if each.is_file()], ids=lambda path: path.name)
def test_every_file_is_served_with_its_type_and_its_tag(path: Path) -> None:
    found = asset(path.name)
    assert found is not None
    assert found.body == path.read_text(encoding="utf-8")
    assert re.fullmatch(r'"[0-9a-f]{24}"', found.etag)


@pytest.mark.parametrize("name", ["", "..", "__init__.py", "../app.py", "console/main.js", "/etc/passwd", "MAIN.JS"])
def test_nothing_else_is_served(name: str) -> None:
    assert asset(name) is None


def test_all_that_page_scripts_and_styles_refer_to_is_there() -> None:
    named = set(re.findall(r'(?:href|src)="console/([^"]+)"', text_of(PAGE)))
    for path in SCRIPTS:
        named |= set(re.findall(r'from "\./([^"]+)"', text_of(path.name)))
        named |= set(re.findall(r'"console/([^"]+)"', text_of(path.name)))
    assert {"main.js", "console.css", "workflows.json", "dom.js"} <= named
    assert [name for name in named if asset(name) is None] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_turns_text_into_html_or_code(path: Path) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|srcdoc"
    assert re.findall(forbidden, text_of(path.name)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_names_another_host(path: Path) -> None:
    if path.is_file():
        hosts = set(re.findall(r"https?://([\w.-]+)", path.read_text(encoding="utf-8")))
        assert hosts <= {"www.w3.org"}  # the name space of SVG


def test_the_page_has_neither_inline_script_nor_inline_style() -> None:
    page = text_of(PAGE)
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"\sstyle=|<style|\son\w+=", page) == []


def test_every_workflow_has_its_graph_with_all_its_states() -> None:
    told = json.loads(text_of("workflows.json"))
    machines = {
        path.name.removesuffix(".asl.json"): json.loads(path.read_text(encoding="utf-8"))
        for path in (ROOT / "statemachines").glob("*.asl.json")
    }
    assert told.keys() == machines.keys()
    for name, machine in machines.items():
        assert machine["States"].keys() <= {box["name"] for box in told[name]["boxes"]}


def test_a_browser_may_only_run_the_console_s_own_scripts_and_send_files_to_the_bucket() -> None:
    headers = security_headers(["https://landing.s3.eu-west-1.amazonaws.com"])
    policy = dict(each.strip().split(" ", 1) for each in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["img-src"] == "'self'"
    assert policy["connect-src"] == "'self' https://landing.s3.eu-west-1.amazonaws.com"
    assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"


@pytest.mark.parametrize(
    ("region", "endpoint", "expected"),
    [
        ("eu-west-1", "", ["https://b.s3.eu-west-1.amazonaws.com", "https://b.s3.amazonaws.com"]),
        ("cn-north-1", "", ["https://b.s3.cn-north-1.amazonaws.com.cn", "https://b.s3.amazonaws.com.cn"]),
        ("us-east-1", "http://127.0.0.1:4566/", ["http://127.0.0.1:4566"]),
    ],
)
def test_files_go_to_the_bucket_s_own_hosts_or_to_the_endpoint_in_their_place(
    region: str, endpoint: str, expected: list[str]
) -> None:
    assert upload_origins("b", region, endpoint) == expected
