"""Which processor reads a document: the archive's rules first, then what fits the document by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from omnilake.models import ChunkingConfig, ProcessingRule, Processor


def choose(
    rules: Sequence[ProcessingRule],
    *,
    media_type: str,
    name: str,
    columns: Collection[str] = (),
    metadata: Mapping[str, str],
    default: Processor,
) -> tuple[Processor, ChunkingConfig | None]:
    """Processor of a document, and the chunking that a rule asks for in place of the archive's.

    Args:
        rules: of the archive; the first whose conditions all hold wins.
        media_type: of the content.
        name: path of the document below its archive.
        columns: of its table; empty when it is none.
        metadata: of the upload and of the document itself.
        default: the product's choice, made by content (``extraction.OpenedDocument.processor``).
    """
    for rule in rules:
        if _holds(rule, media_type, name, columns, metadata):
            return rule.processor, rule.chunking
    return default, None


def _holds(
    rule: ProcessingRule, media_type: str, name: str, columns: Collection[str], metadata: Mapping[str, str]
) -> bool:
    return (
        (not rule.media_types or _matches(media_type, rule.media_types))
        and (not rule.names or _matches(name, rule.names))
        and {column.strip().casefold() for column in rule.columns} <= {column.casefold() for column in columns}
        and all(metadata.get(field) == value for field, value in rule.metadata.items())
    )


def _matches(value: str, globs: Sequence[str]) -> bool:
    # Both by hand to one case: fnmatch folds case only where the file system does.
    return any(fnmatchcase(value.casefold(), glob.casefold()) for glob in globs)
