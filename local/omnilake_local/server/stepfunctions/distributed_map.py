"""Distributed Map: what moto's grammar and worker lack.

moto knows no ItemBatcher, WriterConfig, ItemsPointer or JSONL, counts no failures against the tolerance, and
writes no results. The fields it does not know are taken out of the definition before it is parsed and kept
beside the parsed state. Unnecessary once moto runs Distributed Map with them. The project's own machines use
inline maps; this serves whoever builds on it.
"""

from __future__ import annotations

import copy
import csv
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.item_reader_decl import ItemReader
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (
    DistributedIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.state_map import StateMap
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError, ProgramStopped
from moto.stepfunctions.parser.asl.eval.states import ItemData, MapData

from omnilake_local.server.stepfunctions.language import state_failure

MOST_CHILDREN_AT_ONCE = 40
"""Bound on a map's child executions that run at the same time, whatever MaxConcurrency says."""

LARGEST_BATCH_BYTES = 256 * 1024
_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}
Program = Callable[[str], Any]
Json = dict[str, Any]


@dataclass
class MapFields:
    """Fields of one Map state that moto's grammar does not know."""

    jsonata: bool = False
    batcher: Json | None = None
    items_pointer: str | None = None
    json_lines: bool = False
    delimiter: str | None = None
    csv_headers: list[str] | None = None
    max_items: int | None = None
    writer: Json | None = None
    writer_config: Json = field(default_factory=dict)
    tolerates: set[str] = field(default_factory=set)


_FIELDS: ContextVar[dict[str, MapFields] | None] = ContextVar("fields of maps", default=None)


def split_definition(definition: str) -> tuple[str, dict[str, MapFields]]:
    """The definition as moto can parse it, and the fields taken out, by state name."""
    try:
        machine = json.loads(definition)
    except ValueError:
        return definition, {}  # the parser tells what is wrong with it
    found: dict[str, MapFields] = {}
    _split(machine.get("States") or {}, machine.get("QueryLanguage") == "JSONata", found)
    return (json.dumps(machine) if found else definition), found


def _split(states: Json, jsonata: bool, found: dict[str, MapFields]) -> None:
    for name, state in states.items():
        for branch in state.get("Branches", []):
            _split(branch.get("States") or {}, jsonata, found)
        processor = state.get("ItemProcessor") or state.get("Iterator")
        if not processor:
            continue
        config = processor.get("ProcessorConfig") or {}
        if config.get("Mode") == "DISTRIBUTED":
            found[name] = _take_fields(state, config, state.get("QueryLanguage", "JSONata" if jsonata else "") != "")
        _split(processor.get("States") or {}, jsonata, found)


def _take_fields(state: Json, config: Json, jsonata: bool) -> MapFields:
    fields = MapFields(jsonata=jsonata, batcher=state.pop("ItemBatcher", None))
    reader = (state.get("ItemReader") or {}).get("ReaderConfig") or {}
    fields.items_pointer = reader.pop("ItemsPointer", None)
    if reader.get("InputType") == "JSONL":
        reader["InputType"], fields.json_lines = "JSON", True
    if "CSVDelimiter" in reader:
        fields.delimiter = _DELIMITERS[reader.pop("CSVDelimiter")]
        fields.csv_headers = reader.get("CSVHeaders")
    fields.max_items = reader.get("MaxItems")
    if config.get("ExecutionType") == "EXPRESS":
        config["ExecutionType"] = "STANDARD"
    for key in list(state):
        if key.startswith("ToleratedFailure"):
            fields.tolerates.add(key.removesuffix("Path"))
    percentage = state.get("ToleratedFailurePercentage")
    if isinstance(percentage, int):
        state["ToleratedFailurePercentage"] = float(percentage)
    writer = state.pop("ResultWriter", None)
    if writer:
        fields.writer_config = writer.get("WriterConfig") or {}
        fields.writer = writer.get("Arguments") or writer.get("Parameters") or {}
    return fields


@contextmanager
def parsing(fields: dict[str, MapFields]) -> Iterator[None]:
    """Give the Map states that are parsed inside their fields."""
    token = _FIELDS.set(fields)
    try:
        yield
    finally:
        _FIELDS.reset(token)


