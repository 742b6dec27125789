"""A source of notes: a service on a real socket, its secret, its definition."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from any_ingest import any_archive
from notes_service import TOKEN, Notes, notes_service
from vendor_server import Vendor

from omnilake import aws, connectors, secrets, sources
from omnilake.models import Source


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def service(notes: Notes) -> Iterator[Vendor]:
    with notes_service(notes) as running:
        yield running


@pytest.fixture
def source(stack: None, service: Vendor, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Registered, with a token that the service accepts."""
    monkeypatch.setitem(connectors.TYPES, "notes", "any_source:NotesConnector")
    secrets._provider.cache_clear()
    aws.client("secretsmanager").create_secret(Name="omnilake/sources/notes", SecretString=TOKEN)
    any_archive("harbour")
    return sources.put("harbour", "notes", {"base_url": service.url}, secret_name="omnilake/sources/notes")
