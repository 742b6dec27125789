"""A model chooses a route: what it says is one of the routes' names, or none; anything else is no answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omnilake import tokens
from omnilake.configuration import Route
from omnilake.generation import prompts
from omnilake.generation.asking import AskedModel
from omnilake.generation.provider import Usage
from omnilake.generation.wires import Misfit, Shape

RECORD_ROUTE = "record_route"
"""What the answer is called where the wire format wants a name."""

NONE = "none"
"""What a model says when no route fits."""


def choose_route(
    asked: AskedModel, template: prompts.Template, question: str, routes: Sequence[Route]
) -> tuple[str, Usage]:
    """The name of a route, empty when the model finds none.

    The model is told the routes by numbers, so that a route called "none" is no way to say so.

    Raises:
        GenerationRejected: after one repair no answer fits, or the model refuses.
        RateLimited, TransientError, ProviderRejected: the call failed.
    """
    named = _named(routes)
    told = prompts.route_prompt(template, question, _listed(named))
    schema = {
        "type": "object",
        "properties": {"route": {"type": "string", "enum": [*named, NONE]}},
        "required": ["route"],
        "additionalProperties": False,
    }
    shape = Shape(RECORD_ROUTE, "Record the route.", schema, max_tokens=asked.output_tokens)
    label, usage = asked.ask(told, shape, lambda answer: _label(answer, [*named, NONE]))
    return ("" if label == NONE else named[label].name), usage


def route_tokens(template: prompts.Template, question: str, routes: Sequence[Route]) -> int:
    """cl100k tokens of what a model is told that chooses."""
    told = prompts.route_prompt(template, question, _listed(_named(routes)))
    return tokens.count(told.system) + tokens.count(told.user)


def _named(routes: Sequence[Route]) -> dict[str, Route]:
    return {f"R{number}": route for number, route in enumerate(routes, start=1)}


def _listed(named: Mapping[str, Route]) -> list[str]:
    return [f"- {label}: {route.description or route.name}" for label, route in named.items()]


def _label(answer: object, labels: Sequence[str]) -> str:
    label = answer.get("route") if isinstance(answer, dict) and len(answer) == 1 else None
    if not isinstance(label, str) or label not in labels:
        raise Misfit(["The route must be one of the names in the schema, alone."], ["route (not one of the names)"])
    return label
