"""One question to a model whose answer has to fit: one repair of an answer that does not, then a typed error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from omnilake.configuration import ModelConfig
from omnilake.errors import GenerationRejected
from omnilake.generation.provider import Usage
from omnilake.generation.wires.wire import Misfit, Prompt, Reply, Shape, Wire

T = TypeVar("T")


def ask(wire: Wire, told: Prompt, shape: Shape, check: Callable[[object], T]) -> tuple[T, Sequence[Reply]]:
    """What a model answers, once it fits.

    Args:
        wire: the model.
        told: system and user message.
        shape: of the answer.
        check: makes of the parsed JSON what is wanted, or raises ``Misfit``; then the model is told once what is wrong.

    Returns:
        What ``check`` made, and the one or two replies that it took.

    Raises:
        GenerationRejected: neither answer fits, or the model refuses.
        RateLimited, TransientError, ProviderRejected: the call failed.
    """
    first = wire.ask(told, shape, None)
    try:
        return _checked(first, check), [first]
    except Misfit as misfit:
        second = wire.ask(told, shape, (first, _correction(misfit)))
    try:
        return _checked(second, check), [first, second]
    except Misfit as again:
        raise GenerationRejected(f"The answer of {wire.model} does not fit: {'; '.join(again.places)}.") from None


class AskedModel:
    """A model of the configuration, with its prices.

    Args:
        wire: how it is called.
        configured: what the configuration says of it.
    """

    def __init__(self, wire: Wire, configured: ModelConfig) -> None:
        self._wire = wire
        self._configured = configured

    @property
    def name(self) -> str:
        """Name of its provider."""
        return self._wire.name

    @property
    def model(self) -> str:
        """Its id."""
        return self._wire.model

    @property
    def output_tokens(self) -> int:
        """Most that it may write."""
        return self._configured.output_tokens

    def ask(self, told: Prompt, shape: Shape, check: Callable[[object], T]) -> tuple[T, Usage]:
        """See :func:`ask`; and what it took, without what was replayed.

        The details of a ``GenerationRejected`` are the ``Usage`` of the calls that were paid for nothing.
        """
        meter = _Meter(self._wire)
        try:
            value, _ = ask(meter, told, shape, check)
        except GenerationRejected as error:
            lost = self._usage(meter.replies).model_dump()
            raise GenerationRejected(error.message, action=error.action, **lost) from error
        return value, self._usage(meter.replies)

    def _usage(self, replied: Sequence[Reply]) -> Usage:
        replies = [reply for reply in replied if reply.paid]
        given, taken = sum(each.input_tokens for each in replies), sum(each.output_tokens for each in replies)
        cost = round(self._configured.token_usd(given, taken), 8)
        return Usage(calls=len(replies), input_tokens=given, output_tokens=taken, cost_usd=cost)


class _Meter:
    """A wire that keeps its replies."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.replies: list[Reply] = []
        self.name, self.model = wire.name, wire.model

    def ask(self, told: Prompt, shape: Shape, refused: tuple[Reply, str] | None) -> Reply:
        reply = self._wire.ask(told, shape, refused)
        self.replies.append(reply)
        return reply


def _checked(reply: Reply, check: Callable[[object], T]) -> T:
    if reply.problem:
        raise Misfit([reply.problem], [reply.problem])
    return check(reply.value)


def _correction(misfit: Misfit) -> str:
    told = "\n".join(f"- {problem}" for problem in misfit.problems)
    return f"That answer does not fit the schema:\n{told}\nAnswer again, whole and corrected."
