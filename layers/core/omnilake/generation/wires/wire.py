"""What all wire formats share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)

MAX_PROBLEMS = 8
"""Most of what is wrong with an answer that is told."""


@dataclass(frozen=True)
class Prompt:
    """What a model is told.

    Attributes:
        system: what is asked, and how data are marked.
        user: the data.
        boundary: random name in the lines around data, another in every call; empty where there is none.
    """

    system: str
    user: str
    boundary: str = ""


@dataclass(frozen=True)
class Shape:
    """What a model is made to answer with.

    Attributes:
        name: of the tool or the schema.
        description: what the tool is for.
        schema: JSON Schema of the answer, an object.
        max_tokens: most that the model may write.
    """

    name: str
    description: str
    schema: dict[str, Any]
    max_tokens: int


@dataclass(frozen=True)
class Reply:
    """What a model answered.

    Attributes:
        value: parsed JSON of the answer; None with ``problem``.
        turn: what it said, as its wire format hands it back for a repair; None when it said nothing that can be.
        problem: why there is no value; empty when there is one. Holds nothing that the model said.
        input_tokens: as the provider counts them.
        output_tokens: as the provider counts them.
        paid: False of a reply that was recorded earlier and cost nothing now.
    """

    value: Any
    turn: Any
    problem: str
    input_tokens: int
    output_tokens: int
    paid: bool = True


class Wire(Protocol):
    """How one kind of model is called. Nothing is repeated here."""

    @property
    def name(self) -> str:
        """Name of the provider."""

    @property
    def model(self) -> str:
        """Id of the model."""

    def ask(self, told: Prompt, shape: Shape, refused: tuple[Reply, str] | None) -> Reply:
        """Call the model, at temperature 0.

        Args:
            told: system and user message.
            shape: that the answer is constrained to.
            refused: an answer to the same, and what is wrong with it.

        Raises:
            RateLimited, TransientError, ProviderRejected: the call failed.
            GenerationRejected: the model or its guard refuses to answer, or the input is refused.
        """


class Misfit(Exception):
    """An answer that does not fit.

    Args:
        problems: what is wrong where, for whoever gave the answer; may quote it.
        places: the same without any content, for records and logs.
    """

    def __init__(self, problems: Sequence[str], places: Sequence[str]) -> None:
        super().__init__("; ".join(places))
        self.problems = list(problems)
        self.places = list(places)


def conforming(answer: object, model: type[M]) -> M:
    """A model's answer as one of our own models.

    Raises:
        Misfit: with all that is wrong (up to ``MAX_PROBLEMS``).
    """
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        seen = error.errors()[:MAX_PROBLEMS]
        raise Misfit(
            [f"{place(each['loc'])}: {each['msg']}" for each in seen],
            # The name of a field that should not be there is the model's own words.
            [
                f"{place(each['loc'][: -1 if each['type'] == 'extra_forbidden' else None])} ({each['type']})"
                for each in seen
            ],
        ) from None


def place(parts: Iterable[object]) -> str:
    """Where in an answer something is, with full stops between the names."""
    return ".".join(map(str, parts))[:200] or "the answer"


def parse(text: str) -> Any:
    """JSON that a model wrote.

    Raises:
        Misfit: it is none, or nests too deep.
    """
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Misfit(["The answer is not one valid JSON value."], ["not JSON"]) from None


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
