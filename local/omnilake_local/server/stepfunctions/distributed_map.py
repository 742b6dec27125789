"""Distributed Map: what moto's grammar and worker lack.

moto knows no ItemBatcher, WriterConfig, ItemsPointer or JSONL, counts no failures against the tolerance, and
writes no results. The fields it does not know are taken out of the definition before it is parsed and kept
beside the parsed state. Unnecessary once moto runs Distributed Map with them, and children as executions.
"""

from __future__ import annotations

import copy
import csv
import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.stepfunctions.parser.api import MapRunStatus
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
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError
from moto.stepfunctions.parser.asl.eval.states import ItemData, MapData

from omnilake_local.server.stepfunctions.language import state_failure
from omnilake_local.server.stepfunctions.progress import (
    Progress,
    announce_redriven_map_run,
    evaluate,
    progress_of,
)

MOST_CHILDREN_AT_ONCE = 40
"""Bound on a map's child executions that run at the same time, whatever MaxConcurrency says."""

LARGEST_BATCH_BYTES = 256 * 1024
_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}
_LOOK_EVERY_SECONDS = 0.2
"""A map looks so often whether its execution still runs."""

_LONGEST_FAREWELL_SECONDS = 2.0
"""So long a stopped map waits for children that are in the middle of a call."""

Program = Callable[[str], Any]
Json = dict[str, Any]
Report = Callable[[Json, str], None]
"""Told of each child execution that begins or ends, and of the ARN of its Map Run."""


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

    def __init__(self, component: Any, env: Environment, given: Any, parse: Program, report: Report) -> None:
        self._env, self._given, self._record, self._parse = env, given, given.map_run_record, parse
        self._fields: MapFields = component.map_fields
        self._program = component._get_iteration_program()
        self._parent_input = copy.deepcopy(env.states.get_input())
        self._report = report
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._running: dict[int, tuple[Environment, int]] = {}
        self._batch_input: Json = {}
        self._grouped: list[list[Any]] = []

    def run(self, items: Any) -> list[Any]:
        """Run every child that has not succeeded before; all outputs in order.

        Raises the interpreter's failure above the tolerance. Returns early, with what there is, when the execution is
        stopped.
        """
        items = items if isinstance(items, list) else [items]
        inputs = [self._selected(index, item) for index, item in enumerate(items)]
        batcher = self._fields.batcher or {}
        self._grouped = grouped = batches(inputs, self._fields.batcher)
        self._batch_input = {"BatchInput": self._filled(batcher["BatchInput"])} if batcher.get("BatchInput") else {}
        progress = progress_of(self._env)
        progress.map_run = {
            "arn": self._record.map_run_arn,
            "stateMachineArn": self._record.map_state_machine_arn,
            "startDate": self._record.start_date.isoformat(),
            "redriveCount": self._record.redrive_count,
        }
        progress.part_count, self._parts = len(grouped), progress.parts
        self._total = len(inputs)
        waiting = deque(index for index in range(len(grouped)) if not self._succeeded_before(index))
        for index, group in enumerate(grouped):
            self._count("total", len(group))
            self._count("pending" if not self._succeeded_before(index) else "succeeded", len(group))

        def work() -> None:
            while self._env.is_running() and not self._stop.is_set():
                try:
                    index = waiting.popleft()
                except IndexError:
                    return
                self._run_child(index, grouped[index])

        at_once = min(self._record.max_concurrency or MOST_CHILDREN_AT_ONCE, MOST_CHILDREN_AT_ONCE, len(waiting))
        workers = [threading.Thread(target=work, daemon=True, name="map-child") for _ in range(at_once)]
        for worker in workers:
            worker.start()
        for worker in workers:
            while worker.is_alive() and self._env.is_running() and not self._stop.is_set():
                worker.join(_LOOK_EVERY_SECONDS)
        if self._stop.is_set() or not self._env.is_running():
            self._abort_running(workers)
        if self._stop.is_set():
            cause = "The specified tolerated failure threshold was exceeded"
            raise state_failure(self._env, StatesErrorNameType.StatesExceedToleratedFailureThreshold, cause)
        if self._fields.writer is not None and self._env.is_running():
            return [self._write_results()]
        return [part.output if (part := self._parts.get(index)) else None for index in range(len(grouped))]

    def _succeeded_before(self, index: int) -> bool:
        part = self._parts.get(index)
        return part is not None and part.finished

    def _abort_running(self, workers: list[threading.Thread]) -> None:
        """Stop the children that still run. What they wait for in vain may end later; it is not heard any more."""
        with self._lock:
            running = list(self._running.items())
            self._running.clear()
        for index, (frame, weight) in running:
            frame.set_stop(stop_date=datetime.now(UTC), cause=None, error=None)
            self._end_child(index, weight, {"Status": "ABORTED"})
        deadline = time.monotonic() + _LONGEST_FAREWELL_SECONDS
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))

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
        return group[0] if self._fields.batcher is None else {**self._batch_input, "Items": group}

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

    def _run_child(self, index: int, group: list[Any]) -> None:
        child_input, weight = self._child_input(group), len(group)
        part = self._parts.setdefault(index, Progress())
        child = part.child = self._begin_child(part.child, child_input)
        frame = self._frame(child_input)
        frame.states.context_object.context_object_data.update(self._context(child, child_input))
        with self._lock:
            self._running[index] = frame, weight
        self._count("pending", -weight)
        self._count("running", weight)
        self._report({**child, "Input": json.dumps(child_input, default=str)}, self._record.map_run_arn)
        end: Json = {"Status": "ABORTED"}
        try:
            evaluate(self._program, frame, part)
            state = frame.program_state()
            if part.finished:
                end = {"Status": "SUCCEEDED"}
            elif isinstance(state, ProgramError):
                error = state.error or {}
                end = {"Status": "FAILED", "Error": error.get("error"), "Cause": error.get("cause")}
        except Exception as error:  # noqa: BLE001 - becomes the failure of this child
            end = {"Status": "FAILED", "Error": "States.Runtime", "Cause": str(error)}
        finally:
            self._env.delete_frame(frame)
        with self._lock:
            if self._running.pop(index, None) is None:
                return  # aborted meanwhile
        self._end_child(index, weight, end)

    def _begin_child(self, earlier: Json | None, child_input: Any) -> Json:
        """A child execution that begins, or one that is continued under its old name."""
        if earlier is not None:
            redriven = {"RedriveCount": earlier.get("RedriveCount", 0) + 1, "RedriveDate": _now()}
            kept = {key: earlier[key] for key in ("ExecutionArn", "StateMachineArn", "Name", "StartDate")}
            return {**kept, **redriven, "Status": "RUNNING"}
        base = self._record.map_run_arn.replace(":mapRun:", ":execution:").rsplit(":", 1)[0]
        name = str(uuid.uuid4())
        return {
            "ExecutionArn": f"{base}:{name}",
            "StateMachineArn": self._record.map_state_machine_arn,
            "Name": name,
            "StartDate": _now(),
            "Status": "RUNNING",
        }

    def _context(self, child: Json, child_input: Any) -> Json:
        """What a child's context object says of its execution and state machine: they are its own."""
        parent = self._env.states.context_object.context_object_data["Execution"]
        execution = {
            "Id": child["ExecutionArn"],
            "Input": child_input,
            "Name": child["Name"],
            "RoleArn": parent["RoleArn"],
            "StartTime": child["StartDate"],
            "RedriveCount": child.get("RedriveCount", 0),
        }
        if "RedriveDate" in child:
            execution["RedriveTime"] = child["RedriveDate"]
        arn = child["StateMachineArn"]
        return {"Execution": execution, "StateMachine": {"Id": arn, "Name": arn.rsplit(":", 1)[1]}}

    def _end_child(self, index: int, weight: int, end: Json) -> None:
        part = self._parts[index]
        child = part.child = {**(part.child or {}), **end, "StopDate": _now()}
        self._count("running", -weight)
        self._count(child["Status"].lower(), weight)
        output = {"Output": json.dumps(part.output, default=str)} if part.finished else {}
        self._report({**child, **output}, self._record.map_run_arn)
        if self._intolerable():
            self._stop.set()

    def _count(self, counter: str, weight: int) -> None:
        getattr(self._record.item_counter, counter).offset(weight)
        getattr(self._record.execution_counter, counter).offset(1 if weight > 0 else -1)

    def _intolerable(self) -> bool:
        failed = self._record.item_counter.failed.get()
        tolerates = self._fields.tolerates
        if not tolerates:
            return bool(failed > 0)
        if "ToleratedFailureCount" in tolerates and failed > (self._given.tolerated_failure_count or 0):
            return True
        percentage = float(self._given.tolerated_failure_percentage or 0)
        return bool("ToleratedFailurePercentage" in tolerates and failed * 100 > percentage * self._total)

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
        rows = [
            {
                **part.child,
                "Input": json.dumps(self._child_input(self._grouped[index]), default=str),
                **({"Output": json.dumps(part.output, default=str)} if part.finished else {}),
            }
            for index, part in sorted(self._parts.items())
            if part.child and part.child["Status"] == status
        ]
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


