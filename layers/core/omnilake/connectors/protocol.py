"""What a connector is, and what the ``sync_source`` workflow asks of it.

A connector is a client of one type of source. It reads; it writes nothing, keeps nothing, and never sleeps::

    connector = SlackConnector(config, credentials)
    for stream in connector.plan(cursors):            # once a sync
        position = None
        while True:
            page = connector.fetch(stream, position, known)
            position = page.position
            if position is None:
                break

**Streams.** A source is a set of streams that are read one after the other, each with a cursor of its own: a channel,
"issues", "wiki". ``plan`` is given the cursors of the last sync by stream name and says which streams there are now.

**Pages.** ``fetch`` reads one page of a stream. It may make several calls (the replies of the threads of a page), but
must stay well below a minute. A page holds records, the malformed items that were left out with their reasons, and the
position to go on at. Whatever ``fetch`` needs to go on is in the position: every page may be fetched by another
process, and a page may be fetched again after a crash (the source may have changed in between).

**Cursors.** ``Page.cursor`` says: once the records up to and with this page are ingested, the next sync may begin here.
It is None while that can't be said yet (a listing with the newest first has read everything only at its end). Choose
cursors so that equal times at the border, or clocks that differ, repeat items rather than lose them: an unchanged
record that comes again costs nothing, since the workflow compares content hashes (``Record.content_hash``) and drops
it. So a connector never has to ask "is this new?", only "may this have changed?".

**Edits.** A record that is fetched again with other content replaces its former version. Where a source has no feed of
changes, read again what may have changed (a look-back window).

**Deletions.** Either the source names deleted items: emit a ``Record(deleted=True)``. Or they are noticed by their
absence: on the last page of a listing give a :class:`Sweep`; every record known of this stream, inside the sweep's
scope, that no page of this sync named is then deleted by the workflow. A page names records by its ``records``, by
``present`` (ids that a listing showed and that were not read in full), and by problems with a ``record_id`` (a broken
item is not a deleted one). A stream that is gone altogether is planned with ``gone=True`` and is not fetched.

**Errors**, all of :mod:`omnilake.errors`:

- ``RateLimited.after(seconds, "Slack")``: the workflow keeps what was fetched before, waits, and asks for the same page
  again. Never sleep.
- ``TransientError``: timeouts, broken connections, 5xx: the workflow repeats the page a few times.
- ``SourceError``: credentials that are invalid, expired or lack a permission, an address that is none, an answer that
  is not the API's; with a message of its own that says which, and an ``action``. No secret and no content in it.

A malformed *item* is no error: leave it out, and list it in ``Page.problems``.

``connectors.http.HttpClient`` does these translations for plain HTTP.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from omnilake.errors import SourceError
from omnilake.models import Model, Record

MAX_CURSOR_BYTES = 8 * 1024
"""Longest cursor, as JSON."""

MAX_POSITION_BYTES = 4 * 1024 * 1024
"""Longest position, as JSON: a crawl's frontier fits, content does not belong there."""


