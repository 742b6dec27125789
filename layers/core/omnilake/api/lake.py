"""Routes about the deployment as a whole: health, the API's own description, the configuration of answering."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import Response

from omnilake import __version__
from omnilake.api.app import JSON, answer, make_router
from omnilake.api.schemas import Health

router = make_router()


@router.get("/v1/health", tags=["lake"], summary="Whether the API answers")
def health() -> Response[Health]:
    return answer(Health(status="ok", version=__version__))


@router.get("/v1/openapi.json", tags=["lake"], summary="This description, OpenAPI 3.1", enable_validation=False)
def openapi() -> Response[Any]:
    text, tag = _document()
    return Response(
        status_code=200, content_type=JSON, body=text, headers={"Etag": tag, "Cache-Control": "max-age=300"}
    )


@cache
def _document() -> tuple[str, str]:
    text = (Path(__file__).parent / "openapi.json").read_text(encoding="utf-8")
    return text, f'"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'
