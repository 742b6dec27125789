"""Step Functions: executions that did not succeed are redriven, and go on where they failed.

https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asl import State, invoke, machine, single
from conformance_cloud import Cloud, Server, deploy, unique, wait_for

from omnilake_local.server.stepfunctions import redrive

HOLD_ONCE = "{% $states.context.Execution.RedriveCount = 0 ? 60 : 0 %}"


def flaky(cloud: Cloud, key: str, failures: int, **more: Any) -> State:
    """A task that fails so many times; its output is the number of attempts."""
    task = invoke(cloud["Flaky"], {"key": key, "failures": failures})
    return {**task, "Output": "{% $count($states.result.Payload.instants) %}", **more}


def attempts(cloud: Cloud, key: str) -> int:
    """How often a flaky task was attempted."""
    items = cloud.items(f"flaky#{key}")
    return len(items[0]["instants"]["L"]) if items else 0


def start(cloud: Cloud, definition: State, given: Any = None) -> str:
    started = cloud.states.start_execution(stateMachineArn=cloud.machine(definition), input=json.dumps(given or {}))
    return str(started["executionArn"])


def redriven(cloud: Cloud, execution: str) -> dict[str, Any]:
    """Redrive and give the description at the next end."""
    cloud.states.redrive_execution(executionArn=execution)
    end = cloud.end_of(execution)
    return {**end, "output": json.loads(end["output"]) if end.get("output") else None}


def entered(cloud: Cloud, execution: str) -> Counter[str]:
    """How often each state was entered."""
    events = [event.get("stateEnteredEventDetails") for event in cloud.history(execution)]
    return Counter(details["name"] for details in events if details)


def two_steps(cloud: Cloud, key: str, failures: int) -> State:
    """A step that assigns, and one that fails so many times."""
    return machine(
        "First",
        First=flaky(cloud, f"{key}-first", 0, Assign={"kept": 'say "hi"\n'}, Output={"n": 7}, Next="Second"),
        Second=flaky(cloud, key, failures, Output="{% [$states.input, $kept] %}", End=True),
    )


class TestRedrive:
    def test_failed_execution_goes_on_at_the_failed_state_with_its_input_and_variables(self, cloud: Cloud) -> None:
        key = unique()
        execution = start(cloud, two_steps(cloud, key, 1))
        assert cloud.end_of(execution)["status"] == "FAILED"
        before = cloud.history(execution)
        end = redriven(cloud, execution)
        assert (end["status"], end["output"]) == ("SUCCEEDED", [{"n": 7}, 'say "hi"\n'])
        assert (attempts(cloud, f"{key}-first"), attempts(cloud, key)) == (1, 2)
        assert entered(cloud, execution) == {"First": 1, "Second": 1}
        events = cloud.history(execution)
        assert events[: len(before)] == before
        added = [event["type"] for event in events[len(before) :]]
        steps = ["TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"]
        assert added == ["ExecutionRedriven", *steps]
        assert events[len(before)]["executionRedrivenEventDetails"] == {"redriveCount": 1}
        assert [event["id"] for event in events] == list(range(1, len(events) + 1))

    def test_description_and_status_events_tell_of_the_redrive(self, cloud: Cloud) -> None:
        """https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html"""
        execution = start(cloud, two_steps(cloud, unique(), 2))
        failed = cloud.end_of(execution)
        assert (failed["redriveStatus"], failed["redriveCount"]) == ("REDRIVABLE", 0)
        assert "redriveDate" not in failed
        answer = cloud.states.redrive_execution(executionArn=execution)
        assert answer["redriveDate"].tzinfo is not None
        assert cloud.end_of(execution)["status"] == "FAILED"
        end = redriven(cloud, execution)
        assert (end["status"], end["redriveCount"], end["redriveStatus"]) == ("SUCCEEDED", 2, "NOT_REDRIVABLE")
        assert end["redriveDate"] > answer["redriveDate"]
        assert end["startDate"] == failed["startDate"]
        assert "error" not in end
        listed = cloud.states.list_executions(stateMachineArn=end["stateMachineArn"])["executions"]
        assert (listed[0]["redriveCount"], listed[0]["redriveDate"]) == (2, end["redriveDate"])
        told = [json.loads(message["Body"])["detail"] for message in cloud.messages_with("Observed", execution, 5)]
        summary = sorted((each["redriveCount"], each["status"], each["redriveStatus"]) for each in told)
        assert summary == [
            (0, "FAILED", "REDRIVABLE"),
            (1, "FAILED", "REDRIVABLE"),
            (1, "RUNNING", "NOT_REDRIVABLE"),
            (2, "RUNNING", "NOT_REDRIVABLE"),
            (2, "SUCCEEDED", "NOT_REDRIVABLE"),
        ]

    def test_running_succeeded_and_unknown_executions_are_refused(self, cloud: Cloud) -> None:
        """https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html"""
        running = start(cloud, single({"Type": "Wait", "Seconds": 60}))
        with pytest.raises(cloud.states.exceptions.ExecutionNotRedrivable):
            cloud.states.redrive_execution(executionArn=running)
        described = cloud.states.describe_execution(executionArn=running)
        assert described["redriveStatus"] == "NOT_REDRIVABLE"
        assert described["redriveStatusReason"] == "Execution is RUNNING and cannot be redriven"
        cloud.states.stop_execution(executionArn=running)
        done = start(cloud, single({"Type": "Pass"}))
        cloud.end_of(done)
        with pytest.raises(cloud.states.exceptions.ExecutionNotRedrivable):
            cloud.states.redrive_execution(executionArn=done)
        with pytest.raises(cloud.states.exceptions.ExecutionDoesNotExist):
            cloud.states.redrive_execution(executionArn=done + "-not")

    def test_same_client_token_redrives_once(self, cloud: Cloud) -> None:
        execution = start(cloud, two_steps(cloud, unique(), 5))
        cloud.end_of(execution)
        first = cloud.states.redrive_execution(executionArn=execution, clientToken="t")
        again = cloud.states.redrive_execution(executionArn=execution, clientToken="t")
        assert again["redriveDate"] == first["redriveDate"]
        assert cloud.end_of(execution)["redriveCount"] == 1

    def test_definition_of_the_first_start_is_kept(self, cloud: Cloud) -> None:
        arn = cloud.machine(two_steps(cloud, unique(), 1))
        execution = cloud.states.start_execution(stateMachineArn=arn, input="{}")["executionArn"]
        cloud.end_of(execution)
        cloud.states.update_state_machine(stateMachineArn=arn, definition=json.dumps(single({"Type": "Pass"})))
        assert redriven(cloud, execution)["output"] == [{"n": 7}, 'say "hi"\n']

    def test_stopped_execution_goes_on_and_knows_its_redrive_count(self, cloud: Cloud) -> None:
        definition = machine(
            "Hold",
            Hold={"Type": "Wait", "Seconds": HOLD_ONCE, "Next": "Give"},
            Give={"Type": "Pass", "Output": "{% $states.context.Execution.RedriveCount %}", "End": True},
        )
        execution = start(cloud, definition)
        wait_for(lambda: entered(cloud, execution)["Hold"])
        cloud.states.stop_execution(executionArn=execution, error="Stopped", cause="by hand")
        end = redriven(cloud, execution)
        assert (end["status"], end["output"]) == ("SUCCEEDED", 1)
        kinds = [event["type"] for event in cloud.history(execution)]
        assert kinds[kinds.index("ExecutionAborted") + 1] == "ExecutionRedriven"

    def test_timed_out_execution_gets_its_time_again_and_a_new_task_token(self, cloud: Cloud) -> None:
        run = unique()
        ask = {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Arguments": {
                "QueueUrl": cloud["RuleFailures"],
                "MessageBody": {"run": run, "token": "{% $states.context.Task.Token %}"},
            },
        }
        execution = start(cloud, {**single(ask), "TimeoutSeconds": 2})
        assert cloud.end_of(execution)["status"] == "TIMED_OUT"
        cloud.states.redrive_execution(executionArn=execution)
        tokens = [json.loads(message["Body"])["token"] for message in cloud.messages_with("RuleFailures", run, 2)]
        with pytest.raises(cloud.states.exceptions.TaskTimedOut):
            cloud.states.send_task_success(taskToken=tokens[0], output="1")
        cloud.states.send_task_success(taskToken=tokens[1], output="2")
        end = cloud.end_of(execution)
        assert (end["status"], end["output"]) == ("SUCCEEDED", "2")

    def test_retries_count_from_the_start(self, cloud: Cloud) -> None:
        key = unique()
        retry = [{"ErrorEquals": ["TransientError"], "MaxAttempts": 1, "IntervalSeconds": 1}]
        execution = start(cloud, single(flaky(cloud, key, 3, Retry=retry)))
        assert cloud.end_of(execution)["status"] == "FAILED"
        assert redriven(cloud, execution)["output"] == 4

    def test_fail_state_fails_again(self, cloud: Cloud) -> None:
        execution = start(cloud, machine("End", End={"Type": "Fail", "Error": "My.Error"}))
        cloud.end_of(execution)
        end = redriven(cloud, execution)
        assert (end["status"], end["error"], end["redriveCount"]) == ("FAILED", "My.Error", 1)


class TestParts:
    def test_only_branches_that_did_not_succeed_run_again_from_where_they_failed(self, cloud: Cloud) -> None:
        key = unique()
        second = {**flaky(cloud, f"{key}-2", 1, Output="{% [$states.input, $kept] %}"), "End": True}
        branches = [
            {"StartAt": "A", "States": {"A": flaky(cloud, f"{key}-a", 0, Output="a", End=True)}},
            {
                "StartAt": "B1",
                "States": {
                    "B1": flaky(cloud, f"{key}-1", 0, Output="b1", Assign={"kept": 1}, Next="B2"),
                    "B2": second,
                },
            },
        ]
        execution = start(cloud, single({"Type": "Parallel", "Branches": branches}))
        assert cloud.end_of(execution)["status"] == "FAILED"
        wait_for(lambda: attempts(cloud, f"{key}-a"))
        end = redriven(cloud, execution)
        assert (end["status"], end["output"]) == ("SUCCEEDED", ["a", ["b1", 1]])
        assert [attempts(cloud, f"{key}-{part}") for part in "12"] == [1, 2]
        assert entered(cloud, execution)["B1"] == 1

    def test_branches_that_had_succeeded_are_not_run_again(self, cloud: Cloud) -> None:
        key = unique()
        slow = {"Hold": {"Type": "Wait", "Seconds": 1, "Next": "Break"}, "Break": flaky(cloud, f"{key}-b", 1, End=True)}
        branches = [
            {"StartAt": "Quick", "States": {"Quick": flaky(cloud, f"{key}-a", 0, End=True)}},
            {"StartAt": "Hold", "States": slow},
        ]
        execution = start(cloud, single({"Type": "Parallel", "Branches": branches}))
        assert cloud.end_of(execution)["status"] == "FAILED"
        assert redriven(cloud, execution)["output"] == [1, 2]
        assert (attempts(cloud, f"{key}-a"), entered(cloud, execution)["Hold"]) == (1, 1)

    def test_only_iterations_that_did_not_succeed_run_again(self, cloud: Cloud) -> None:
        key = unique()
        payload = {
            "key": "{% '" + key + "-' & $string($states.input) %}",
            "failures": "{% $states.input = 2 ? 1 : 0 %}",
        }
        work = invoke(cloud["Flaky"], payload)
        each = {
            "Type": "Map",
            "Items": [0, 1, 2, 3],
            "MaxConcurrency": 1,
            "ItemProcessor": {
                "StartAt": "W",
                "States": {"W": {**work, "Output": "{% $count($states.result.Payload.instants) %}", "End": True}},
            },
        }
        execution = start(cloud, single(each))
        assert cloud.end_of(execution)["status"] == "FAILED"
        assert attempts(cloud, f"{key}-3") == 0
        assert redriven(cloud, execution)["output"] == [1, 1, 2, 1]

    def test_map_runs_only_children_that_did_not_succeed_in_the_same_map_run(self, cloud: Cloud) -> None:
        """https://docs.aws.amazon.com/step-functions/latest/dg/redrive-map-run.html"""
        key = unique()
        payload = {
            "key": "{% '" + key + "-' & $string($states.input) %}",
            "failures": "{% $states.input in [3, 6] ? 1 : 0 %}",
        }
        first = {"Type": "Pass", "Assign": {"twice": "{% $states.input * 2 %}"}, "Next": "Work"}
        output = "{% [$twice, $count($states.result.Payload.instants), $states.context.Execution.RedriveCount] %}"
        work = {**invoke(cloud["Flaky"], payload), "Output": output, "End": True}
        each = {
            "Type": "Map",
            "Items": "{% [1..9] %}",
            "MaxConcurrency": 2,
            "ToleratedFailurePercentage": 20,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "First",
                "States": {"First": first, "Work": work},
            },
        }
        execution = start(cloud, single(each))
        assert cloud.end_of(execution)["error"] == "States.ExceedToleratedFailureThreshold"
        (run,) = cloud.states.list_map_runs(executionArn=execution)["mapRuns"]
        before = cloud.states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
        status = {each["executionArn"]: each["status"] for each in before}
        failed = [arn for arn in status if status[arn] == "FAILED"]
        assert cloud.states.describe_execution(executionArn=failed[0])["redriveStatus"] == "REDRIVABLE_BY_MAP_RUN"
        end = redriven(cloud, execution)
        assert end["status"] == "SUCCEEDED"
        assert [each[0] for each in end["output"]] == [2 * n for n in range(1, 10)]
        calls = {n: output[1] for n, output in enumerate(end["output"], start=1)}
        done = [arn for arn in status if status[arn] == "SUCCEEDED"]
        done_items = {json.loads(cloud.states.describe_execution(executionArn=arn)["input"]) for arn in done}
        assert (calls[3], calls[6]) == (2, 2)
        assert {calls[n] for n in done_items} == {1}
        assert max(calls.values()) == 2  # one that was under way when the map failed may have called too
        assert [each[2] for each in end["output"]][:3] == [0, 0, 1]
        (again,) = cloud.states.list_map_runs(executionArn=execution)["mapRuns"]
        assert again["mapRunArn"] == run["mapRunArn"]
        described = cloud.states.describe_map_run(mapRunArn=run["mapRunArn"])
        assert (described["status"], described["redriveCount"]) == ("SUCCEEDED", 1)
        assert described["executionCounts"]["succeeded"] == 9
        after = {
            each["executionArn"]: each
            for each in cloud.states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
        }
        assert len(after) == 9
        assert {after[arn]["redriveCount"] for arn in failed} == {1}
        event = next(event for event in cloud.history(execution) if event["type"] == "MapRunRedriven")
        assert event["mapRunRedrivenEventDetails"] == {"mapRunArn": run["mapRunArn"], "redriveCount": 1}


