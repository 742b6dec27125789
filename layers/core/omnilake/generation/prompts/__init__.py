"""What models are told: versioned templates, and how questions, passages and claims are put into them.

A template is text with lines of four hyphens between its parts: the system and the user message, and of the steps map
and compose once more both for claims instead of passages. Placeholders are those of ``string.Template``; what stands in
``PLACEHOLDERS`` may be used. A configuration may bring templates of its own and name them by step.

What comes from documents can't leave its place: it stands between lines that hold a random boundary, another in every
call, which the text does not contain.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template as _Text
from typing import Any

from omnilake import tokens
from omnilake.configuration import AnsweringConfiguration, Step
from omnilake.errors import InvalidConfiguration
from omnilake.generation.claims import claims_schema, merge_schema
from omnilake.generation.provider import Task
from omnilake.generation.wires.wire import Prompt
from omnilake.generation.words import tidy
from omnilake.models import AnswerStyle, Claim, Evidence, Model

PRODUCT = {Step.ROUTE: "route-1", Step.MAP: "map-1", Step.COMPOSE: "compose-1", Step.JUDGE: "judge-1"}
"""Names of the product's own templates; an edit that changes results gets a new number."""

PLACEHOLDERS = ("boundary", "question", "goal", "style", "max_claims", "passages", "routes")

MAX_STATED_CHARACTERS = 600
"""Of title, section and dates above a passage: they come from the document too."""

CLAIM_TOKENS = 40
"""Most that the lines around a claim with one quote add to it."""

_BOUNDARY_TOKENS = 32  # most, of the two lines around a passage, and of its label in the schema
_ANY_BOUNDARY = "data-730518264907315"  # that of a call differs in tokens; plans must not

_PARTS = "\n----\n"
_COUNT = {Step.MAP: 4, Step.COMPOSE: 4}
_STYLES = {
    AnswerStyle.CONCISE: "Be brief: as few claims as answer the question, each one sentence.",
    AnswerStyle.DETAILED: "Be thorough: claims for all sides of the answer, with conditions, exceptions and figures.",
    AnswerStyle.STEPS: "Order the claims as the steps that somebody takes, one step a claim.",
}


@dataclass(frozen=True)
class Template:
    """A template of a step.

    Attributes:
        name: of the template.
        text: all its parts.
    """

    name: str
    text: str

    @property
    def version(self) -> str:
        """Name and 8 hex digits of the text's SHA-256: an edit without a new name shows too."""
        return f"{self.name}@{hashlib.sha256(self.text.encode()).hexdigest()[:8]}"

    def parts(self) -> list[str]:
        """Its messages, as they stand in it."""
        return [part.strip() for part in self.text.strip().split(_PARTS)]

    def render(self, values: Mapping[str, object], *, merge: bool = False) -> tuple[str, str]:
        """System and user message.

        Raises:
            InvalidConfiguration: it has too few parts, or a placeholder that is none.
        """
        parts = self.parts()
        first = 2 if merge else 0
        try:
            system, user = (_Text(part).substitute(values) for part in parts[first : first + 2])
        except KeyError as error:
            raise _unfit(self.name, f"the placeholder {str(error)[:60]} is none of {', '.join(PLACEHOLDERS)}") from None
        except ValueError:
            raise _unfit(self.name, "it lacks a part, or a $ in it starts no placeholder (write $$)") from None
        return system, user


class Passage(Model):
    """Which chunk a label of an assembled prompt stands for."""

    label: str
    chunk_id: str
    entry_id: str
    version: str
    source: str


class AssembledPrompt(Model):
    """What the composing model would be told, for the caller's own."""

    system: str
    user: str
    answer_schema: dict[str, Any]  # JSON Schema of the answer that the messages ask for
    template: str  # its version
    passages: list[Passage]


def template(step: Step, configuration: AnsweringConfiguration) -> Template:
    """The template of a step.

    Raises:
        InvalidConfiguration: the configuration names one that neither it nor the product has.
    """
    name = configuration.prompts.get(step) or PRODUCT.get(step, "")
    if name in configuration.templates:
        return Template(name, configuration.templates[name])
    if name in PRODUCT.values():
        return Template(name, _own(name))
    raise _unfit(name, f"there is no template of that name for the step {step.value}")


