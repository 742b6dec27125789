"""Section compaction: the map-reduce of evidence against the shortest it could take, with a model that takes its time.

Evidence of 100, 1,000 and 10,000 chunks goes through the deployed Plan Answer, ``compact_evidence`` and Compose Answer
of an embedded cloud whose functions run in as many processes as the map's model has concurrency. Chunks are cut of the
corpora in the data (BEIR's ``corpus.jsonl``; pages of botocore's service models where there is none), handed over as
Fuse Evidence leaves them. The models are those of the profile ``bedrock`` with their contexts, quotas, speeds and
prices, spoken to by chat completions: a local endpoint answers after first token + tokens / speed (``latency_model``).

critical_path_ratio   seconds of the longest chain of calls that waited for one another, over the bound. The time
                      between calls, which is this machine's, does not count. The bound in calls: one where one context
                      holds everything; else waves of the map ⌈W / (B·K)⌉, one for each level of merges without which
                      the claims do not fit, and the composing call. W: tokens of the evidence. B: context less prompt
                      less output, nine tenths of it (tokenizers differ). K: calls at a time. In seconds: these waves
                      at the mean of the calls before the last, and the last one.
token_ratio           tokens that models read over the least: each chunk once, the claims that the merges read, and the
                      prompt of each call, of as many calls as the bound needs: ⌈W / b⌉ with b = clamp(W / K, T, B)
bare_token_ratio      the same over a least without what delimits passages and lists their labels
repeat_calls          calls of the same request once more
changed_calls         calls when one document has another word; ``nodes_above`` it: its group, merges, the answer
grown_calls           calls when one document is longer by a sentence
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import report
from benchmarks.cloud import bench_cloud
from benchmarks.latency_model import Call, LatencyModel, Speed, critical_path_s, most_at_a_time, serving

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.answers import Run
    from omnilake.answering.parts import AnswerPlan, ComposedClaims
    from omnilake.client.deployment import Deployment
    from omnilake.compaction.nodes import CompactedClaims
    from omnilake.configuration import AnsweringConfiguration, ModelConfig
    from omnilake.models import Claim, Evidence

SIZES = (100, 1_000, 10_000)
CHUNK_CHARACTERS = 1_400  # about 200 tokens: MiniLM's 254 are the most of a default archive's chunks
RECORDS = 4  # of a corpus that make one document
PROFILE = "bedrock"
AIMS = {"critical_path_ratio": 1.2, "token_ratio": 1.1}


class Answered(NamedTuple):
    """One answer: what was planned and composed, the claims of each group of the map, and the calls that it took."""

    plan: AnswerPlan
    compacted: CompactedClaims | None
    composed: ComposedClaims
    mapped: list[list[Claim]]
    calls: list[Call]
    seconds: float


def measure(run: Run) -> dict[str, Any]:
    """Figures of each size."""
    run.use_layers()
    figures: dict[str, Any] = {}
    with cloud(run) as deployment, answering() as (model, configuration):
        asking = Asking(deployment, model, configuration)
        asking.ask("warm", evidence(run, SIZES[1])[: SIZES[0] * 4])  # starts the functions' processes
        for size in SIZES:
            if run.queries and size > run.queries * 100:
                continue
            figures[str(size)] = _measured(run, asking, size)
    return {"compaction": figures}


def _measured(run: Run, asking: Asking, size: int) -> dict[str, Any]:
    found = evidence(run, size)
    name = f"n{size}"
    first = asking.ask(name, found)
    run.say(f"{size} chunks: {len(first.calls)} calls in {first.seconds:.0f} s")
    again = asking.ask(name, found)
    place = quoted(found, first)
    changed = asking.ask(name, edited(found, place, grown=False))
    grown = asking.ask(name, edited(found, place, grown=True))
    configuration = asking.configuration
    least = bound(found, first, configuration, asking.question(name))
    path = critical_path_s(first.calls)
    *others, last = sorted(first.calls, key=lambda each: each.end)
    unit = statistics.mean(each.seconds for each in others) if others else last.seconds
    shortest_s = (least.waves - 1) * unit + last.seconds
    read = sum(each.input_tokens for each in first.calls)
    failed = first.composed.coverage
    figures: dict[str, Any] = {
        "critical_path_ratio": path / shortest_s,
        "token_ratio": read / least.tokens,
        "bare_token_ratio": read / least.bare_tokens,
        "repeat_calls": len(again.calls),
        "changed_calls": len(changed.calls),
        "grown_calls": len(grown.calls),
        "nodes_above": 1 + (first.compacted.rounds if first.compacted else 0),
        "critical_path_calls": (path - last.seconds) / unit + 1,
        "bound_calls": least.waves,
        "calls": len(first.calls),
        "least_calls": least.calls,
        "groups": failed.groups,
        "groups_failed": failed.groups_failed,
        "degraded": len(failed.degraded),
        "most_at_a_time": most_at_a_time(first.calls),
        "concurrency": first.plan.concurrency,
        "read_tokens": read,
        "least_tokens": least.tokens,
        "evidence_tokens": sum(first.plan.tokens),
        "largest_call_tokens": max(each.input_tokens + each.output_tokens for each in first.calls),
        "critical_path_s": path,
        "bound_s": shortest_s,
        "wall_s": first.seconds,
        "runs_on": "deployed functions and compact_evidence in the embedded cloud",
    }
    told = {
        **{f"{key} (aim: at most {AIMS[key]})" if key in AIMS else key: value for key, value in figures.items()},
        "compared with": "the bound and the least tokens of a one-wave map-reduce (see the module)",
        "models": ", ".join(sorted({each.model for each in first.calls})),
    }
    report.table(f"Compaction of {size:,} chunks, latency-model LLM", told)
    return figures


# --- the least ----------------------------------------------------------------------------------------------------


class Least(NamedTuple):
    """Waves of calls on the shortest critical path, and the calls and tokens that it takes at least."""

    waves: int
    calls: int
    tokens: int
    bare_tokens: int


def bound(found: Sequence[Evidence], answered: Answered, configuration: AnsweringConfiguration, question: str) -> Least:
    """The least that the evidence takes: see the module."""
    from omnilake import tokens
    from omnilake.configuration import Step
    from omnilake.generation import Task, prompts

    task = Task(question=question)
    prompt = {step: prompts.overhead(step, configuration, task) for step in (Step.MAP, Step.COMPOSE)}
    bare = [tokens.count(f"{each.chunk.title}\n{each.chunk.text}") for each in found]
    shown = [size + tokens.count(_delimiters(number)) for number, size in enumerate(bare, start=1)]
    reader, composer = (configuration.models[configuration.steps[step]] for step in (Step.MAP, Step.COMPOSE))
    if sum(shown) <= room(composer, prompt[Step.COMPOSE]):
        once = prompt[Step.COMPOSE]
        return Least(1, 1, sum(shown) + once, sum(bare) + once)
    claims = [claim for node in answered.mapped for claim in node]
    each = sum(tokens.count(prompts.claim_shown(claim)) for claim in claims)
    delimited = each + len(claims) * tokens.count(_delimiters(1))
    own_room = room(reader, prompt[Step.MAP])
    node = delimited / max(len(answered.mapped), 1)
    waves, calls, merged = shortest(
        sum(shown), max(shown), own_room, reader.concurrency, node, room(composer, prompt[Step.COMPOSE])
    )
    merges = int(delimited + merged * node)
    told = (calls - 1) * prompt[Step.MAP] + prompt[Step.COMPOSE]
    return Least(waves, calls, sum(shown) + merges + told, sum(bare) + merges + told)


def shortest(
    evidence_tokens: int, chunk_tokens: int, room_tokens: int, at_a_time: int, node_tokens: float, last_room: int
) -> tuple[int, int, int]:
    """Waves and calls of the shortest map-reduce: map, merges as far as the last call can't hold the claims, that call;
    and how many of the calls merge.

    Args:
        evidence_tokens: W.
        chunk_tokens: T, of the largest chunk.
        room_tokens: B of the map and the merges.
        at_a_time: K.
        node_tokens: of what one call writes, as the next one reads it.
        last_room: B of the last call.
    """
    size = min(max(evidence_tokens / at_a_time, chunk_tokens), room_tokens)
    nodes = math.ceil(evidence_tokens / size)
    waves, calls, merging = math.ceil(nodes / at_a_time), nodes, 0
    while nodes * node_tokens > last_room and nodes > 1:
        nodes = math.ceil(nodes * node_tokens / room_tokens)
        waves, calls, merging = waves + math.ceil(nodes / at_a_time), calls + nodes, merging + nodes
    return waves + 1, calls + 1, merging


def room(model: ModelConfig, prompt_tokens: int) -> int:
    """B: tokens of evidence that one call of a model reads at most, as plans have it."""
    from omnilake.compaction import capacity

    return capacity.evidence_capacity(model, prompt_tokens)


def _delimiters(number: int) -> str:
    """What stands around a passage in a prompt."""
    from omnilake.generation import prompts

    text, _ = prompts.marked([""])
    return text.replace("p1", f"p{number}") + "\n\n"


# --- evidence -----------------------------------------------------------------------------------------------------


def evidence(run: Run, size: int) -> list[Evidence]:
    """So many chunks of the corpora, best first; of copies of them where they have too few."""
    from benchmarks.ingest import documents
    from omnilake.models import Chunk, Evidence, Scores

    folders: list[Path | None] = [path.parent for path in sorted(run.data.glob("*/corpus.jsonl"))]
    records = [record for folder in folders or [None] for record in documents(folder, size) if record["text"].strip()]
    texts = ["\n\n".join(record["text"] for record in some) for some in _batched(records, RECORDS)]
    found: list[Evidence] = []
    for number, text in enumerate(cycle(texts)):
        entry_id = f"entry-{number}"
        for ordinal, (start, end) in enumerate(cut(text, CHUNK_CHARACTERS)):
            if len(found) == size:
                return found
            chunk = Chunk(
                chunk_id=f"{entry_id}-{ordinal}",
                entry_id=entry_id,
                version="v1",
                ordinal=ordinal,
                start=start,
                end=end,
                tokens=0,
                text=text[start:end],
                title=f"Reports {number}",
            )
            found.append(Evidence(chunk=chunk, scores=Scores(fused=1 - len(found) / size)))
    return found


def _batched(records: Sequence[dict[str, Any]], count: int) -> Iterator[list[dict[str, Any]]]:
    rest = iter(records)
    while some := list(islice(rest, count)):
        yield some


def cut(text: str, most: int) -> list[tuple[int, int]]:
    """Spans of one size, at most so many characters, that end between words where they can."""
    pieces = math.ceil(len(text) / most)
    each = math.ceil(len(text) / pieces)
    spans, start = [], 0
    while start < len(text):
        end = min(start + each, len(text))
        if end < len(text):
            space = text.rfind(" ", start + each // 2, end)
            end = space + 1 if space >= 0 else end
        spans.append((start, end))
        start = end
    return [(start, end) for start, end in spans if text[start:end].strip()]


def quoted(found: Sequence[Evidence], answered: Answered) -> int:
    """Place of a chunk that is quoted: a change of it changes claims."""
    claims = answered.compacted.claims if answered.compacted else answered.composed.claims
    [chunk_id] = {quote.chunk_id for quote in claims[len(claims) // 2].quotes}
    return [each.chunk.chunk_id for each in found].index(chunk_id)


def edited(found: Sequence[Evidence], place: int, *, grown: bool) -> list[Evidence]:
    """The evidence after one document has changed: another word in a chunk's first line, or a sentence before it."""
    one = found[place]
    text = one.chunk.text
    text = f"The committee adds that these results still hold. {text}" if grown else f"Earlier {text.partition(' ')[2]}"
    chunk = one.chunk.model_copy(update={"text": text, "version": "v2", "end": one.chunk.start + len(text)})
    return [*found[:place], one.model_copy(update={"chunk": chunk}), *found[place + 1 :]]


