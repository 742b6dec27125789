"""How much of a document is read before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ExtractionLimits:
    """Bounds on what one document may cost. Sizes in bytes unless said otherwise."""

    max_characters: int = 64 * _MIB
    """Most characters of extracted text."""
    max_segments: int = 400_000
    """Most segments; each costs about 0.7 KB of memory."""
    max_pages: int = 5_000
    """Most pages of a PDF, slides of a presentation, sheets of a workbook."""
    max_cells: int = 20_000_000
    """Most cells of a workbook, empty ones between filled ones included."""
    max_archive_entries: int = 5_000
    """Most entries of a zipped format (DOCX, PPTX, XLSX), and most documents that an archive file (ZIP) expands to."""
    max_export_entries: int = 50_000
    """Most entries of an archive file with those of the archives in it: an export of a chat has a file for each day of
    each channel."""
    max_archive_depth: int = 2
    """How deep archive files nest: 2 is an archive within an archive."""
    max_unpacked_bytes: int = 256 * _MIB
    """Most bytes of all entries of a zipped format or archive file together, or of all page streams of a PDF."""
    max_xml_bytes: int = 32 * _MIB
    """Most bytes of one XML part, of an HTML document and of a JSON document: a tree takes about thirty times its
    source. Sheets of a workbook and JSON lines are read as a stream and may be larger."""
    max_compression_ratio: int = 200
    """Most bytes that one packed byte may unfold to, for entries that unfold to more than 1 MiB.
    Office XML packs to between a fifth and a fiftieth."""


DEFAULT_LIMITS = ExtractionLimits()