def check(configuration: AnsweringConfiguration) -> None:
    """Raises ``InvalidConfiguration`` unless each step has a template whose parts and placeholders are right."""
    values = dict.fromkeys(PLACEHOLDERS, "")
    for step in PRODUCT:
        found = template(step, configuration)
        if len(found.parts()) != _COUNT.get(step, 2):
            raise _unfit(found.name, f"a template of the step {step.value} has {_COUNT.get(step, 2)} parts")
        for merge in (False, True)[: _COUNT.get(step, 2) // 2]:
            _, user = found.render(values | {"boundary": "b", "passages": "PASSAGES"}, merge=merge)
            if "PASSAGES" not in user:
                raise _unfit(found.name, "its user part does not hold $passages")


def evidence_prompt(used: Template, task: Task, evidence: Sequence[Evidence], max_claims: int) -> Prompt:
    """What is told to find claims in evidence. The label of the n-th chunk is ``label(n)``."""
    shown = [_passage(each) for each in evidence]
    return _prompt(used, task, shown, max_claims, merge=False)


def merge_prompt(used: Template, task: Task, claims: Sequence[Claim], max_claims: int) -> Prompt:
    """What is told to merge claims. The label of the n-th claim is ``label(n)``."""
    return _prompt(used, task, [claim_shown(each) for each in claims], max_claims, merge=True)


def route_prompt(used: Template, question: str, routes: Sequence[str]) -> Prompt:
    """What is told to choose a route: the routes as lines, and the question as data."""
    shown, boundary = marked([question])
    values = dict.fromkeys(PLACEHOLDERS, "") | {"boundary": boundary, "passages": shown, "routes": "\n".join(routes)}
    return Prompt(*used.render(values), boundary)


def judge_prompt(used: Template, claims: Sequence[Claim]) -> Prompt:
    """What is told to judge claims by their quotes; of the question the judge hears nothing."""
    return _prompt(used, Task(question=""), [claim_shown(each) for each in claims], len(claims), merge=False)


def assemble(
    task: Task, evidence: Sequence[Evidence], configuration: AnsweringConfiguration, *, max_claims: int
) -> AssembledPrompt:
    """The prompt that the answer would be composed by, complete: it says in which JSON the answer is wanted."""
    used = template(Step.COMPOSE, configuration)
    told = evidence_prompt(used, task, evidence, max_claims)
    schema = claims_schema(len(evidence))
    wanted = f"Answer with one JSON object that fits this JSON Schema:\n{json.dumps(schema)}"
    return AssembledPrompt(
        system=told.system,
        user=f"{told.user}\n\n{wanted}",
        answer_schema=schema,
        template=used.version,
        passages=[
            Passage(
                label=label(number),
                chunk_id=each.chunk.chunk_id,
                entry_id=each.chunk.entry_id,
                version=each.chunk.version,
                source=each.chunk.source,
            )
            for number, each in enumerate(evidence)
        ],
    )


def overhead(step: Step, configuration: AnsweringConfiguration, task: Task) -> int:
    """Tokens (cl100k) of a call besides its passages or claims (``surrounding_tokens``, ``CLAIM_TOKENS``)."""
    used = template(step, configuration)
    calls = [(_prompt(used, task, [], 10, merge=merge), merge) for merge in (False, True)[: _COUNT.get(step, 2) // 2]]
    schemas = {False: claims_schema(1), True: merge_schema(1)}
    return max(
        sum(tokens.count(text.replace(told.boundary, _ANY_BOUNDARY)) for text in (told.system, told.user))
        + tokens.count(json.dumps(schemas[merge]))
        for told, merge in calls
    )


def surrounding_tokens(evidence: Evidence) -> int:
    """Most tokens (cl100k) that the lines around a passage add to its text."""
    return _BOUNDARY_TOKENS + tokens.count("\n".join(_stated(evidence)))


def label(number: int) -> str:
    """How a model knows the n-th passage or claim, from 0: ids of the lake are never shown."""
    return f"p{number + 1}"


def marked(texts: Sequence[str]) -> tuple[str, str]:
    """Texts with labels between lines that hold a boundary; and the boundary."""
    boundary = _boundary(texts)
    shown = "\n\n".join(
        f"<{boundary} {label(number)}>\n{text}\n</{boundary} {label(number)}>" for number, text in enumerate(texts)
    )
    return shown, boundary


def claim_shown(claim: Claim) -> str:
    """A claim with its quotes, as a model reads it."""
    quotes = "\n".join(f"quote: {tidy(quote.text)}" for quote in claim.quotes)
    conflict = f"\nconflict: {tidy(claim.conflict)}" if claim.conflict else ""
    return f"claim: {tidy(claim.text)}{conflict}\n{quotes}"


def _prompt(used: Template, task: Task, texts: Sequence[str], max_claims: int, *, merge: bool) -> Prompt:
    shown, boundary = marked(texts)
    values = {
        "boundary": boundary,
        "question": task.question,
        "goal": task.goal or "(none given)",
        "style": _STYLES[task.style],
        "max_claims": max_claims,
        "passages": shown,
        "routes": "",
    }
    return Prompt(*used.render(values, merge=merge), boundary)


def _passage(evidence: Evidence) -> str:
    """What is stated of a chunk, a line each; an empty line; the text."""
    return "\n".join([*_stated(evidence), "", evidence.chunk.text])


def _stated(evidence: Evidence) -> list[str]:
    """Title, section and dates, as far as there is room."""
    chunk = evidence.chunk
    stated = {
        "title": chunk.title,
        "section": chunk.section,
        "speaker": chunk.speaker or "",
        "holds from": chunk.effective_on,
        "received": chunk.received_at,
    }
    left, lines = MAX_STATED_CHARACTERS, []
    for name, value in stated.items():
        line = f"{name}: {tidy(value)}"
        if value and len(line) <= left:
            lines.append(line)
            left -= len(line)
    return lines


def _boundary(texts: Sequence[str]) -> str:
    """A name that stands in none of the texts.

    Fifteen digits, 50 bits, are five tokens; 32 hexadecimal ones were 17, twice around every passage.
    """
    while any((boundary := _drawn()) in text for text in texts):
        pass
    return boundary if texts else _drawn()


def _drawn() -> str:
    return f"data-{secrets.randbelow(10**15):015d}"


def _unfit(name: str, why: str) -> InvalidConfiguration:
    return InvalidConfiguration(f"The template {name[:100]!r} does not fit: {why}.")


@cache
def _own(name: str) -> str:
    return (files("omnilake.generation") / "prompts" / f"{name}.txt").read_text(encoding="utf-8")