def install(parse: Program, report: Report) -> None:
    """Replace moto's reading, running and writing; ``parse`` makes a program of a definition."""
    from_props_upstream, read_upstream = StateMap.from_state_props, ItemReader._eval_body
    evaluate_upstream = DistributedIterationComponent._eval_body

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

    def evaluate_map(self: DistributedIterationComponent, env: Environment) -> None:
        record = env.stack[-1].map_run_record
        record.redrive_count, record.redrive_date = 0, None
        progress = progress_of(env)
        progress.begin_parts(0)
        if progress.map_run is not None:
            _continue_map_run(env, record, progress.map_run)
        try:
            evaluate_upstream(self, env)
        finally:
            if not env.is_running():
                record.set_stop(MapRunStatus.ABORTED)

    def map_run(self: DistributedIterationComponent, env: Environment, eval_input: Any) -> None:
        run = MapRun(self, env, eval_input, parse, report)
        outputs = run.run(env.stack.pop())
        env.stack.append(outputs[0] if run._fields.writer is not None and outputs else outputs)

    StateMap.from_state_props = from_state_props
    ItemReader._eval_body = read
    DistributedIterationComponent._eval_body = evaluate_map
    DistributedIterationComponent._map_run = map_run


def _continue_map_run(env: Environment, record: Any, earlier: Json) -> None:
    """Let a redriven state go on with the Map Run that it had made, instead of a new one."""
    runs = env.map_run_record_pool_manager
    runs._pool.pop(record.map_run_arn, None)
    record.map_run_arn, record.map_state_machine_arn = earlier["arn"], earlier["stateMachineArn"]
    record.start_date = datetime.fromisoformat(earlier["startDate"])
    record.redrive_count, record.redrive_date = earlier["redriveCount"] + 1, datetime.now(UTC)
    runs.add(record)
    announce_redriven_map_run(env, record.map_run_arn, record.redrive_count)