def batches(items: list[Any], batcher: Json | None) -> list[list[Any]]:
    """Items by batch, closed by number or by size of their JSON text; one item a batch without a batcher."""
    if batcher is None:
        return [[item] for item in items]
    most = int(batcher.get("MaxItemsPerBatch") or len(items) or 1)
    largest = min(int(batcher.get("MaxInputBytesPerBatch") or LARGEST_BATCH_BYTES), LARGEST_BATCH_BYTES)
    found: list[list[Any]] = []
    size = 0
    for item in items:
        weight = len(json.dumps(item, default=str).encode()) + 1
        if not found or len(found[-1]) >= most or size + weight > largest:
            found.append([])
            size = 0
        found[-1].append(item)
        size += weight
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class MapRun:
    """One run of a Distributed Map: its children, their counts and the failure tolerance."""

    def __init__(self, component: Any, env: Environment, given: Any, parse: Program) -> None:
        self._env, self._given, self._record, self._parse = env, given, given.map_run_record, parse
        self._fields: MapFields = component.map_fields
        self._program = component._get_iteration_program()
        self._parent_input = copy.deepcopy(env.states.get_input())
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.children: list[Json] = []

    def run(self, items: Any) -> list[Any]:
        """Run every child; their outputs in order. Raises the interpreter's failure above the tolerance."""
        items = items if isinstance(items, list) else [items]
        inputs = [self._selected(index, item) for index, item in enumerate(items)]
        grouped = batches(inputs, self._fields.batcher)
        jobs = [(self._child_input(group), len(group)) for group in grouped]
        items_counter, children_counter = self._record.item_counter, self._record.execution_counter
        items_counter.total.count(len(inputs))
        children_counter.total.count(len(jobs))
        results: list[Any] = [None] * len(jobs)

        def run_child(job: tuple[int, tuple[Any, int]]) -> None:
            index, (child_input, weight) = job
            if not self._stop.is_set() and self._env.is_running():
                results[index] = self._run_child(index, child_input, weight, len(inputs))

        at_once = min(self._record.max_concurrency or MOST_CHILDREN_AT_ONCE, MOST_CHILDREN_AT_ONCE)
        with ThreadPoolExecutor(max(1, min(at_once, len(jobs)))) as pool:
            list(pool.map(run_child, enumerate(jobs)))
        self._record.children = self.children
        if self._stop.is_set():
            cause = "The specified tolerated failure threshold was exceeded"
            raise state_failure(self._env, StatesErrorNameType.StatesExceedToleratedFailureThreshold, cause)
        if self._fields.writer is not None:
            return [self._write_results()]
        return results

    def _selected(self, index: int, item: Any) -> Any:
        selector = self._given.item_selector or self._given.parameters
        if selector is None:
            return item
        frame = self._frame(self._parent_input)
        frame.states.context_object.context_object_data["Map"] = MapData(Item=ItemData(Index=index, Value=item))
        frame.stack.append(self._parent_input)
        selector.eval(frame)
        selected = frame.stack.pop()
        self._env.delete_frame(frame)
        return selected

    def _child_input(self, group: list[Any]) -> Any:
        batcher = self._fields.batcher
        if batcher is None:
            return group[0]
        extra = {"BatchInput": self._filled(batcher["BatchInput"])} if batcher.get("BatchInput") else {}
        return {**extra, "Items": group}

    def _filled(self, template: Any) -> Any:
        """A template evaluated against the map's input, by a program of a single Pass state."""
        key = "Output" if self._fields.jsonata else "Parameters"
        machine: Json = {"StartAt": "T", "States": {"T": {"Type": "Pass", key: template, "End": True}}}
        if self._fields.jsonata:
            machine["QueryLanguage"] = "JSONata"
        frame = self._frame(self._parent_input)
        self._parse(json.dumps(machine)).eval(frame)
        filled = frame.states.get_input()
        self._env.delete_frame(frame)
        return filled

    def _frame(self, value: Any) -> Environment:
        frame: Environment = self._env.open_inner_frame()
        frame.event_manager = EventManager()
        frame.states.reset(copy.deepcopy(value))
        return frame

    def _run_child(self, index: int, child_input: Any, weight: int, total: int) -> Any:
        base = self._record.map_run_arn.replace(":mapRun:", ":execution:").rsplit(":", 1)[0]
        name = str(uuid.uuid4())
        child: Json = {
            "ExecutionArn": f"{base}:{name}",
            "StateMachineArn": self._record.map_state_machine_arn,
            "Name": name,
            "StartDate": _now(),
            "Input": json.dumps(child_input, default=str),
        }
        frame = self._frame(child_input)
        context = frame.states.context_object.context_object_data
        context["Map"] = MapData(Item=ItemData(Index=index, Value=child_input))
        output = None
        try:
            self._program.eval(frame)
            end = frame.program_state()
            if isinstance(end, ProgramError):
                error = end.error or {}
                child |= {"Status": "FAILED", "Error": error.get("error"), "Cause": error.get("cause")}
            elif isinstance(end, ProgramStopped):
                child["Status"] = "ABORTED"
            else:
                output = frame.states.get_input()
                child |= {"Status": "SUCCEEDED", "Output": json.dumps(output, default=str)}
        except Exception as error:  # noqa: BLE001 - becomes the failure of this child
            child |= {"Status": "FAILED", "Error": "States.Runtime", "Cause": str(error)}
        finally:
            self._env.delete_frame(frame)
        child["StopDate"] = _now()
        self._count(child, weight, total)
        return output

    def _count(self, child: Json, weight: int, total: int) -> None:
        counter = child["Status"].lower()
        with self._lock:
            self.children.append(child)
            getattr(self._record.item_counter, counter).count(weight)
            getattr(self._record.execution_counter, counter).count(1)
            if self._intolerable(total):
                self._stop.set()

    def _intolerable(self, total: int) -> bool:
        failed = self._record.item_counter.failed.get()
        tolerates = self._fields.tolerates
        if not tolerates:
            return bool(failed > 0)
        if "ToleratedFailureCount" in tolerates and failed > (self._given.tolerated_failure_count or 0):
            return True
        percentage = float(self._given.tolerated_failure_percentage or 0)
        return bool("ToleratedFailurePercentage" in tolerates and failed * 100 > percentage * total)

    def _write_results(self) -> Json:
        target = self._filled(self._fields.writer)
        prefix = (target.get("Prefix") or "").strip("/")
        folder = f"{prefix}/" if prefix else ""
        folder += self._record.map_run_arn.rsplit(":", 1)[1]
        client = _s3_client(self._env)
        lines = self._fields.writer_config.get("OutputType") == "JSONL"
        files: dict[str, list[Json]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        for status, written in files.items():
            rows = self._rows(status)
            if rows:
                text = "\n".join(json.dumps(row) for row in rows) if lines else json.dumps(rows)
                key = f"{folder}/{status}_0.{'jsonl' if lines else 'json'}"
                client.put_object(Bucket=target["Bucket"], Key=key, Body=text.encode())
                written.append({"Key": key, "Size": len(text.encode())})
        arn = self._record.map_run_arn
        manifest = {"DestinationBucket": target["Bucket"], "MapRunArn": arn, "ResultFiles": files}
        key = f"{folder}/manifest.json"
        client.put_object(Bucket=target["Bucket"], Key=key, Body=json.dumps(manifest).encode())
        return {"MapRunArn": arn, "ResultWriterDetails": {"Bucket": target["Bucket"], "Key": key}}

    def _rows(self, status: str) -> list[Any]:
        rows = [child for child in self.children if child["Status"] == status]
        transformation = self._fields.writer_config.get("Transformation", "NONE")
        if status != "SUCCEEDED" or transformation == "NONE":
            return rows
        outputs = [json.loads(row["Output"]) for row in rows]
        if transformation == "COMPACT":
            return outputs
        return [item for output in outputs for item in (output if isinstance(output, list) else [output])]


def _s3_client(env: Environment) -> Any:
    from moto.stepfunctions.parser.asl.utils.boto_client import boto_client_for

    return boto_client_for(region=env.aws_execution_details.region, service="s3")


def read_items(body: bytes, fields: MapFields) -> Any:
    """Items of a JSON, JSON lines or CSV object, after ItemsPointer and MaxItems."""
    if fields.delimiter:
        rows = [row for row in csv.reader(body.decode().splitlines(), delimiter=fields.delimiter) if row]
        headers = fields.csv_headers or rows.pop(0)
        return [dict(zip(headers, row, strict=False)) for row in rows][: fields.max_items]
    if fields.json_lines:
        return [json.loads(line) for line in body.splitlines() if line.strip()][: fields.max_items]
    value = json.loads(body)
    for part in (fields.items_pointer or "").strip("/").split("/"):
        if part:
            value = value[int(part)] if isinstance(value, list) else value[part]
    return value[: fields.max_items] if isinstance(value, list) else value


def install(parse: Program) -> None:
    """Replace moto's reading, running and writing; ``parse`` makes a program of a definition."""
    from_props_upstream, read_upstream = StateMap.from_state_props, ItemReader._eval_body

    def from_state_props(self: StateMap, state_props: Any) -> None:
        from_props_upstream(self, state_props)
        fields = (_FIELDS.get() or {}).get(self.name)
        if fields is not None:
            self.iteration_component.map_fields = fields
            if self.item_reader is not None:
                self.item_reader.map_fields = fields

    def read(self: ItemReader, env: Environment) -> None:
        fields: MapFields | None = getattr(self, "map_fields", None)
        if fields is None or not (fields.items_pointer or fields.json_lines or fields.delimiter):
            read_upstream(self, env)
            return
        try:
            self.parargs.eval(env=env)
            place = env.stack.pop()
            body = _s3_client(env).get_object(Bucket=place["Bucket"], Key=place["Key"])["Body"].read()
            env.stack.append(read_items(body, fields))
        except FailureEventException:
            raise
        except Exception as error:
            raise state_failure(env, StatesErrorNameType.StatesItemReaderFailed, str(error)) from error

    def map_run(self: DistributedIterationComponent, env: Environment, eval_input: Any) -> None:
        run = MapRun(self, env, eval_input, parse)
        outputs = run.run(env.stack.pop())
        env.stack.append(outputs[0] if run._fields.writer is not None else outputs)

    StateMap.from_state_props = from_state_props
    ItemReader._eval_body = read
    DistributedIterationComponent._map_run = map_run