class SourceConfig(BaseModel):
    """Base of the configurations of source types.

    The fields without a default are the identity of the source: two configurations that agree in them are the same
    source (its documents, its cursors). Unknown fields are errors. No secret is ever a field.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    @classmethod
    def identity_fields(cls) -> tuple[str, ...]:
        """Names of the required fields, in the order of their definition."""
        return tuple(name for name, field in cls.model_fields.items() if field.is_required())

    def identity(self) -> tuple[str, ...]:
        """Values of the required fields, as text."""
        return tuple(str(getattr(self, name)) for name in self.identity_fields())


def source_id_of(archive_id: str, source_type: str, config: SourceConfig) -> str:
    """Identity of a source: a hash of its length-prefixed identity fields, scoped by archive and type.

    Length prefixes keep ("a/b", "c") and ("a", "b/c") apart.
    """
    digest = hashlib.sha256()
    for field in (archive_id, source_type, *config.identity()):
        data = field.encode()
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    return "s" + digest.hexdigest()[:31]


class Credentials(BaseModel):
    """What the source's secret holds: a JSON object with texts, or one bare text, which then is ``token``.

    Values never show in ``repr``, logs or errors.
    """

    model_config = ConfigDict(frozen=True)
    values: dict[str, SecretStr] = {}

    @classmethod
    def parse(cls, secret: str) -> Credentials:
        """Credentials of the text of a secret; of an empty one there are none.

        Raises:
            SourceError: a JSON object with values that are no texts.
        """
        text = secret.strip()
        if not text:
            return cls()
        if not text.startswith("{"):
            return cls(values={"token": SecretStr(text)})
        try:
            told = json.loads(text)
        except ValueError:
            told = None
        if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
            raise SourceError(
                "The secret of the source is neither a token nor a JSON object of texts.",
                action='Store the bare token, or {"token": "…"}.',
            )
        return cls(values={name: SecretStr(value) for name, value in told.items()})

    def require(self, name: str = "token") -> str:
        """A value that must be there.

        Raises:
            SourceError: it is not, or is empty.
        """
        value = self.get(name)
        if not value:
            raise SourceError(
                f"The secret of the source holds no {name}.",
                action=f'Store the bare token, or a JSON object with the field "{name}", and sync again.',
            )
        return value

    def get(self, name: str = "token") -> str:
        """A value, empty when it is not there."""
        secret = self.values.get(name)
        return "" if secret is None else secret.get_secret_value().strip()


Cursor = dict[str, Any]
"""JSON object of at most :data:`MAX_CURSOR_BYTES`."""

Position = dict[str, Any]
"""JSON object of at most :data:`MAX_POSITION_BYTES`."""


class Stream(Model):
    """A part of a source that is read in one go and has a cursor of its own.

    Attributes:
        name: stable identity inside the source ("channel/C024BE91L", "issues"); cursors are kept by it.
        cursor: where the last sync ended; None at the first.
        options: what ``plan`` found out that ``fetch`` needs (a channel's name); JSON, small.
        gone: the stream is no longer there, or no longer wanted: all its records are deleted, nothing is fetched.
    """

    name: str = Field(min_length=1, max_length=512)
    cursor: Cursor | None = None
    options: dict[str, Any] = Field(default={})
    gone: bool = False


class Known(Model):
    """What is known of a record of a stream since an earlier sync."""

    record_id: str
    content_hash: str = ""  # first 32 digits of ``Record.content_hash``; empty when it was only seen in a listing
    updated_at: str = ""
    effective_on: str = ""
    validator: str = ""  # of the connector's choice: an ETag, a revision
    deleted: bool = False  # it was known once; connectors are not told of these


class Problem(Model):
    """An item of the source that could not be made a record, and why. Shown to operators: no content.

    Attributes:
        item: which one: an id, an address, "item 12 of page 3".
        reason: what was wrong with it, in one sentence.
        record_id: of the record it would have been, when that can be told: then it counts as present.
    """

    item: str = Field(max_length=1_024)
    reason: str = Field(max_length=1_000)
    record_id: str = ""

    @field_validator("item", "reason", mode="before")
    @classmethod
    def _shortened(cls, value: Any) -> Any:
        return value[:1_000] if isinstance(value, str) else value


class Sweep(Model):
    """The scope of a listing that is complete now: known records in it that no page of this sync named are deleted.

    Attributes:
        since: only records whose ``effective_on`` is at or after it (compared as text, so in the same format); empty:
            all of the stream.
    """

    since: str = ""


class Page(Model):
    """What one call of ``fetch`` came to.

    Attributes:
        records: documents, changed or perhaps changed, and deletions.
        present: ids of records that are still there and were not read in full.
        problems: malformed items that were left out.
        position: to go on at; None when the stream is at its end.
        cursor: where the next sync may begin once everything up to here is ingested; None: can't be said yet.
        sweep: on the last page of a listing that is complete; see :class:`Sweep`.
        validators: of records of this page, by id; come back as ``Known.validator``.
    """

    records: list[Record] = Field(default=[])
    present: list[str] = Field(default=[])
    problems: list[Problem] = Field(default=[])
    position: Position | None = None
    cursor: Cursor | None = None
    sweep: Sweep | None = None
    validators: dict[str, str] = Field(default={})


class Connector(Protocol):
    """A client of one type of source. Made anew in each Lambda invocation; see the module for the contract."""

    config_model: ClassVar[type[SourceConfig]]

    def __init__(self, config: Any, credentials: Credentials) -> None: ...

    def plan(self, cursors: Mapping[str, Cursor]) -> list[Stream]:
        """The streams that there are now, with their cursors, in the order to read them.

        Args:
            cursors: of the last sync, by stream name. Of a name that is not planned again nothing changes.
        """
        ...

    def fetch(self, stream: Stream, position: Position | None, known: Mapping[str, Known]) -> Page:
        """One page of a stream.

        Args:
            stream: as planned; through JSON in between.
            position: of the page before; None for the first.
            known: records of this stream by id, as the last sync left them.
        """
        ...

    def close(self) -> None:
        """Close connections."""
        ...
