"""One question to a model whose answer has to fit: one repair of an answer that does not, then a typed error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from omnilake.errors import GenerationRejected
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


def _checked(reply: Reply, check: Callable[[object], T]) -> T:
    if reply.problem:
        raise Misfit([reply.problem], [reply.problem])
    return check(reply.value)


def _correction(misfit: Misfit) -> str:
    told = "\n".join(f"- {problem}" for problem in misfit.problems)
    return f"That answer does not fit the schema:\n{told}\nAnswer again, whole and corrected."
