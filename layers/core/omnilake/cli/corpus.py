"""A corpus of real documents that every installation already has: the AWS service documentation inside botocore.

``write_corpus`` writes one HTML page per operation, as the API references have them, for the demo and the benchmarks.
botocore's models are data files under the Apache License 2.0; pages are written from the installed version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

SERVICES: Mapping[str, str] = MappingProxyType(
    {
        "stepfunctions": "AWS Step Functions",
        "lambda": "AWS Lambda",
        "s3": "Amazon S3",
        "dynamodb": "Amazon DynamoDB",
        "dynamodbstreams": "Amazon DynamoDB Streams",
        "s3control": "Amazon S3 Control",
    }
)
"""botocore's name of each service of the demo corpus, and the name on its pages."""

_MAX_OPERATION_CHARACTERS = 6_000
_MAX_MEMBER_CHARACTERS = 700
_MAX_NESTED_CHARACTERS = 300
_MAX_MEMBERS = 40
_MAX_NESTED_MEMBERS = 16

_BLOCK = re.compile(r"<(p|note|important|ul|ol|dl|pre|h[1-6]|table)\b", re.I)
_KEPT_TAGS = frozenset(["p", "ul", "ol", "li", "dl", "dt", "dd", "pre", "code", "b", "i", "strong", "em", "h3", "h4"])


def write_corpus(target: Path, services: Mapping[str, str] = SERVICES) -> list[Path]:
    """Write the operation pages of services as HTML documents.

    Args:
        target: a directory; made when missing. Pages go to ``<target>/<service>/<Operation>.html``.
        services: botocore's service name → name on the pages.
    Returns:
        The pages' paths, sorted. The same botocore gives the same bytes.
    """
    import botocore.session

    session = botocore.session.get_session()
    pages: list[Path] = []
    for service, display_name in services.items():
        model = session.get_service_model(service)
        directory = target / service
        directory.mkdir(parents=True, exist_ok=True)
        for operation in model.operation_names:
            page = directory / f"{operation}.html"
            page.write_text(operation_page(display_name, model.operation_model(operation)), encoding="utf-8")
            pages.append(page)
    return sorted(pages)


def operation_page(service: str, operation: Any) -> str:
    """HTML page of one operation.

    Args:
        service: name of the service as it stands on the page.
        operation: ``botocore.model.OperationModel``.
    """
    title = f"{service}: {operation.name}"
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head><body>',
        f"<h1>{escape(title)}</h1>",
        clean_html(operation.documentation, _MAX_OPERATION_CHARACTERS),
    ]
    if operation.input_shape is not None and operation.input_shape.members:
        parts += ["<h2>Request parameters</h2>", "<ul>", *_members(operation.input_shape, required=True), "</ul>"]
    if operation.output_shape is not None and operation.output_shape.members:
        parts += ["<h2>Response elements</h2>", "<ul>", *_members(operation.output_shape, required=False), "</ul>"]
    if operation.error_shapes:
        parts += ["<h2>Errors</h2>", "<ul>"]
        for error in operation.error_shapes:
            text = first_paragraph(error.documentation, _MAX_MEMBER_CHARACTERS)
            parts.append(f"<li><b>{escape(error.name)}</b>{': ' if text else ''}{escape(text)}</li>")
        parts.append("</ul>")
    parts.append("</body></html>")
    return "\n".join(part for part in parts if part) + "\n"


def _members(shape: Any, *, required: bool) -> Iterator[str]:
    """List items of a structure's members, with one level of the structures below them."""
    names = list(shape.members)
    for name in names[:_MAX_MEMBERS]:
        member = shape.members[name]
        facts = [_type_name(member), *_constraints(member)]
        if required:
            facts.append("required" if name in shape.required_members else "optional")
        text = first_paragraph(member.documentation, _MAX_MEMBER_CHARACTERS)
        nested = _structure(member)
        below = ""
        if nested is not None and nested.members:
            items = [
                f"<li><b>{escape(name)}.{escape(inner)}</b> ({escape(_type_name(inner_member))}): "
                f"{escape(first_paragraph(inner_member.documentation, _MAX_NESTED_CHARACTERS))}</li>"
                for inner, inner_member in list(nested.members.items())[:_MAX_NESTED_MEMBERS]
            ]
            below = "\n<ul>\n" + "\n".join(items) + "\n</ul>"
        yield f"<li><b>{escape(name)}</b> ({escape('; '.join(facts))}): {escape(text)}{below}</li>"
    if len(names) > _MAX_MEMBERS:
        yield f"<li>Also: {escape(', '.join(names[_MAX_MEMBERS:]))}</li>"


