"""The shape of insights: what a model is asked for, and what of its answer is believed.

An archive's own JSON Schema (2020-12) describes ``fields``. It is checked when the archive is created and never follows
a reference out of itself. What a model answers is data from outside: it is parsed strictly, unknown fields are errors,
and sizes are bounded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from omnilake.errors import InvalidArchive
from omnilake.generation.wires.wire import MAX_PROBLEMS, Misfit, conforming, place
from omnilake.generation.words import tidy
from omnilake.models import Entity, PartialDate, Tag

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MAX_SCHEMA_BYTES = 32 * 1024
"""Longest JSON of an archive's schema: it travels with every call."""

MAX_FIELDS_BYTES = 64 * 1024
"""Longest JSON of one document's ``fields``."""

MAX_DEPTH = 32
"""Deepest nesting of a schema."""

MAX_TAGS, MAX_ENTITIES, MAX_DATES = 20, 60, 60
"""How many a model is asked for, and how many the deterministic provider gives; ``Insights`` can hold more."""

_DEFINITIONS = ("$defs", "definitions")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Extraction(BaseModel):
    """What a provider says of a document."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    title: str = Field(min_length=1, max_length=300)
    summary: str = Field(min_length=1, max_length=4_000)
    tags: list[Tag] = Field(max_length=50)
    entities: list[Entity] = Field(max_length=200)
    dates: list[PartialDate] = Field(max_length=200)
    fields: dict[str, Any] = {}


def check_schema(schema: Any) -> None:
    """Refuse a schema that can't serve as an archive's ``insights_schema``.

    It must be a valid JSON Schema (2020-12) of an object with named properties, at most ``MAX_SCHEMA_BYTES`` of JSON,
    nested at most ``MAX_DEPTH`` deep, and refer only to its own ``$defs``.

    Raises:
        InvalidArchive: with what is wrong.
    """
    from jsonschema import SchemaError

    if not isinstance(schema, dict) or schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        raise _unfit("it must describe an object: type object, with properties")
    if _depth_exceeds(schema, MAX_DEPTH):
        raise _unfit(f"it is nested more than {MAX_DEPTH} deep")
    try:
        size = len(json.dumps(schema, allow_nan=False).encode())
    except (TypeError, ValueError):
        raise _unfit("it is no JSON") from None
    if size > MAX_SCHEMA_BYTES:
        raise _unfit(f"its JSON has {size:,} bytes; the limit is {MAX_SCHEMA_BYTES:,}")
    if schema.get("$schema", _DIALECT).rstrip("#") != _DIALECT:
        raise _unfit(f"its dialect is not {_DIALECT}")
    for keyword, value in _keywords(schema):
        if keyword in {"$id", "$anchor", "$dynamicRef", "$dynamicAnchor"}:
            raise _unfit(f"{keyword} is not supported")
        if keyword == "$ref" and not _resolves(schema, value):
            raise _unfit("a $ref may only name one of its own $defs")
        if keyword == "pattern" and isinstance(value, str):
            try:
                re.compile(value)
            except re.error:
                raise _unfit("a pattern is no regular expression") from None
    try:
        _validator_class().check_schema(schema)
    except SchemaError as error:
        raise _unfit(f"{place(error.absolute_path)} breaks the rules of JSON Schema ({error.validator})") from None


def _unfit(why: str) -> InvalidArchive:
    return InvalidArchive(f"The insights_schema can't be used: {why}.", action="Correct the schema.")


def _depth_exceeds(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _keywords(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            # A property may well be called "pattern" or "$id": below "properties" names are not keywords.
            if name in {"properties", "patternProperties", *_DEFINITIONS} and isinstance(inner, dict):
                for schema in inner.values():
                    yield from _keywords(schema)
            elif name not in {"const", "enum", "default", "examples"}:
                yield name, inner
                yield from _keywords(inner)
    elif isinstance(value, list):
        for each in value:
            yield from _keywords(each)


def _resolves(schema: dict[str, Any], reference: Any) -> bool:
    parts = str(reference).split("/")
    return len(parts) == 3 and parts[0] == "#" and parts[1] in _DEFINITIONS and parts[2] in schema.get(parts[1], {})


def answer_schema(fields: dict[str, Any] | None) -> dict[str, Any]:
    """JSON Schema of the answer that a model is asked for.

    Args:
        fields: the archive's own schema, None when it has none.
    """
    text = {"type": "string"}
    entity = {
        "type": "object",
        "properties": {
            "name": {**text, "maxLength": 200, "description": "As the document writes it."},
            "kind": {
                **text,
                "maxLength": 64,
                "description": "person, organisation, place, product, event, email, url, identifier or another noun",
            },
        },
        "required": ["name", "kind"],
        "additionalProperties": False,
    }
    properties: dict[str, Any] = {
        "title": {**text, "maxLength": 300, "description": "The document's own title, or a fitting one."},
        "summary": {**text, "maxLength": 2_000, "description": "What the document says, in at most five sentences."},
        "tags": {
            "type": "array",
            "maxItems": MAX_TAGS,
            "items": {**text, "maxLength": 64},
            "description": "What the document is about, most fitting first.",
        },
        "entities": {"type": "array", "maxItems": MAX_ENTITIES, "items": entity},
        "dates": {
            "type": "array",
            "maxItems": MAX_DATES,
            "items": {**text, "description": "YYYY-MM-DD, YYYY-MM or YYYY"},
            "description": "Dates that the document names.",
        },
    }
    whole: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if fields is not None:
        own = {name: value for name, value in fields.items() if name not in {"$schema", *_DEFINITIONS}}
        properties["fields"] = own
        whole |= {name: fields[name] for name in _DEFINITIONS if name in fields}  # so that "#/$defs/…" still holds
    whole["required"] = list(properties)
    return whole


def validated(answer: Any, fields_schema: dict[str, Any] | None) -> Extraction:
    """An answer, once it is sure that it fits.

    Args:
        answer: parsed JSON.
        fields_schema: the archive's own; None when it has none, and then ``fields`` must be empty or missing.

    Raises:
        Misfit: with all that is wrong (up to a few).
    """
    extraction = conforming(answer, Extraction)
    check_fields(extraction.fields, fields_schema)
    return extraction.model_copy(
        update={
            "title": tidy(extraction.title)[:300] or "Untitled",
            "summary": tidy(extraction.summary),
            "tags": distinct(extraction.tags),
            "entities": [
                Entity(name=name, kind=kind)
                for name, kind in dict.fromkeys((tidy(each.name), tidy(each.kind)) for each in extraction.entities)
                if name and kind
            ],
            "dates": list(dict.fromkeys(extraction.dates)),
        }
    )


def _place(error: Any) -> str:
    """Where and what, without content: the name of a field that should not be there is the model's own words."""
    location = error["loc"][:-1] if error["type"] == "extra_forbidden" else error["loc"]
    return f"{place(location)} ({error['type']})"