# --- the deployed workflow ----------------------------------------------------------------------------------------


@contextmanager
def cloud(run: Run) -> Iterator[Deployment]:
    """An embedded cloud of its own: a function runs in as many processes as a model has calls at a time."""
    from omnilake.client.deployment import Deployment
    from omnilake.configuration import product

    workers = max(each.concurrency for each in product(PROFILE).models.values())
    with bench_cloud(workers, "bench-compaction", run.console):
        deployment = Deployment()
        for function in ("PlanAnswerFunction", "PlanRoundFunction"):  # samconfig.toml lets two groups run at a time
            _set(physical(deployment, function), "OMNILAKE_MAP_CONCURRENCY", str(workers))
        yield deployment


def physical(deployment: Deployment, logical_id: str) -> str:
    """Name of a function of the stack."""
    from omnilake import aws

    resource = {"StackName": deployment.stack_name, "LogicalResourceId": logical_id}
    found = aws.client("cloudformation").describe_stack_resource(**resource)
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def _set(function: str, name: str, value: str) -> None:
    from omnilake import aws

    usual = aws.client("lambda").get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    aws.client("lambda").update_function_configuration(
        FunctionName=function, Environment={"Variables": usual | {name: value}}
    )


@contextmanager
def answering() -> Iterator[tuple[LatencyModel, AnsweringConfiguration]]:
    """The profile's models behind a local endpoint, and a configuration that names it."""
    from omnilake.configuration import product

    configured = product(PROFILE)
    used = {name: model for name, model in configured.models.items() if model.provider == "bedrock"}
    speeds = {model.model: Speed(model.first_token_s, model.output_tokens_per_s) for model in used.values()}
    with serving(speeds) as server:
        told = {
            name: model.model_copy(update={"provider": "openai", "endpoint": server.url, "timeout_s": 120.0})
            for name, model in used.items()
        }
        yield server, configured.model_copy(update={"models": {**configured.models, **told}})


