"""The contract of wires."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from omnilake.embedding.models import KnownModel
from omnilake.provider_http import malformed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Row = NDArray[np.float32]


class Purpose(StrEnum):
    """What a text is to the search: models may treat the two differently."""

    DOCUMENT = "document"
    QUERY = "query"


@dataclass(frozen=True)
class Request:
    """One call of a provider.

    Attributes:
        model: to embed with.
        dimensions: of the vectors.
        texts: with their prefixes, no more than the model takes in one request.
        purpose: of the texts.
        endpoint: base address, or region for Bedrock.
        key: of the provider; empty for an endpoint that asks for none.
    """

    model: KnownModel
    dimensions: int
    texts: Sequence[str]
    purpose: Purpose
    endpoint: str
    key: str


@dataclass(frozen=True)
class Reply:
    """What came back.

    Attributes:
        rows: a vector for each text, in the texts' order; of whatever length and content the provider sent.
        tokens: that the provider counted, None when it does not say.
        truncated: the provider says that it cut a text.
    """

    rows: list[Row]
    tokens: int | None
    truncated: bool = False


class Wire(Protocol):
    """A provider's wire format."""

    @property
    def service(self) -> str:
        """Its name for people."""
        ...

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where it is when the deployment does not say otherwise."""
        ...

    @property
    def needs_key(self) -> bool:
        """Whether its own endpoints ask for a key."""
        ...

    @property
    def at_once(self) -> int:
        """Requests that are under way at a time."""
        ...

    def send(self, request: Request) -> Reply:
        """Make the call.

        Raises:
            RateLimited, TransientError, ProviderRejected: as :func:`omnilake.provider_http.post_json`.
        """
        ...


def wire_for(provider: str) -> Wire:
    """The wire of a provider by its name."""
    from omnilake.embedding.wires import bedrock, cohere, huggingface, openai, voyage

    wires: dict[str, Wire] = {
        "bedrock": bedrock.Bedrock(),
        "openai": openai.OpenAI(),
        "cohere": cohere.Cohere(),
        "voyage": voyage.Voyage(),
        "huggingface": huggingface.HuggingFace(),
    }
    return wires[provider]


def row(values: Any, service: str) -> Row:
    """A vector out of JSON: a list of numbers, or base64 of little-endian float32.

    Raises:
        TransientError: it is neither.
    """
    import numpy as np

    if isinstance(values, str):
        try:
            data = base64.b64decode(values, validate=True)
        except (ValueError, binascii.Error) as error:
            raise malformed(service) from error
        if len(data) % 4:
            raise malformed(service)
        return np.frombuffer(data, dtype="<f4").astype(np.float32)
    if not isinstance(values, list):
        raise malformed(service)
    try:
        # null is how JSON writers that know no NaN write it.
        made = np.array([np.nan if value is None else value for value in values], dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise malformed(service) from error
    if made.ndim != 1:
        raise malformed(service)
    return made


def rows_in_order(data: Any, count: int, service: str) -> list[Row]:
    """Vectors of ``[{"index": i, "embedding": …}, …]`` by their index.

    Raises:
        TransientError: another number, an index twice or out of range, or another shape.
    """
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        raise malformed(service)
    found = {each.get("index"): each.get("embedding") for each in data}
    if len(data) != count or set(found) != set(range(count)):
        raise malformed(service)
    return [row(found[index], service) for index in range(count)]


def rows_of(values: Any, count: int, service: str) -> list[Row]:
    """Vectors of a list of vectors. Raises ``TransientError`` for another number or shape."""
    if not isinstance(values, list) or len(values) != count:
        raise malformed(service)
    return [row(each, service) for each in values]


def count_of(value: Any) -> int | None:
    """A count out of JSON or a header, None when there is none."""
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        return None


def member(value: Any, *names: str) -> Any:
    """What stands at a path of names in nested JSON objects; None where it ends early."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
