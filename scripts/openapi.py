"""The API's description, OpenAPI 3.1, out of its routers: ``layers/core/omnilake/api/openapi.json``.

python scripts/openapi.py            writes it
python scripts/openapi.py --check    fails when the file differs from the code
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

import omnilake
from omnilake import api
from omnilake.answering.comparison import AnswerDiff
from omnilake.answering.reading import CitedSpan, SearchResults
from omnilake.api.app import make_app
from omnilake.api.problems import MEDIA_TYPE, Problem
from omnilake.models import Model

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "layers" / "core" / "omnilake" / "api" / "openapi.json"

_PROBLEMS = {
    400: "The body is no JSON, or a header or cursor is not valid.",
    401: "Nobody says who makes the call.",
    403: "The caller may not do this.",
    404: "It is not there, or the caller may not know of it.",
    405: "The path does not take the method.",
    409: "It is in use, exists otherwise, has ended, has no answer (yet), or a call with the same key is under way.",
    412: "It was changed since it was read (If-Match).",
    413: "The body is too large.",
    415: "The body is not of the type application/json.",
    422: "A field does not fit, or the call can't be done as it stands.",
    428: "The change needs If-Match.",
    429: "Too many calls; Retry-After says when to come again.",
    500: "A reason that lies in the system.",
    503: "A service did not answer; Retry-After says when to come again.",
}
_RETURNED: dict[tuple[str, str], type[Model]] = {
    ("/v1/search", "post"): SearchResults,
    ("/v1/search/{job_id}", "get"): SearchResults,
    ("/v1/answers/{job_id}/citations/{number}", "get"): CitedSpan,
    ("/v1/answers/{job_id}/diff/{other_job_id}", "get"): AnswerDiff,
}
"""What routes return with 200 whose modules the API's functions load late, so that their signatures can't name it."""

_LINKED = {
    ("/v1/answers/{job_id}", "get"),
    ("/v1/answers/{job_id}/prompt", "get"),
    ("/v1/requests", "post"),
    ("/v1/requests/{job_id}/fork", "post"),
    ("/v1/requests/{job_id}/replay", "post"),
}
"""What may be more than a response can hold, and lies in the lake."""

_OF_HEADERS = {"Prefer": "wait=N: answer when the job has ended, or after N seconds; at most 25."}
_OF_WRITING = {409, 412, 413, 415, 428}
_OF_ANSWERS = ("/v1/answers/", "/v1/search/")
"""Paths of what a job comes to: 409 while there is none."""

_DESCRIPTION = (
    "Every call is signed (AWS Signature Version 4, service execute-api) or carries a token, as the deployment says. "
    "What fails is answered with a problem document (RFC 9457) whose code is stable; what API Gateway itself refuses, "
    'before OmniLake sees it (401, 403, 413, 429, 431), with {"message": "…"}. '
    "What takes long is answered with 202, a job, Location and Retry-After; Prefer: wait=N waits up to 25 s for its "
    "end. A POST with Idempotency-Key is done once in 24 hours. Lists have limit and cursor, and the header Link. "
    "If-Match guards changes, If-None-Match saves reading."
)


def routers() -> list[Any]:
    """The routers of all modules of ``omnilake.api``, by the module's name."""
    modules = [importlib.import_module(f"{api.__name__}.{each.name}") for each in pkgutil.iter_modules(api.__path__)]
    return [module.router for module in modules if hasattr(module, "router")]


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    told = make_app(*routers()).get_openapi_json_schema(
        title="OmniLake", version=omnilake.__version__, description=_DESCRIPTION, openapi_version="3.1.0"
    )
    found: dict[str, Any] = json.loads(told)
    found["servers"] = [{"url": "/"}]
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(unused, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {})
    schemas["Problem"] = problem
    found["components"]["responses"] = {
        f"Problem{status}": {
            "description": text,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, text in _PROBLEMS.items()
    }
    found["components"]["responses"]["Refused431"] = {
        "description": "Request line and headers have over 10,240 bytes. API Gateway says so, before OmniLake sees it.",
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
            }
        },
    }
    found["components"]["securitySchemes"] = {
        "sigv4": {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "x-amazon-apigateway-authtype": "awsSigv4",
        },
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }
    found["security"] = [{"sigv4": []}, {"token": []}]
    for (path, method), model in _RETURNED.items():
        returned = model.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        for name, part in {**returned.pop("$defs", {}), model.__name__: returned}.items():
            schemas.setdefault(name, part)
        schema = {"$ref": f"#/components/schemas/{model.__name__}"}
        found["paths"][path][method]["responses"]["200"]["content"] = {"application/json": {"schema": schema}}
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _complete(method, operation, unneeded=_OF_WRITING - {409} if path.startswith(_OF_ANSWERS) else _OF_WRITING)
    for path, method in _LINKED:
        found["paths"][path][method]["responses"]["303"] = {
            "description": "It is more than 6 MB: Location is a link to it, without authorization, for 15 minutes.",
            "headers": {"Location": {"schema": {"type": "string", "format": "uri"}}},
        }
    found["paths"] = dict(sorted(found["paths"].items()))
    return found


def _complete(method: str, operation: dict[str, Any], unneeded: set[int]) -> None:
    """Add to an operation what all have: problems, headers."""
    responses = operation["responses"]
    for status in _PROBLEMS:
        if method == "get" and status in unneeded:
            continue
        responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    responses["431"] = {"$ref": "#/components/responses/Refused431"}
    parameters = operation.setdefault("parameters", [])
    told = {each["name"] for each in parameters}
    headers = {"get": ["If-None-Match"], "post": ["Idempotency-Key"]}.get(method, ["If-Match"])
    if "202" in responses:
        headers.append("Prefer")
        ended = {**responses["202"], "description": "What it ended with, in the time that Prefer gave it."}
        responses.setdefault("200", ended)
    if "204" in responses:
        responses["204"] = {"description": "It is done; there is nothing to tell."}
    for name in headers:
        if name not in told:
            schema: dict[str, Any] = {"type": "string"}
            if name == "Idempotency-Key":
                schema |= {"minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
            told_of = {"description": _OF_HEADERS[name]} if name in _OF_HEADERS else {}
            parameters.append({"name": name, "in": "header", "required": False, "schema": schema} | told_of)
    if method == "get":
        responses["304"] = {"description": "It is still what If-None-Match names."}
    operation["responses"] = dict(sorted(responses.items()))


def text() -> str:
    """The document as it lies in the repository."""
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write the document, or compare it; the exit code."""
    made = text()
    if "--check" in arguments:
        if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != made:
            print(f"{TARGET.relative_to(ROOT)} differs from the code: run `make docs`.")
            return 1
        return 0
    TARGET.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