def collection(cloud: Cloud, worker: str, count: int, seconds: str = HOLD_ONCE) -> State:
    """Plan, a Distributed Map over lines in S3 whose children start an execution each, close."""
    key, prefix = unique("lines/"), unique()
    rows = [{"name": f"{prefix}-{n}", "n": n} for n in range(count)]
    cloud.s3.put_object(Bucket=cloud["Bucket"], Key=key, Body="\n".join(map(json.dumps, rows)).encode())
    run = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Arguments": {
            "StateMachineArn": worker,
            "Name": "{% $states.input.name & '-' & $string($states.context.Execution.RedriveCount) %}",
            # the later half waits for a redrive
            "Input": {"n": "{% $states.input.n %}", "seconds": "{% $states.input.n < 4 ? 0 : " + seconds[2:-2] + " %}"},
        },
        "Output": "{% $states.result.Output %}",
        "End": True,
    }
    return machine(
        "Plan",
        Plan={"Type": "Pass", "Assign": {"total": count}, "Output": {"key": key}, "Next": "Batches"},
        Batches={
            "Type": "Map",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSONL"},
                "Arguments": {"Bucket": cloud["Bucket"], "Key": "{% $states.input.key %}"},
            },
            "MaxConcurrency": 3,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Run",
                "States": {"Run": run},
            },
            "Next": "Close",
        },
        Close={"Type": "Pass", "Output": "{% {'total': $total, 'results': $states.input} %}", "End": True},
    )


