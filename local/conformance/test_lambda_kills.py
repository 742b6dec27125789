"""Lambda workers that are killed at any moment: the invocation fails with a name, and nothing is lost, doubled or hung.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html,
https://docs.aws.amazon.com/lambda/latest/dg/invocation-retries.html
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from asl import invoke, machine
from conformance_cloud import Cloud, unique, wait_for


def living(cloud: Cloud, function: str, which: str = "worker_pids") -> list[int]:
    """Process ids of a function's workers (by output name)."""
    name = cloud[function].rsplit(":", 1)[1]
    records = [record for record in cloud.server.page("lambda") if record["function"] == name]
    return list(records[0][which]) if records else []


def kill(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


@contextmanager
def killing(cloud: Cloud, function: str, every: float, most: int) -> Iterator[Counter[str]]:
    """Kill random workers of the function, each once and ``most`` in all; counts the kills."""
    kills: Counter[str] = Counter()
    dying: set[int] = set()
    done = threading.Event()

    def work() -> None:
        while kills["all"] < most and not done.wait(every):
            pids = [pid for pid in living(cloud, function) if pid not in dying]
            if pids:
                dying.add(pid := random.choice(pids))
                kills["all"] += kill(pid)

    killer = threading.Thread(target=work)
    killer.start()
    try:
        yield kills
    finally:
        done.set()
        killer.join()


def noted(cloud: Cloud, run: str) -> Counter[int]:
    """How often each number of a run was begun."""
    return Counter(int(item["sk"]["S"].split("#")[0]) for item in cloud.items(f"noted#{run}"))


def killed(error: dict[str, Any]) -> bool:
    ending = "Error: Runtime exited with error: signal: killed"
    return error["errorType"] == "Runtime.ExitError" and str(error["errorMessage"]).endswith(ending)


def test_worker_killed_in_an_invocation_is_a_runtime_exit_error(cloud: Cloud) -> None:
    run = unique()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(cloud.invoke, "Note", {"run": run, "number": 1, "seconds": 15})
        wait_for(lambda: noted(cloud, run))
        (pid,) = living(cloud, "Note", "busy_pids")
        assert kill(pid)
        response, error = answer.result(timeout=5)
    assert response["FunctionError"] == "Unhandled"
    assert killed(error)
    assert noted(cloud, run) == {1: 1}


def test_worker_killed_between_invocations_is_replaced_unheard(cloud: Cloud) -> None:
    for number in range(6):
        _, answer = cloud.invoke("Note", {"run": unique(), "number": number})
        assert answer["number"] == number, answer
        assert kill(answer["pid"])
        wait_for(lambda: answer["pid"] not in living(cloud, "Note"), pause=0.005)  # noqa: B023 - called at once


def test_worker_killed_while_it_starts_is_a_runtime_exit_error(cloud: Cloud) -> None:
    with ThreadPoolExecutor(1) as pool:
        for _ in range(10):
            for pid in living(cloud, "BrokenImport"):
                kill(pid)
            answer = pool.submit(cloud.invoke, "BrokenImport")
            pids: list[int] = []
            while not pids and not answer.done():
                pids = living(cloud, "BrokenImport", "busy_pids")
            if pids and kill(pids[0]):
                _, error = answer.result(timeout=5)
                if killed(error):
                    return
            answer.result(timeout=10)
    pytest.fail("no worker could be killed while it was starting")


def test_state_machine_can_retry_a_killed_worker_by_name(cloud: Cloud) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""
    run = unique()
    payload = {"run": run, "number": 1, "seconds": "{% $states.context.State.RetryCount = 0 ? 15 : 0 %}"}
    retry = [{"ErrorEquals": ["Runtime.ExitError"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    definition = machine("Work", Work={**invoke(cloud["Note"], payload), "Retry": retry, "End": True})
    execution = cloud.states.start_execution(stateMachineArn=cloud.machine(definition))["executionArn"]
    wait_for(lambda: noted(cloud, run))
    (pid,) = living(cloud, "Note", "busy_pids")
    assert kill(pid)
    assert cloud.end_of(execution)["status"] == "SUCCEEDED"
    assert noted(cloud, run) == {1: 2}


def test_invocations_under_many_kills_end_each_by_its_answer_or_by_name(cloud: Cloud) -> None:
    run, attempts = unique(), Counter[int]()

    def until_it_succeeds(number: int) -> None:
        while True:
            attempts[number] += 1
            response, answer = cloud.invoke("Note", {"run": run, "number": number, "seconds": 0.05})
            if "FunctionError" not in response:
                assert answer["number"] == number
                return
            assert killed(answer), answer

    number = 0
    with killing(cloud, "Note", every=0.03, most=50) as kills, ThreadPoolExecutor(4) as pool:
        while kills["all"] < 50:
            list(pool.map(until_it_succeeds, range(number, number + 8)))
            number += 8
    begun = noted(cloud, run)
    assert set(begun) == set(range(number))
    # an attempt whose worker was killed before the handler began leaves no note; none leaves two
    assert all(begun[each] <= attempts[each] for each in begun)
    assert sum(attempts.values()) - number <= kills["all"]


def test_messages_of_killed_consumers_come_back(cloud: Cloud) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    run = unique()
    with killing(cloud, "KilledConsumer", every=0.1, most=15) as kills:
        for number in range(0, 60, 10):
            cloud.sqs.send_message_batch(
                QueueUrl=cloud["Killed"],
                Entries=[
                    {"Id": str(each), "MessageBody": json.dumps({"run": run, "number": each, "sleep": 0.1})}
                    for each in range(number, number + 10)
                ],
            )
        wait_for(lambda: kills["all"] == 15 or len(cloud.consumed(run)) >= 60, seconds=60)
    wait_for(lambda: len({each["body"]["number"] for each in cloud.consumed(run)}) == 60, seconds=30)
    assert kills["all"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def empty() -> bool:
        found = cloud.sqs.get_queue_attributes(QueueUrl=cloud["Killed"], AttributeNames=names)["Attributes"]
        return all(found[name] == "0" for name in names)

    wait_for(empty)


def test_asynchronous_invocations_under_kills_end_in_the_table_or_at_their_destination(cloud: Cloud) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""
    run, count = unique(), 20
    failed: dict[int, Any] = {}
    with killing(cloud, "AsyncNote", every=0.15, most=20):
        for number in range(count):
            payload = json.dumps({"run": run, "number": number, "seconds": 0.1})
            cloud.functions.invoke(FunctionName=cloud["AsyncNote"], InvocationType="Event", Payload=payload)

        def all_told() -> bool:
            received = cloud.sqs.receive_message(QueueUrl=cloud["FailedInvocations"], MaxNumberOfMessages=10)
            for message in received.get("Messages", []):
                record = json.loads(message["Body"])
                failed[record["requestPayload"]["number"]] = record
            ended = {int(i["sk"]["S"][:4]) for i in cloud.items(f"noted#{run}") if i["ended"]["BOOL"]}
            return len(ended | set(failed)) == count

        wait_for(all_told, seconds=40)
    for record in failed.values():
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["requestContext"]["approximateInvokeCount"] == 3
        assert killed(record["responsePayload"])
