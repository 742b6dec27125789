"""SQS and its event source mappings: batches, order, visibility, dead letters."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from conformance_cloud import Cloud, unique, wait_for


def send(cloud: Cloud, queue: str, bodies: Iterable[dict[str, Any]]) -> None:
    entries = [{"Id": str(n), "MessageBody": json.dumps(body)} for n, body in enumerate(bodies)]
    for start in range(0, len(entries), 10):
        answer = cloud.sqs.send_message_batch(QueueUrl=cloud[queue], Entries=entries[start : start + 10])
        assert not answer.get("Failed")


def send_ordered(cloud: Cloud, group: str, body: dict[str, Any]) -> None:
    cloud.sqs.send_message(
        QueueUrl=cloud["Ordered"],
        MessageBody=json.dumps(body),
        MessageGroupId=group,
        MessageDeduplicationId=unique(),
    )


def overlap(items: list[dict[str, Any]]) -> int:
    """Largest number of batches that ran at the same time."""
    batches: set[tuple[float, float]] = {(item["began"], item["ended"]) for item in items}
    running = [sum(began <= moment < ended for began, ended in batches) for moment, _ in batches]
    return max(running)


def test_every_message_is_consumed_once(cloud: Cloud) -> None:
    run = unique()
    with ThreadPoolExecutor(6) as pool:
        list(
            pool.map(lambda part: send(cloud, "Work", [{"run": run, "n": part * 20 + n} for n in range(20)]), range(6))
        )
    items = wait_for(lambda: found if len(found := cloud.consumed(run)) >= 120 else None)
    assert sorted(item["body"]["n"] for item in items) == list(range(120))
    assert all(item["receive_count"] == 1 for item in items)
    assert 1 <= max(item["batch_size"] for item in items) <= 10


def test_sends_and_deletes_at_the_same_time_lose_nothing(cloud: Cloud) -> None:
    url = cloud.sqs.create_queue(QueueName=unique("busy-"))["QueueUrl"]
    sent, received = 150, set()
    done = threading.Event()

    def take() -> None:
        while not done.is_set():
            for message in cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                received.add(message["Body"])
                cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    takers = [threading.Thread(target=take) for _ in range(3)]
    for taker in takers:
        taker.start()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda n: cloud.sqs.send_message(QueueUrl=url, MessageBody=str(n)), range(sent)))
    try:
        wait_for(lambda: len(received) == sent)
    finally:
        done.set()
        for taker in takers:
            taker.join()


def test_partial_batch_failure_returns_only_the_failed_message(cloud: Cloud) -> None:
    run = unique()
    send(cloud, "Work", [{"run": run, "n": n, "fail": n == 2} for n in range(4)])
    dead = cloud.message_with("WorkFailures", run, seconds=20)
    assert json.loads(dead["Body"])["n"] == 2
    assert dead["Attributes"]["ApproximateReceiveCount"] == "3"
    source = cloud.sqs.get_queue_attributes(QueueUrl=cloud["Work"], AttributeNames=["QueueArn"])
    assert dead["Attributes"]["DeadLetterQueueSourceArn"] == source["Attributes"]["QueueArn"]
    assert sorted(item["body"]["n"] for item in cloud.consumed(run)) == [0, 1, 3]


def test_batching_window_gathers_messages(cloud: Cloud) -> None:
    run = unique()
    began = time.time()
    send(cloud, "Windowed", [{"run": run, "n": 0}])
    time.sleep(0.5)
    send(cloud, "Windowed", [{"run": run, "n": 1}])
    items = wait_for(lambda: found if len(found := cloud.consumed(run)) == 2 else None)
    assert {item["batch_size"] for item in items} == {2}
    assert items[0]["began"] - began > 1.8


def test_full_batch_does_not_wait_for_the_window(cloud: Cloud) -> None:
    run = unique()
    began = time.time()
    send(cloud, "Windowed", [{"run": run, "n": n} for n in range(10)])
    items = wait_for(lambda: found if len(found := cloud.consumed(run)) == 10 else None)
    assert items[0]["began"] - began < 1.5


def test_maximum_concurrency_limits_and_uses_parallel_batches(cloud: Cloud) -> None:
    run = unique()
    send(cloud, "Limited", [{"run": run, "n": n, "sleep": 0.3} for n in range(6)])
    items = wait_for(lambda: found if len(found := cloud.consumed(run)) == 6 else None)
    assert overlap(items) == 2


def test_groups_keep_their_order_and_run_beside_each_other(cloud: Cloud) -> None:
    run = unique()
    for n in range(6):
        for group in ("a", "b"):
            send_ordered(cloud, run + group, {"run": run, "n": n, "sleep": 0.05})
    items = wait_for(lambda: found if len(found := cloud.consumed(run)) == 12 else None)
    for group in ("a", "b"):
        in_group = [item for item in items if item["group"] == run + group]
        assert [item["body"]["n"] for item in sorted(in_group, key=lambda item: item["ended"])] == list(range(6))


def test_slow_group_does_not_hold_up_another(cloud: Cloud) -> None:
    run = unique()
    send_ordered(cloud, run + "slow", {"run": run, "n": 0, "sleep": 1.5})
    time.sleep(0.2)
    send_ordered(cloud, run + "slow", {"run": run, "n": 1})
    send_ordered(cloud, run + "fast", {"run": run, "n": 2})
    items = wait_for(lambda: found if len(found := cloud.consumed(run)) == 3 else None)
    order = [item["body"]["n"] for item in sorted(items, key=lambda item: item["ended"])]
    assert order == [2, 0, 1]


def test_failed_message_of_a_group_goes_to_the_dead_letters_and_the_group_goes_on(cloud: Cloud) -> None:
    run = unique()
    send_ordered(cloud, run, {"run": run, "n": 0, "fail": True})
    wait_for(lambda: not visible(cloud, "Ordered"))
    send_ordered(cloud, run, {"run": run, "n": 1})
    dead = cloud.message_with("OrderedFailures", run, seconds=20)
    assert json.loads(dead["Body"])["n"] == 0
    items = wait_for(lambda: cloud.consumed(run))
    assert [item["body"]["n"] for item in items] == [1]


def visible(cloud: Cloud, queue: str) -> int:
    names = ["ApproximateNumberOfMessages"]
    attributes = cloud.sqs.get_queue_attributes(QueueUrl=cloud[queue], AttributeNames=names)["Attributes"]
    return int(attributes[names[0]])


def test_duplicate_in_a_fifo_queue_is_dropped(cloud: Cloud) -> None:
    url = cloud.sqs.create_queue(QueueName=unique() + ".fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    for _ in range(2):
        cloud.sqs.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="g", MessageDeduplicationId="d")
    assert len(cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]) == 1


def test_fifo_receive_prefers_messages_of_one_group(cloud: Cloud) -> None:
    url = cloud.sqs.create_queue(QueueName=unique() + ".fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    for n, group in enumerate("abab"):
        cloud.sqs.send_message(QueueUrl=url, MessageBody=str(n), MessageGroupId=group, MessageDeduplicationId=str(n))
    first = cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2)["Messages"]
    assert [message["Body"] for message in first] == ["0", "2"]
    second = cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in second] == ["1", "3"]
    assert "Messages" not in cloud.sqs.receive_message(QueueUrl=url)


def test_visibility_can_be_changed(cloud: Cloud) -> None:
    url = cloud.sqs.create_queue(QueueName=unique())["QueueUrl"]
    cloud.sqs.send_message(QueueUrl=url, MessageBody="a")
    received = cloud.sqs.receive_message(QueueUrl=url, VisibilityTimeout=30)["Messages"][0]
    assert "Messages" not in cloud.sqs.receive_message(QueueUrl=url)
    cloud.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"], VisibilityTimeout=0)
    again = cloud.sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"][0]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_fifo_message_reaches_its_consumer_quickly(cloud: Cloud) -> None:
    def send_one() -> float:
        run = unique()
        began = time.time()
        send_ordered(cloud, run, {"run": run})
        items = wait_for(lambda: cloud.consumed(run), pause=0.005)
        return float(items[0]["began"]) - began

    send_one()
    # about 8 ms on an idle machine; the bound only has to catch a poll that waits for its next turn
    assert sorted(send_one() for _ in range(7))[3] < 0.25