class Asking:
    """Requests to the deployed functions, from Plan Answer on.

    Args:
        deployment: the stack.
        model: that answers.
        configuration: that names it.
    """

    def __init__(self, deployment: Deployment, model: LatencyModel, configuration: AnsweringConfiguration) -> None:
        self.configuration = configuration
        self._deployment = deployment
        self._model = model
        self._nonce = f"{time.time_ns():x}"  # nothing of an earlier run is remembered
        self._asked = 0

    def question(self, name: str) -> str:
        """What is asked under a name: the same question is remembered."""
        return f"What was found, and under which conditions? ({name} {self._nonce})"

    def ask(self, name: str, found: Sequence[Evidence]) -> Answered:
        """One answer from this evidence."""
        from omnilake import aws, layout
        from omnilake.answering.parts import (
            ANSWER_PLAN,
            COMPOSED,
            CONFIGURATION,
            FUSED,
            AnswerPath,
            AnswerPlan,
            ComposedClaims,
            FusedEvidence,
        )
        from omnilake.compaction.nodes import CompactedClaims, CompactionNode, RoundPlan
        from omnilake.compaction.stages import CLAIMS
        from omnilake.models import Coverage, InformationRequest

        self._asked += 1
        job_id = f"bench-{self._nonce}-{self._asked}"
        request = InformationRequest(archives=["bench"], question=self.question(name), evidence_limit=10_000)
        coverage = Coverage(chunks_matched=len(found), chunks_read=len(found))
        fused = FusedEvidence(evidence=list(found), nearest=[], reasons=[], tokens=0, coverage=coverage)
        lake = aws.ObjectStore(self._deployment.outputs["LakeBucket"])
        lake.write_model(layout.request(job_id), request)
        lake.write_model(layout.answer_part(job_id, CONFIGURATION), self.configuration)
        lake.write_model(layout.answer_part(job_id, FUSED), fused)
        first, began = len(self._model.calls), time.monotonic()
        path = self._invoke("PlanAnswerFunction", {"job_id": job_id})["path"]
        compacts = path == AnswerPath.COMPACT
        if compacts:
            self._compact(job_id)
        self._invoke("ComposeAnswerFunction", {"job_id": job_id})
        seconds = time.monotonic() - began

        def part(named: str) -> str:
            return layout.answer_part(job_id, named)

        groups = len(lake.read_model(part("compaction/1/plan"), RoundPlan).groups) if compacts else 0
        return Answered(
            mapped=[
                lake.read_model(layout.compaction_node(job_id, 1, number + 1), CompactionNode).claims
                for number in range(groups)
            ],
            plan=lake.read_model(part(ANSWER_PLAN), AnswerPlan),
            compacted=lake.read_model(part(CLAIMS), CompactedClaims) if compacts else None,
            composed=lake.read_model(part(COMPOSED), ComposedClaims),
            calls=self._model.calls[first:],
            seconds=seconds,
        )

    def _invoke(self, logical_id: str, event: Mapping[str, Any]) -> dict[str, Any]:
        from omnilake import aws

        answer = aws.client("lambda").invoke(
            FunctionName=physical(self._deployment, logical_id), Payload=json.dumps(event).encode()
        )
        told: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise SystemExit(f"{logical_id}: {told}")
        return told

    def _compact(self, job_id: str) -> None:
        from omnilake import aws

        states = aws.client("stepfunctions")
        arn = states.start_execution(
            stateMachineArn=self._deployment.outputs["CompactEvidenceMachine"],
            name=job_id,
            input=json.dumps({"job_id": job_id}),
        )["executionArn"]
        while (ended := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            time.sleep(0.5)
        if ended["status"] != "SUCCEEDED":
            raise SystemExit(f"{job_id}: {ended['status']} {ended.get('cause', '')}")
