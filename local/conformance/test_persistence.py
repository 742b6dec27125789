"""A server that is stopped and started again on the same folder."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance_cloud import Cloud, Server, deploy, unique, wait_for


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, dict[str, str], float]]:
    """A cloud after a stop in the middle of work: with what was noted before, and the seconds the stop took."""
    with Server(tmp_path_factory.mktemp("restarted")) as server:
        cloud = Cloud(server, deploy(server))
        noted = {"run": unique(), "key": unique("kept/")}
        cloud.s3.put_object(Bucket=cloud["Bucket"], Key=noted["key"], Body=b"kept")
        cloud.table.put_item(
            TableName=cloud["Table"], Item={"pk": {"S": noted["run"]}, "sk": {"S": "1"}, "b": {"B": b"\x00\xff"}}
        )
        ended = cloud.states.start_execution(
            stateMachineArn=cloud["IngestMachine"], input=json.dumps({"key": noted["run"], "numbers": [2]})
        )
        cloud.end_of(ended["executionArn"])
        noted["ended"] = ended["executionArn"]
        noted["history"] = json.dumps(cloud.history(noted["ended"]), default=str)
        waiting = cloud.machine({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}})
        noted["machine"] = waiting
        noted["running"] = cloud.states.start_execution(stateMachineArn=waiting, name=noted["run"])["executionArn"]
        cloud.sqs.send_message(QueueUrl=cloud["RuleFailures"], MessageBody=noted["run"])
        # its consumer is at work, asleep, when the server stops
        cloud.sqs.send_message(QueueUrl=cloud["Work"], MessageBody=json.dumps({"run": noted["run"], "sleep": 4}))
        wait_for(lambda: in_flight(cloud, "Work") == 1)
        noted["workers"] = json.dumps([pid for record in server.page("lambda") for pid in record["worker_pids"]])
        seconds = server.stop()
        server.start()
        yield cloud, noted, seconds


def in_flight(cloud: Cloud, queue: str) -> int:
    name = "ApproximateNumberOfMessagesNotVisible"
    attributes = cloud.sqs.get_queue_attributes(QueueUrl=cloud[queue], AttributeNames=[name])["Attributes"]
    return int(attributes[name])


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


Restarted = tuple[Cloud, dict[str, str], float]


def test_stop_is_quick_and_leaves_no_worker(restarted: Restarted) -> None:
    _, noted, seconds = restarted
    assert seconds < 15
    assert not [pid for pid in json.loads(noted["workers"]) if running(pid)]


def test_objects_items_and_messages_are_kept(restarted: Restarted) -> None:
    cloud, noted, _ = restarted
    assert cloud.s3.get_object(Bucket=cloud["Bucket"], Key=noted["key"])["Body"].read() == b"kept"
    assert cloud.items(noted["run"])[0]["b"] == {"B": b"\x00\xff"}
    assert cloud.message_with("RuleFailures", noted["run"])["Body"] == noted["run"]


def test_message_in_flight_is_delivered_again(restarted: Restarted) -> None:
    cloud, noted, _ = restarted
    items = wait_for(lambda: cloud.consumed(noted["run"]), seconds=25)
    assert items[0]["receive_count"] == 2


def test_finished_execution_keeps_its_history(restarted: Restarted) -> None:
    cloud, noted, _ = restarted
    described = cloud.states.describe_execution(executionArn=noted["ended"])
    assert (described["status"], json.loads(described["output"])) == ("SUCCEEDED", {"total": 4})
    assert json.dumps(cloud.history(noted["ended"]), default=str) == noted["history"]
    listed = cloud.states.list_executions(stateMachineArn=cloud["IngestMachine"])["executions"]
    assert noted["ended"] in [item["executionArn"] for item in listed]


def test_interrupted_execution_is_aborted_and_announced(restarted: Restarted) -> None:
    cloud, noted, _ = restarted
    described = cloud.states.describe_execution(executionArn=noted["running"])
    assert (described["status"], described["error"]) == ("ABORTED", "EmbeddedCloud.Stopped")
    history = [event["type"] for event in cloud.history(noted["running"])]
    assert history == ["ExecutionStarted", "WaitStateEntered", "ExecutionAborted"]
    event = json.loads(cloud.message_with("Observed", noted["running"])["Body"])
    assert event["detail"]["status"] == "ABORTED"


def test_everything_still_works_together(restarted: Restarted) -> None:
    cloud, _, _ = restarted
    key = unique("incoming/")
    cloud.s3.put_object(Bucket=cloud["Bucket"], Key=key, Body=b"x")
    wait_for(lambda: cloud.consumed(key))
    answer = cloud.states.start_sync_execution(stateMachineArn=cloud["ExpressMachine"], input='{"n": 6}')
    assert json.loads(answer["output"])["square"] == 36
    _, inspected = cloud.invoke("Inspect")
    assert inspected["layer"] == "from the layer"


def test_stack_is_kept_and_can_be_deployed_again(restarted: Restarted) -> None:
    cloud, _, _ = restarted
    stack = cloud.server.client("cloudformation").describe_stacks(StackName="conformance")["Stacks"][0]
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    time_to_live = cloud.table.describe_time_to_live(TableName=cloud["Table"])["TimeToLiveDescription"]
    assert time_to_live["TimeToLiveStatus"] == "ENABLED"


def test_server_and_workers_listen_on_loopback_only(cloud: Cloud) -> None:
    cloud.invoke("Echo")
    assert cloud.server.process is not None
    parent = cloud.server.process.pid
    addresses = listening_addresses([parent, *workers_below(parent)])
    assert addresses == {"127.0.0.1"}


def listening_addresses(pids: list[int]) -> set[str]:
    """Local addresses that the processes accept TCP connections on."""
    if sys.platform != "linux":
        command = ["lsof", "-nP", "-iTCP", "-sTCP:LISTEN", "-Fn", "-a", "-p", ",".join(map(str, pids))]
        lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
        return {line[1:].rsplit(":", 1)[0] for line in lines if line.startswith("n")}
    entries = [entry for pid in pids for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()]
    links = [str(entry.readlink()) for entry in entries]
    sockets = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    found = set()
    for family, table in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                words = bytes.fromhex(fields[1].split(":")[0])
                packed = b"".join(words[n : n + 4][::-1] for n in range(0, len(words), 4))
                found.add(socket.inet_ntop(family, packed))
    return found


def test_killed_server_takes_its_workers_with_it(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        functions = server.client("lambda")
        code = zipped("def handler(event, context):\n    import time\n    time.sleep(60)\n")
        functions.create_function(
            FunctionName="sleeper",
            Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
            Handler="index.handler",
            Role="arn:aws:iam::000000000000:role/any",
            Code={"ZipFile": code},
            Timeout=60,
        )
        functions.invoke(FunctionName="sleeper", InvocationType="Event", Payload=b"{}")
        pids = wait_for(lambda: workers_below(server.process.pid) if server.process else None)
        server.stop(signal.SIGKILL)
        wait_for(lambda: not any(running(pid) for pid in pids), seconds=5)


def workers_below(parent: int) -> list[int]:
    columns = [option for column in ("pid=", "ppid=", "args=") for option in ("-o", column)]
    found = subprocess.run(["ps", "-A", "-ww", *columns], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in found.splitlines()]
    return [int(pid) for pid, parent_id, arguments in rows if int(parent_id) == parent and "bootstrap" in arguments]


def zipped(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", source)
    return buffer.getvalue()
