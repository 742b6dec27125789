"""Model calls of one request, recorded at the wire: a state that runs again pays for none twice, and a replay for none.

The address of a call is the hash of all that the model was told, with the random boundary left out. A repair has the
address of what it repairs and says that it is one: what is handed back follows from the recorded answer.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from aws_lambda_powertools import Logger

from omnilake import aws, layout
from omnilake.errors import GenerationRejected, ProviderRejected, ReplayIncomplete
from omnilake.generation.wires.wire import Prompt, Reply, Shape, Wire
from omnilake.models import InformationRequest, Model

logger = Logger(child=True)


class Record(Model):
    """What a model answered to one call, as it came over the wire; or that it or its provider refused."""

    provider: str
    model: str
    value: Any = None
    turn: Any = None
    problem: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    refused: str = ""  # message of the refusal
    replayed: bool = False  # taken from another job: paid there


class Calls:
    """Records of one job.

    Args:
        job_id: whose calls are recorded.
        replay_of: job whose records stand in for the models; empty: they are called.
    """

    def __init__(self, job_id: str, replay_of: str = "") -> None:
        self._job_id = job_id
        self._replay_of = replay_of

    @classmethod
    def of(cls, job_id: str, request: InformationRequest) -> Calls:
        """Of a request's own job."""
        return cls(job_id, request.replay_of)

    def known(self, address: str) -> Record | None:
        """The record of a call, None when it has to be made.

        Raises:
            ReplayIncomplete: the job that is replayed has none.
        """
        record = _read(self._job_id, address)
        if record is not None or not self._replay_of:
            return record
        record = _read(self._replay_of, address)
        if record is None:
            raise ReplayIncomplete(f"The job {self._replay_of} has no record of a call that this answer needs.")
        record = record.model_copy(update={"replayed": True})
        self.keep(address, record)
        return record

    def keep(self, address: str, record: Record) -> None:
        """Record a call."""
        aws.lake().write_model(layout.model_call(self._job_id, address), record)


class RecordedWire:
    """A wire whose replies are recorded.

    Args:
        wire: that calls the model.
        calls: of the job.
    """

    def __init__(self, wire: Wire, calls: Calls) -> None:
        self._wire = wire
        self._calls = calls

    @property
    def name(self) -> str:
        """Name of the provider."""
        return self._wire.name

    @property
    def model(self) -> str:
        """Id of the model."""
        return self._wire.model

    def ask(self, told: Prompt, shape: Shape, refused: tuple[Reply, str] | None) -> Reply:
        """The recorded reply, or the model's; see :class:`~omnilake.generation.wires.wire.Wire`.

        A call that the provider refuses (key, model, access) is recorded as one that the model refuses: the answer goes
        on without the model, and so does its replay.
        """
        own = address(self._wire, told, shape, repair=refused is not None)
        record = self._calls.known(own)
        if record is None:
            record = self._called(told, shape, refused)
            self._calls.keep(own, record)
        if record.refused:
            raise GenerationRejected(record.refused)
        return Reply(
            value=record.value,
            turn=record.turn,
            problem=record.problem,
            input_tokens=record.input_tokens,
            output_tokens=record.output_tokens,
            paid=not record.replayed,
        )

    def _called(self, told: Prompt, shape: Shape, refused: tuple[Reply, str] | None) -> Record:
        provider, model = self._wire.name, self._wire.model
        try:
            reply = self._wire.ask(told, shape, refused)
        except GenerationRejected as error:
            return Record(provider=provider, model=model, refused=error.message)
        except ProviderRejected as error:
            logger.warning("a provider refuses the call", extra={"error_code": error.code, "model": model})
            return Record(provider=provider, model=model, refused=error.message)
        return Record(
            provider=provider,
            model=model,
            value=reply.value,
            turn=reply.turn,
            problem=reply.problem,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
        )


def address(wire: Wire, told: Prompt, shape: Shape, *, repair: bool) -> str:
    """sha256, hex, of all that decides a reply."""
    content = {
        "provider": wire.name,
        "model": wire.model,
        "system": _without(told.boundary, told.system),
        "user": _without(told.boundary, told.user),
        "shape": [shape.name, shape.description, shape.schema, shape.max_tokens],
        "repair": repair,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _without(boundary: str, text: str) -> str:
    return text.replace(boundary, "") if boundary else text


def _read(job_id: str, own: str) -> Record | None:
    return aws.lake().find_model(layout.model_call(job_id, own), Record)