def worker_machine(cloud: Cloud) -> str:
    hold = {"Type": "Wait", "Seconds": "{% $states.input.seconds %}", "Output": "{% $states.input.n %}"}
    return cloud.machine(single(hold))


def half_way(cloud: Cloud, worker: str) -> bool:
    """Whether four executions of the worker have succeeded and three are at work."""
    statuses = [each["status"] for each in cloud.states.list_executions(stateMachineArn=worker)["executions"]]
    return Counter(statuses) == {"SUCCEEDED": 4, "RUNNING": 3}


def finished_once(cloud: Cloud, worker: str, count: int) -> None:
    """Every item has exactly one execution that succeeded, and none of the first four was run again."""
    executions = cloud.states.list_executions(stateMachineArn=worker)["executions"]
    succeeded = sorted(each["name"].split("-")[1:] for each in executions if each["status"] == "SUCCEEDED")
    begun_before = {0: "0", 1: "0", 2: "0", 3: "0", 4: "1", 5: "1", 6: "1"}
    assert succeeded == sorted([str(n), begun_before.get(n, "0")] for n in range(count))
    assert Counter(each["status"] for each in executions) == {"SUCCEEDED": count, "ABORTED": 3}


class TestCollection:
    """The shape of ``ingest_collection``, stopped in the middle of its map."""

    # items that the first attempt did not come to must not wait: their redrive count is 0
    SECONDS = "{% $states.input.n < 7 and $states.context.Execution.RedriveCount = 0 ? 60 : 0 %}"

    def test_stopped_collection_finishes_without_running_finished_children_again(self, cloud: Cloud) -> None:
        worker = worker_machine(cloud)
        execution = start(cloud, collection(cloud, worker, 10, self.SECONDS))
        wait_for(lambda: half_way(cloud, worker))
        cloud.states.stop_execution(executionArn=execution)
        end = redriven(cloud, execution)
        assert (end["status"], end["output"]) == ("SUCCEEDED", {"total": 10, "results": list(range(10))})
        finished_once(cloud, worker, 10)

    @pytest.fixture
    def restarted(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, str, str, str]]:
        """A cloud that was stopped and started again in the middle of a collection, after another execution failed."""
        with Server(tmp_path_factory.mktemp("restarted")) as server:
            cloud = Cloud(server, deploy(server))
            worker = worker_machine(cloud)
            execution = start(cloud, collection(cloud, worker, 10, self.SECONDS))
            failed = start(cloud, two_steps(cloud, unique(), 1))
            cloud.end_of(failed)
            wait_for(lambda: half_way(cloud, worker))
            server.stop()
            server.start()
            yield cloud, worker, execution, failed

    def test_executions_from_before_a_stop_of_the_server_finish(self, restarted: tuple[Cloud, str, str, str]) -> None:
        cloud, worker, execution, failed = restarted
        assert redriven(cloud, failed)["output"] == [{"n": 7}, 'say "hi"\n']
        described = cloud.states.describe_execution(executionArn=execution)
        assert (described["status"], described["redriveStatus"]) == ("ABORTED", "REDRIVABLE")
        (run,) = cloud.states.list_map_runs(executionArn=execution)["mapRuns"]
        assert cloud.states.describe_map_run(mapRunArn=run["mapRunArn"])["status"] == "ABORTED"
        end = redriven(cloud, execution)
        assert (end["status"], end["output"]) == ("SUCCEEDED", {"total": 10, "results": list(range(10))})
        finished_once(cloud, worker, 10)
        assert cloud.states.describe_map_run(mapRunArn=run["mapRunArn"])["redriveCount"] == 1


class TestLimits:
    """https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

    NOW = datetime(2026, 3, 1, tzinfo=UTC)

    def record(self, **changes: Any) -> dict[str, Any]:
        return {"status": "FAILED", "stopDate": "2026-02-28T00:00:00Z", "events": [{}], **changes}

    def test_within_them_an_execution_is_redrivable(self) -> None:
        assert redrive.obstacle(self.record(redriveCount=999), self.NOW) is None
        old = (self.NOW - timedelta(days=14)).isoformat()
        assert redrive.obstacle(self.record(stopDate=old), self.NOW) is None

    @pytest.mark.parametrize(
        "changes",
        [{"stopDate": "2026-02-14T23:59:59Z"}, {"redriveCount": 1000}, {"events": [{}] * 24_999}],
        ids=["fourteen days", "a thousand redrives", "full history"],
    )
    def test_beyond_them_it_is_not(self, changes: dict[str, Any]) -> None:
        assert redrive.obstacle(self.record(**changes), self.NOW)
        assert redrive.description(self.record(**changes), self.NOW)["redriveStatus"] == "NOT_REDRIVABLE"
