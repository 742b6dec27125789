"""Models behind an OpenAI-compatible endpoint, their answers constrained by a JSON Schema (structured outputs).

Wire format: OpenAI API reference, "Create chat completion" (``POST /v1/chat/completions``), with ``response_format`` of
type ``json_schema``. It is not asked for in its strict mode, which takes a part of JSON Schema only; what comes back is
validated here.
"""

from __future__ import annotations

from typing import Any

from omnilake import tokens
from omnilake.credentials import provider_key
from omnilake.errors import GenerationRejected, ProviderRejected, StageFailed
from omnilake.generation.wires.wire import Misfit, Prompt, Reply, Shape, parse
from omnilake.provider_http import INPUT_REFUSED, is_safe, malformed, post_json

SERVICE = "The OpenAI-compatible endpoint"
ENDPOINT = "https://api.openai.com/v1"
"""Base address where a configuration names none."""

TIMEOUT_S = 120.0
"""Longest silence: nothing comes before the whole answer is written."""

_UNAUTHORISED = 401


class ChatCompletions:
    """One model at one endpoint.

    Args:
        endpoint: base address, "https://api.openai.com/v1".
        model: id of the model there.
        timeout_s: longest silence of the endpoint.

    Raises:
        StageFailed: an address that a key must not be sent to.
    """

    name = "openai"

    def __init__(self, endpoint: str, model: str, timeout_s: float = TIMEOUT_S) -> None:
        if not is_safe(endpoint):
            raise StageFailed("The endpoint of a model is no https address.", action="Give it one.")
        self._url = endpoint.rstrip("/") + "/chat/completions"
        self.model = model
        self._timeout_s = timeout_s

    def ask(self, told: Prompt, shape: Shape, refused: tuple[Reply, str] | None) -> Reply:
        """See :class:`~omnilake.generation.wires.wire.Wire`."""
        body = {
            "model": self.model,
            "temperature": 0,
            "max_tokens": shape.max_tokens,
            "messages": _messages(told, refused),
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": shape.name, "schema": shape.schema, "strict": False},
            },
        }
        try:
            answer = self._answer(body)
        except ProviderRejected as error:
            if error.details.get("status") in INPUT_REFUSED:
                raise GenerationRejected(error.message) from error
            raise
        return _reply(answer, told)

    def _answer(self, body: dict[str, Any]) -> Any:
        """The call, once more with the key as it is now when the one at hand is refused: keys are rotated."""
        key = provider_key(self.name)
        try:
            return self._post(body, key)
        except ProviderRejected as error:
            renewed = provider_key(self.name, renew=True) if error.details.get("status") == _UNAUTHORISED else key
            if renewed == key:
                raise
            return self._post(body, renewed)

    def _post(self, body: dict[str, Any], key: str) -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return post_json(self._url, body, headers=headers, service=SERVICE, timeout_s=self._timeout_s)


def _messages(told: Prompt, refused: tuple[Reply, str] | None) -> list[dict[str, str]]:
    messages = [{"role": "system", "content": told.system}, {"role": "user", "content": told.user}]
    if refused is not None:
        reply, correction = refused
        if reply.turn is not None:
            messages.append({"role": "assistant", "content": reply.turn})
        messages.append({"role": "user", "content": correction})
    return messages


def _reply(answer: Any, told: Prompt) -> Reply:
    try:
        choice = answer["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        content, refusal = message.get("content"), message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise malformed(SERVICE) from None
    if refusal or reason == "content_filter":
        raise GenerationRejected("The model refuses to answer, or its answer was withheld.")
    value, problem = None, ""
    if reason == "length":
        problem = "The answer was cut off: it is too long. Answer shorter."
    elif not isinstance(content, str):
        problem = "There is no answer."
    else:
        try:
            value = parse(content)
        except Misfit as misfit:
            problem = misfit.problems[0]
    written = content if isinstance(content, str) and content else None
    given, taken = _usage(answer)
    return Reply(
        value=value,
        turn=written,
        problem=problem,
        input_tokens=tokens.count(told.system) + tokens.count(told.user) if given is None else given,
        output_tokens=tokens.count(written or "") if taken is None else taken,
    )


def _usage(answer: dict[str, Any]) -> tuple[int | None, int | None]:
    """Tokens read and written; None where the endpoint does not tell."""
    told = answer.get("usage")
    usage = told if isinstance(told, dict) else {}
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    given, taken = (count if isinstance(count, int) and count >= 0 else None for count in counts)
    return given, taken
