"""Claims by a model: asked by a template, believed as far as its quotes stand (``generation.claims``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from omnilake.generation import claims as told_claims
from omnilake.generation import prompts
from omnilake.generation.asking import AskedModel
from omnilake.generation.claims import Believed, Limits
from omnilake.generation.provider import ClaimSet, Task
from omnilake.generation.wires import Prompt, Shape
from omnilake.models import Claim, Evidence

RECORD_CLAIMS = "record_claims"
MERGE_CLAIMS = "merge_claims"
"""What the answer is called where the wire format wants a name."""


class GenerativeProvider:
    """See :class:`~omnilake.generation.provider.GenerationProvider`. An empty list of claims is an answer too.

    Args:
        asked: the model.
        template: of the step.
    """

    def __init__(self, asked: AskedModel, template: prompts.Template) -> None:
        self._asked = asked
        self._template = template

    @property
    def name(self) -> str:
        """Name of the model's provider."""
        return self._asked.name

    @property
    def model(self) -> str:
        """Id of the model."""
        return self._asked.model

    @property
    def prompt_version(self) -> str:
        """Of the template."""
        return self._template.version

    def extract_claims(self, task: Task, evidence: Sequence[Evidence], *, max_tokens: int, max_claims: int) -> ClaimSet:
        """Claims that the model finds, and whose quotes stand in the evidence.

        Raises:
            GenerationRejected: after one repair no answer fits, or the model refuses.
            RateLimited, TransientError, ProviderRejected: the call failed.
        """
        if not evidence:
            return ClaimSet(claims=[])
        told = prompts.evidence_prompt(self._template, task, evidence, max_claims)
        shape = self._shape(RECORD_CLAIMS, told_claims.claims_schema(len(evidence)))
        limits = Limits(told.system, max_tokens, max_claims)
        return self._claims(told, shape, lambda answer: told_claims.found(answer, evidence, limits))

    def merge_claims(self, task: Task, claims: Sequence[Claim], *, max_tokens: int, max_claims: int) -> ClaimSet:
        """The claims as the model merges them, each with all quotes of those it is made of.

        Raises:
            GenerationRejected: after one repair no answer fits, or the model refuses.
            RateLimited, TransientError, ProviderRejected: the call failed.
        """
        if not claims:
            return ClaimSet(claims=[])
        told = prompts.merge_prompt(self._template, task, claims, max_claims)
        shape = self._shape(MERGE_CLAIMS, told_claims.merge_schema(len(claims)))
        limits = Limits(told.system, max_tokens, max_claims)
        return self._claims(told, shape, lambda answer: told_claims.merged(answer, claims, limits))

    def _shape(self, name: str, schema: dict[str, object]) -> Shape:
        return Shape(name, "Record the claims.", schema, max_tokens=self._asked.output_tokens)

    def _claims(self, told: Prompt, shape: Shape, check: Callable[[object], Believed]) -> ClaimSet:
        believed, usage = self._asked.ask(told, shape, check)
        return ClaimSet(claims=believed.claims, usage=usage, rejected=dict(believed.rejected))
