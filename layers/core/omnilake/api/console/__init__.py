"""The console: one static page with its scripts, as files beside this module. Nothing of it is built or generated but
``workflows.json`` (``make docs``).

The page is served by the API like any route, so behind its authorizer; a browser reaches it through ``omnilake
console``, which signs. It holds no credential and asks no other host but the bucket that files are uploaded to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

PAGE = "index.html"

_FOLDER = Path(__file__).parent
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """A file of the console.

    Attributes:
        body: UTF-8.
        media_type: for ``Content-Type``.
        etag: strong, with its quotes.
    """

    body: str
    media_type: str
    etag: str


def asset(name: str) -> Asset | None:
    """The file of a name, None when the console has none of it. A name is no path: it is looked up in a list."""
    return _assets().get(name)


@cache
def _assets() -> dict[str, Asset]:
    return {path.name: _read(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _MEDIA_TYPES}


def _read(path: Path) -> Asset:
    body = path.read_text(encoding="utf-8")
    return Asset(body, _MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(body.encode()).hexdigest()[:24]}"')


def security_headers(upload_origins: Sequence[str] = ()) -> dict[str, str]:
    """What a browser may do with the console: run its own scripts, ask its own origin and send files to S3.

    Trusted types without a policy forbid every way of turning text into HTML or script.

    Args:
        upload_origins: of the landing bucket (``upload_origins``).
    """
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": " ".join(["'self'", *upload_origins]),
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }


def upload_origins(bucket: str, region: str, endpoint_url: str = "") -> list[str]:
    """Where presigned uploads to a bucket go: its own hosts on AWS, or the S3 endpoint that takes their place."""
    if endpoint_url:
        return [endpoint_url.rstrip("/")]
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return [f"https://{bucket}.s3.{region}.{suffix}", f"https://{bucket}.s3.{suffix}"]