def _structure(shape: Any) -> Any | None:
    """The structure that a member is, or is a list or map of."""
    if shape.type_name == "structure":
        return shape
    inner = {"list": "member", "map": "value"}.get(shape.type_name)
    below = getattr(shape, inner) if inner else None
    return below if below is not None and below.type_name == "structure" else None


def _type_name(shape: Any) -> str:
    if shape.type_name == "list":
        return f"list of {shape.member.type_name}"
    if shape.type_name == "map":
        return f"map of {shape.key.type_name} to {shape.value.type_name}"
    return str(shape.type_name)


def _constraints(shape: Any) -> Iterator[str]:
    metadata = shape.metadata
    of = {"string": " characters", "blob": " bytes", "list": " items", "map": " items"}.get(shape.type_name, "")
    if "min" in metadata:
        yield f"minimum {metadata['min']}{of}"
    if "max" in metadata:
        yield f"maximum {metadata['max']}{of}"
    if metadata.get("enum"):
        values: Sequence[str] = metadata["enum"]
        more = f" and {len(values) - 8} more" if len(values) > 8 else ""
        yield f"one of {', '.join(values[:8])}{more}"


def first_paragraph(documentation: str | None, limit: int) -> str:
    """Text of the first paragraph: whole sentences up to about ``limit`` characters (a longer one is cut)."""
    root = _parse(documentation)
    if root is None:
        return ""
    first = next((element for element in root.iter("p") if _text(element)), root)
    return _cut(_text(first), limit)


def clean_html(documentation: str | None, limit: int) -> str:
    """Well-formed HTML of botocore's documentation: known tags, no attributes, blocks up to ``limit`` characters."""
    root = _parse(documentation)
    if root is None:
        return ""
    blocks: list[str] = []
    length = 0
    if lead := _fold(root.text or ""):
        blocks.append(f"<p>{escape(lead)}</p>")
    for element in _unwrapped(root):
        block = _render(element)
        if not _text(element):
            continue
        if blocks and length + len(block) > limit:
            break
        blocks.append(block)
        length += len(block)
    return "\n".join(blocks)


def _parse(documentation: str | None) -> Any | None:
    from lxml import html

    if not documentation or not documentation.strip():
        return None
    source = documentation if _BLOCK.search(documentation) else f"<p>{documentation}</p>"
    return html.fragment_fromstring(source, create_parent="div")


def _unwrapped(root: Any) -> Iterator[Any]:
    """Blocks below the root, with those inside of notes and other wrappers taken out."""
    for element in root:
        if isinstance(element.tag, str) and element.tag not in _KEPT_TAGS and len(element):
            yield from _unwrapped(element)
        elif isinstance(element.tag, str):
            yield element


def _render(element: Any) -> str:
    """An element as well-formed HTML: tags that are not kept give way to their content."""
    inner = escape(element.text or "") + "".join(
        (_render(child) if isinstance(child.tag, str) else "") + escape(child.tail or "") for child in element
    )
    if element.tag == "pre":
        return f"<pre>{inner}</pre>"
    inner = re.sub(r"\s+", " ", inner)
    if element.tag in _KEPT_TAGS:
        return f"<{element.tag}>{inner}</{element.tag}>"
    return inner


def _text(element: Any) -> str:
    return _fold(" ".join(element.itertext()) if element.tag == "div" else "".join(element.itertext()))


def _fold(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    kept = ""
    for sentence in re.split(r"(?<=[.!?]) ", text):
        if kept and len(kept) + len(sentence) > limit:
            break
        kept = f"{kept} {sentence}".strip()
    return kept if len(kept) <= 2 * limit else kept[:limit].rsplit(" ", 1)[0] + " …"
