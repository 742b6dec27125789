"""Labels: what a document's metadata and the tags of its insights say, as chunks carry it and filters look for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from omnilake.models import Tenant

TAG = "tag"
"""Name in the labels of tags."""

LABEL_CHARACTERS = 200
"""Longest value that stands in a label as it is; of a longer one the rest is a hash."""

TENANT_NAMES = tuple(Tenant.model_fields)
"""Names of metadata that say whose a document is. Only who brings a document can say so, never the document itself."""


def label(name: str, value: str) -> str:
    """A name and a value as one text; equal for equal pairs alone. The case of a tag does not count."""
    if name == TAG:
        value = value.casefold()
    if len(value) > LABEL_CHARACTERS:
        digest = hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()[:32]
        value = f"{value[:LABEL_CHARACTERS]}#{digest}"
    return f"{name.replace('%', '%25').replace('=', '%3D')}={value}"


def of_metadata(metadata: Mapping[str, str]) -> list[str]:
    """Labels of a document's metadata, sorted."""
    return sorted(label(name, value) for name, value in metadata.items())


def of_tags(tags: Iterable[str]) -> list[str]:
    """Labels of tags, sorted, each once."""
    return sorted({label(TAG, tag) for tag in tags})
