"""How models are called: one module a wire format, for insights and answers alike.

``wire``     what all of them share: what a model is told, the shape of its answer, what it replied
``bedrock``  Amazon Bedrock's Converse API
``openai``   OpenAI-compatible chat completions
"""

from omnilake.generation.wires.wire import Misfit, Prompt, Reply, Shape, Wire, parse

__all__ = ["Misfit", "Prompt", "Reply", "Shape", "Wire", "parse"]