def check_fields(fields: dict[str, Any], schema: dict[str, Any] | None) -> None:
    """Raises ``Misfit`` unless ``fields`` fit the archive's schema."""
    if schema is None:
        if fields:
            raise Misfit(["fields: the archive has no schema, there must be none"], ["fields (unexpected)"])
        return
    if _depth_exceeds(fields, MAX_DEPTH) or _bytes(fields) > MAX_FIELDS_BYTES:
        raise Misfit(["fields: too large"], ["fields (too large)"])
    try:
        found = list(validator(schema).iter_errors(fields))
    except RecursionError:
        raise Misfit(["fields: the schema refers to itself without end"], ["fields (endless schema)"]) from None
    errors = sorted(found, key=lambda each: place(each.absolute_path))[:MAX_PROBLEMS]
    if errors:
        # jsonschema quotes the value at fault in its message, at any length.
        raise Misfit(
            [f"fields.{place(each.absolute_path)}: {each.message[:300]}" for each in errors],
            [f"fields, by {place(each.absolute_schema_path)}" for each in errors],  # names of the schema alone
        )


def _bytes(fields: dict[str, Any]) -> int:
    try:
        return len(json.dumps(fields, ensure_ascii=False, allow_nan=False).encode())
    except ValueError:  # NaN, infinity, half of a surrogate pair
        raise Misfit(["fields: a value that JSON can't hold"], ["fields (no JSON)"]) from None


def validator(schema: dict[str, Any]) -> Validator:
    """A validator of a schema; formats that need nothing but the standard library are checked too."""
    from referencing import Registry

    kind = _validator_class()
    # An empty registry: jsonschema would otherwise fetch what a $ref names.
    made: Validator = kind(schema, registry=Registry(), format_checker=kind.FORMAT_CHECKER)
    return made


def _validator_class() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator


def distinct(tags: Sequence[str]) -> list[str]:
    """Tags without those that differ in case or white space alone; the first spelling stays."""
    found: dict[str, str] = {}
    for tag in map(tidy, tags):
        if tag:
            found.setdefault(tag.casefold(), tag)
    return list(found.values())
