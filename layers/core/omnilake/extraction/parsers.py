"""The fence around third-party parsers: whatever they raise becomes a typed error without content in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from omnilake.errors import CorruptDocument, DecompressionLimit, DocumentError, EncryptedDocument

Errors = type[Exception] | tuple[type[Exception], ...]


@contextmanager
def parser_call(
    format_name: str,
    *,
    corrupt: Errors,
    encrypted: Errors = (),
    over_limit: Errors = (),
) -> Iterator[None]:
    """Run a library's parser and map what it raises.

    Args:
        format_name: as a person calls the format: ``PDF``, ``Word document``.
        corrupt: exceptions by which the library says that it can't read the content.
        encrypted: by which it says that a password is needed.
        over_limit: by which it says that its own bounds on unpacked data were passed.
    Raises:
        CorruptDocument, EncryptedDocument, DecompressionLimit: with the exception's class name in ``details``.
            The exception itself is not chained: its message may quote the document, and tracebacks are logged.
    """
    try:
        yield
    except (DocumentError, MemoryError):
        raise
    except encrypted as error:
        raise EncryptedDocument(f"The {format_name} needs a password.", exception=type(error).__name__) from None
    except over_limit as error:
        raise DecompressionLimit(
            f"The {format_name} unpacks to more than is allowed.", exception=type(error).__name__
        ) from None
    except corrupt as error:
        raise CorruptDocument(
            f"The {format_name} can't be read ({type(error).__name__}).", exception=type(error).__name__
        ) from None
    except Exception as error:  # noqa: BLE001 - the last resort, see below
        # Parsers meet bytes that their authors never saw and fail with IndexError, KeyError, RecursionError …
        raise CorruptDocument(
            f"The parser failed on the {format_name} ({type(error).__name__}).", exception=type(error).__name__
        ) from None
