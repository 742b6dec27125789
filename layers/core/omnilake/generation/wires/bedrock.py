"""Models on Amazon Bedrock by the Converse API, made to answer by a tool whose input schema is the answer's.

Wire format: Bedrock API reference, Converse; user guide, "Call a tool with the Converse API" (toolChoice ``tool``, for
models of Anthropic and Amazon Nova).
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from omnilake import aws
from omnilake.errors import GenerationRejected, ProviderRejected, RateLimited, TransientError
from omnilake.generation.wires.wire import Prompt, Reply, Shape

SERVICE = "Amazon Bedrock"
TIMEOUT_S = 60.0
"""Longest silence: nothing comes before the whole answer is written."""

UNSAID_WAIT_S = 20.0
"""Waited after throttling: Bedrock does not say how long."""

_THROTTLED = {
    "ThrottlingException",
    "TooManyRequestsException",
    "ModelNotReadyException",
    "ServiceQuotaExceededException",
}
_TRANSIENT = {
    "InternalServerException",
    "ServiceUnavailableException",
    "ModelTimeoutException",
    "ModelErrorException",
    "RequestTimeout",
}
_INPUT_REFUSED = {"ValidationException"}

_WITHHELD = {"guardrail_intervened", "content_filtered"}
_PROBLEMS = {
    "max_tokens": "The answer was cut off: it is too long. Answer shorter.",
    "model_context_window_exceeded": "The answer was cut off: the context is full. Answer shorter.",
    "malformed_model_output": "The answer was malformed.",
    "malformed_tool_use": "The call of the tool was malformed.",
}


class Converse:
    """One model.

    Args:
        model: a model id, or the id or ARN of an inference profile.
        timeout_s: longest silence of the service.
    """

    name = "bedrock"

    def __init__(self, model: str, timeout_s: float = TIMEOUT_S) -> None:
        self.model = model
        self._timeout_s = timeout_s

    def ask(self, told: Prompt, shape: Shape, refused: tuple[Reply, str] | None) -> Reply:
        """See :class:`~omnilake.generation.wires.wire.Wire`."""
        tool = {"name": shape.name, "description": shape.description, "inputSchema": {"json": shape.schema}}
        try:
            answer = aws.impatient_client("bedrock-runtime", aws.region(), self._timeout_s).converse(
                modelId=self.model,
                system=[{"text": told.system}],
                messages=_messages(told, refused),
                inferenceConfig={"maxTokens": shape.max_tokens, "temperature": 0},
                toolConfig={"tools": [{"toolSpec": tool}], "toolChoice": {"tool": {"name": shape.name}}},
            )
        except ClientError as error:
            raise _error(aws.error_code(error)) from error
        except BotoCoreError as error:
            raise TransientError(f"{SERVICE} could not be reached ({type(error).__name__}).") from error
        return _reply(answer, shape.name)


def _messages(told: Prompt, refused: tuple[Reply, str] | None) -> list[dict[str, Any]]:
    user: dict[str, Any] = {"role": "user", "content": [{"text": told.user}]}
    if refused is None:
        return [user]
    reply, correction = refused
    if reply.turn is None:
        return [{"role": "user", "content": [{"text": told.user}, {"text": correction}]}]
    called = [block["toolUse"]["toolUseId"] for block in reply.turn["content"] if "toolUse" in block]
    if not called:
        return [user, reply.turn, {"role": "user", "content": [{"text": correction}]}]
    results = [
        {"toolResult": {"toolUseId": each, "status": "error", "content": [{"text": correction}]}} for each in called
    ]
    return [user, reply.turn, {"role": "user", "content": results}]


def _reply(answer: dict[str, Any], tool: str) -> Reply:
    reason = answer["stopReason"]
    if reason in _WITHHELD:
        raise GenerationRejected(f"The answer was withheld ({reason}).", action="Look at the model's guardrail.")
    blocks = answer.get("output", {}).get("message", {}).get("content", [])
    kept = [{kind: block[kind]} for block in blocks for kind in ("text", "toolUse") if block.get(kind)]
    # Only the one tool that was asked for counts; text and calls of other names are no answer.
    inputs = [block["toolUse"]["input"] for block in kept if block.get("toolUse", {}).get("name") == tool]
    problem = _PROBLEMS.get(reason, "")
    if not problem and len(inputs) != 1:
        problem = f"The tool {tool} must be called once; it was called {len(inputs)} times."
    return Reply(
        value=None if problem else inputs[0],
        turn={"role": "assistant", "content": kept} if kept else None,
        problem=problem,
        input_tokens=answer["usage"]["inputTokens"],
        output_tokens=answer["usage"]["outputTokens"],
    )


def _error(code: str) -> RateLimited | TransientError | GenerationRejected | ProviderRejected:
    if code in _THROTTLED:
        return RateLimited.after(UNSAID_WAIT_S, SERVICE)
    if code in _TRANSIENT:
        return TransientError(f"{SERVICE} failed: {code}.")
    if code in _INPUT_REFUSED:
        return GenerationRejected(f"{SERVICE} refuses the input: {code}.")
    return ProviderRejected(f"{SERVICE} refuses the call: {code}.")
