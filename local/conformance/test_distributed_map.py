"""Step Functions: Distributed Map, its Map Runs and its child executions.

https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

from __future__ import annotations

import json
from typing import Any

from asl import State, invoke, machine, single
from conformance_cloud import Cloud, unique, wait_for


def processor(**states: State) -> State:
    """An ItemProcessor that begins with the first of the states."""
    return {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": next(iter(states)),
        "States": states,
    }


def lines(cloud: Cloud, items: list[Any]) -> State:
    """An ItemReader of a JSON lines object that holds the items."""
    key = unique("lines/")
    cloud.s3.put_object(Bucket=cloud["Bucket"], Key=key, Body="\n".join(map(json.dumps, items)).encode())
    return {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL"},
        "Arguments": {"Bucket": cloud["Bucket"], "Key": key},
    }


def run_of(cloud: Cloud, execution: str) -> dict[str, Any]:
    """The description of an execution's only Map Run."""
    runs = wait_for(lambda: cloud.states.list_map_runs(executionArn=execution)["mapRuns"])
    assert len(runs) == 1
    return dict(cloud.states.describe_map_run(mapRunArn=runs[0]["mapRunArn"]))


def children(cloud: Cloud, map_run: str, **options: Any) -> list[dict[str, Any]]:
    """Child executions of a Map Run."""
    pages = cloud.states.get_paginator("list_executions").paginate(mapRunArn=map_run, **options)
    return [execution for page in pages for execution in page["executions"]]


def counts(run: dict[str, Any]) -> dict[str, int]:
    """Counts of a Map Run's child executions that are not zero."""
    return {name: number for name, number in run["executionCounts"].items() if number}


class TestDistributedMap:
    @staticmethod
    def over(task: State, items: Any, **more: Any) -> State:
        work = processor(Work={**task, "End": True})
        return single({"Type": "Map", "Items": items, "ItemProcessor": work, **more})

    def test_batches_items(self, cloud: Cloud) -> None:
        batcher = {"MaxItemsPerBatch": 10, "BatchInput": {"run": "{% $states.input.run %}"}}
        items = "{% [1..25].{'n': $} %}"
        definition = self.over(invoke(cloud["SumBatch"], "{% $states.input %}"), items, ItemBatcher=batcher)
        output = cloud.output_of(definition, {"run": "r"})
        assert [batch["count"] for batch in output] == [10, 10, 5]
        assert sum(batch["sum"] for batch in output) == 325
        assert output[0]["batch_input"] == {"run": "r"}

    def test_tolerates_failures_up_to_the_threshold(self, cloud: Cloud) -> None:
        batcher = {"MaxItemsPerBatch": 1}
        items = "{% [-1..8].{'n': $} %}"
        work = invoke(cloud["SumBatch"], "{% $states.input %}")
        tolerant = self.over(work, items, ItemBatcher=batcher, ToleratedFailurePercentage=20)
        assert cloud.execute(tolerant)["status"] == "SUCCEEDED"
        strict = self.over(work, items, ItemBatcher=batcher, ToleratedFailurePercentage=5)
        assert cloud.execute(strict)["error"] == "States.ExceedToleratedFailureThreshold"

    def test_reads_json_lines_and_writes_results(self, cloud: Cloud) -> None:
        prefix = unique("results/")
        each = {
            "Type": "Map",
            "ItemReader": lines(cloud, [{"n": n} for n in range(4)]),
            "ItemProcessor": processor(Square={**invoke(cloud["Square"], "{% $states.input %}"), "End": True}),
            "ResultWriter": {
                "Resource": "arn:aws:states:::s3:putObject",
                "Arguments": {"Bucket": cloud["Bucket"], "Prefix": prefix},
            },
        }
        output = cloud.output_of(single(each))
        details = output["ResultWriterDetails"]
        manifest = json.loads(cloud.s3.get_object(Bucket=details["Bucket"], Key=details["Key"])["Body"].read())
        succeeded = manifest["ResultFiles"]["SUCCEEDED"][0]["Key"]
        rows = json.loads(cloud.s3.get_object(Bucket=cloud["Bucket"], Key=succeeded)["Body"].read())
        assert sorted(json.loads(row["Output"])["square"] for row in rows) == [0, 1, 4, 9]
        run = cloud.states.describe_map_run(mapRunArn=output["MapRunArn"])
        assert (run["status"], run["itemCounts"]["succeeded"]) == ("SUCCEEDED", 4)

    def test_runs_a_child_for_each_of_thousands_of_lines(self, cloud: Cloud) -> None:
        count = 2500
        each = {
            "Type": "Map",
            "ItemReader": lines(cloud, [{"n": n, "text": "x" * 200} for n in range(count)]),
            "ItemSelector": {"n": "{% $states.context.Map.Item.Value.n * 2 %}"},
            "ItemProcessor": processor(Give={"Type": "Pass", "Output": "{% $states.input.n %}", "End": True}),
            "MaxConcurrency": 10,
        }
        execution = cloud.execute(single(each), seconds=120)
        assert execution["output"] == [2 * n for n in range(count)]
        run = run_of(cloud, execution["executionArn"])
        assert counts(run) == {"succeeded": count, "total": count}
        assert run["itemCounts"]["succeeded"] == count
        assert len(children(cloud, run["mapRunArn"])) == count

    def test_child_sees_its_own_execution_in_the_context_object(self, cloud: Cloud) -> None:
        """https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html"""
        give = {"Type": "Pass", "Output": "{% $states.context.Execution %}", "End": True}
        end = cloud.execute(self.over(give, [{"n": 1}]))
        (context,) = end["output"]
        (child,) = children(cloud, run_of(cloud, end["executionArn"])["mapRunArn"])
        assert (context["Id"], context["Name"]) == (child["executionArn"], child["name"])
        assert context["Id"] != end["executionArn"]
        assert (context["Input"], context["RedriveCount"]) == ({"n": 1}, 0)
        described = cloud.states.describe_execution(executionArn=child["executionArn"])
        assert json.loads(described["input"]) == {"n": 1}
        assert described["mapRunArn"].startswith("arn:aws:states:us-east-1:000000000000:mapRun:")

    def test_failing_share_above_the_tolerance_aborts_what_still_runs(self, cloud: Cloud) -> None:
        """https://docs.aws.amazon.com/step-functions/latest/dg/maprun-fail-threshold.html"""
        work = processor(
            Which={
                "Type": "Choice",
                "Choices": [{"Condition": "{% $states.input = 0 %}", "Next": "Break"}],
                "Default": "Hold",
            },
            Break={"Type": "Fail", "Error": "Item.Bad"},
            Hold={"Type": "Wait", "Seconds": 60, "End": True},
        )
        items = {"Type": "Map", "Items": [1, 2, 0, 3, 4], "ItemProcessor": work, "MaxConcurrency": 3}
        end = cloud.execute(single({**items, "ToleratedFailurePercentage": 10}))
        assert (end["status"], end["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
        run = run_of(cloud, end["executionArn"])
        assert run["status"] == "FAILED"
        assert counts(run) == {"aborted": 2, "failed": 1, "pending": 2, "total": 5}


class TestNestedExecutions:
    """A map whose children start another machine and wait for it, as ``ingest_collection`` does."""

    @staticmethod
    def start(machine_arn: str, **more: Any) -> State:
        arguments = {
            "StateMachineArn": machine_arn,
            "Name": "{% $states.input.name & '-' & $string($states.context.Execution.RedriveCount) %}",
            "Input": {"n": "{% $states.input.n %}"},
        }
        resource = "arn:aws:states:::states:startExecution.sync:2"
        return {"Type": "Task", "Resource": resource, "Arguments": arguments, **more}

    def over(self, cloud: Cloud, worker: str, items: list[Any], **more: Any) -> State:
        catch = {"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput.Error %}", "Next": "Note"}
        states = processor(
            Run={**self.start(worker), "Output": "{% $states.result.Output %}", "Catch": [catch], "End": True},
            Note={"Type": "Pass", "Output": "{% {'failed': $states.input} %}", "End": True},
        )
        return single({"Type": "Map", "ItemReader": lines(cloud, items), "ItemProcessor": states, **more})

    def test_children_start_named_executions_and_catch_their_failures(self, cloud: Cloud) -> None:
        worker = cloud.machine(
            machine(
                "Which",
                Which={
                    "Type": "Choice",
                    "Choices": [{"Condition": "{% $states.input.n % 5 = 0 %}", "Next": "Break"}],
                    "Default": "Give",
                },
                Break={"Type": "Fail", "Error": "Item.Bad"},
                Give={"Type": "Pass", "Output": "{% $states.input.n %}", "End": True},
            )
        )
        prefix = unique()
        items = [{"name": f"{prefix}-{n}", "n": n} for n in range(20)]
        output = cloud.output_of(self.over(cloud, worker, items, MaxConcurrency=8))
        assert output == [{"failed": "States.TaskFailed"} if n % 5 == 0 else n for n in range(20)]
        names = {execution["name"] for execution in cloud.states.list_executions(stateMachineArn=worker)["executions"]}
        assert names == {f"{prefix}-{n}-0" for n in range(20)}

    def test_runs_no_more_children_at_once_than_max_concurrency(self, cloud: Cloud) -> None:
        worker = cloud.machine(single({"Type": "Wait", "Seconds": 1}))
        items = [{"name": unique(), "n": n} for n in range(7)]
        definition = cloud.machine(self.over(cloud, worker, items, MaxConcurrency=3))
        execution = cloud.states.start_execution(stateMachineArn=definition)["executionArn"]
        run = wait_for(lambda: found if counts(found := run_of(cloud, execution)).get("running") == 3 else None)
        assert run["status"] == "RUNNING"
        assert counts(run) == {"pending": 4, "running": 3, "total": 7}
        assert len(children(cloud, run["mapRunArn"], statusFilter="RUNNING")) == 3
        assert cloud.end_of(execution)["status"] == "SUCCEEDED"
        ended = children(cloud, run["mapRunArn"])
        for child in ended:
            overlapping = [c for c in ended if c["startDate"] <= child["startDate"] < c["stopDate"]]
            assert len(overlapping) <= 3

    def test_stopped_parent_stops_its_children_and_what_they_started(self, cloud: Cloud) -> None:
        worker = cloud.machine(single({"Type": "Wait", "Seconds": 60}))
        items = [{"name": unique(), "n": n} for n in range(6)]
        parent = cloud.machine(self.over(cloud, worker, items, MaxConcurrency=4))
        execution = cloud.states.start_execution(stateMachineArn=parent)["executionArn"]

        def running() -> list[dict[str, Any]]:
            found = cloud.states.list_executions(stateMachineArn=worker, statusFilter="RUNNING")["executions"]
            return list(found)

        wait_for(lambda: len(running()) == 4)
        cloud.states.stop_execution(executionArn=execution)
        assert cloud.states.describe_execution(executionArn=execution)["status"] == "ABORTED"
        wait_for(lambda: not running())
        run = wait_for(lambda: found if (found := run_of(cloud, execution))["status"] == "ABORTED" else None)
        assert counts(run) == {"aborted": 4, "pending": 2, "total": 6}
        assert {child["status"] for child in children(cloud, run["mapRunArn"])} == {"ABORTED"}
        assert len(cloud.states.list_executions(stateMachineArn=worker)["executions"]) == 4
