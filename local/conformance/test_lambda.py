"""Lambda: real processes with AWS's runtime client, its errors, limits, logs and destinations."""

from __future__ import annotations

import base64
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conformance_cloud import Cloud, unique


def tail(response: dict[str, str]) -> str:
    return base64.b64decode(response["LogResult"]).decode()


def test_context_describes_the_invocation(cloud: Cloud) -> None:
    response, answer = cloud.invoke("Echo", {"a": [1, "ü", None]})
    assert response["StatusCode"] == 200
    assert response["ExecutedVersion"] == "$LATEST"
    assert answer["echo"] == {"a": [1, "ü", None]}
    assert answer["arn"] == cloud["Echo"]
    assert answer["function"] == cloud["Echo"].rsplit(":", 1)[1]
    assert 15_000 < answer["remaining_ms"] <= 20_000
    assert answer["memory_mb"] == "256"


def test_environment_is_lambdas_and_not_the_hosts(cloud: Cloud) -> None:
    _, answer = cloud.invoke("Inspect")
    environment = answer["environment"]
    assert environment["TABLE"] == cloud["Table"]
    assert environment["AWS_ENDPOINT_URL"] == cloud.server.endpoint_url
    assert environment["AWS_ALLOW_HTTP"] == "true"
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"].startswith("/aws/lambda/")
    assert environment["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3.")
    assert environment["_HANDLER"] == "handlers.inspect"
    assert environment["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert answer["cwd"] == environment["LAMBDA_TASK_ROOT"]
    leaked = {"PYENV_ROOT", "VIRTUAL_ENV", "STATE_DIR", "PERSIST_STATE", "OF_THE_HOST"}
    assert not leaked & environment.keys()


def test_layer_is_unpacked_once_and_shared(cloud: Cloud) -> None:
    _, first = cloud.invoke("Inspect")
    assert first["layer"] == "from the layer"
    layers = cloud.server.state_dir / "layers"
    assert Path(first["layer_file"]).is_relative_to(layers)
    cloud.invoke("Echo")
    assert len(list(layers.iterdir())) == 1


def test_handler_error_keeps_type_message_and_trace(cloud: Cloud) -> None:
    response, error = cloud.invoke("Fail", {"z": 1}, LogType="Tail")
    assert response["FunctionError"] == "Unhandled"
    assert error["errorType"] == "PoisonError"
    assert error["errorMessage"] == 'poison: {"z": 1}'
    assert any("inner" in line for line in error["stackTrace"])
    log = tail(response)
    assert "about to fail" in log
    assert "[ERROR] PoisonError" in log


def test_worker_survives_a_handler_error(cloud: Cloud) -> None:
    before = workers_of(cloud, "Fail")
    cloud.invoke("Fail")
    cloud.invoke("Fail")
    after = workers_of(cloud, "Fail")
    assert not before or before == after


def workers_of(cloud: Cloud, function: str) -> list[int]:
    name = cloud[function].rsplit(":", 1)[1]
    records = [record for record in cloud.server.page("lambda") if record["function"] == name]
    return list(records[0]["worker_pids"]) if records else []


def test_timeout_ends_the_process_and_the_next_invocation_works(cloud: Cloud) -> None:
    began = time.monotonic()
    response, error = cloud.invoke("Sleep", {"seconds": 6})
    assert time.monotonic() - began < 5
    assert response["FunctionError"] == "Unhandled"
    assert error["errorType"] == "Sandbox.Timedout"
    assert re.fullmatch(r"RequestId: [0-9a-f-]{36} Error: Task timed out after 2\.00 seconds", error["errorMessage"])
    _, answer = cloud.invoke("Sleep", {"seconds": 0})
    assert answer["pid"]


def test_process_exit_is_a_runtime_exit_error(cloud: Cloud) -> None:
    response, error = cloud.invoke("Exit", {"code": 3})
    assert response["FunctionError"] == "Unhandled"
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Runtime exited with error: exit status 3")
    _, error = cloud.invoke("Exit", {"code": 0})
    assert error["errorMessage"].endswith("Runtime exited without providing a reason")


def test_import_error_is_reported_by_every_invocation(cloud: Cloud) -> None:
    for _ in range(2):
        response, error = cloud.invoke("BrokenImport")
        assert response["FunctionError"] == "Unhandled"
        assert error["errorType"] == "Runtime.ImportModuleError"
        assert "no_such_module" in error["errorMessage"]


def test_report_line_tells_true_peak_memory(cloud: Cloud) -> None:
    response, _ = cloud.invoke("Allocate", {"megabytes": 120}, LogType="Tail")
    report = next(line for line in tail(response).splitlines() if line.startswith("REPORT"))
    used = int(re.search(r"Max Memory Used: (\d+) MB", report)[1])  # type: ignore[index]
    assert 120 < used < 220
    assert "Memory Size: 256 MB" in report
    name = cloud["Allocate"].rsplit(":", 1)[1]
    record = next(record for record in cloud.server.page("lambda") if record["function"] == name)
    assert record["memory_size_mb"] == 256
    assert 120 < record["peak_rss_mb"] < 220
    assert record["invocations"] >= 1
    assert record["cold_starts"] >= 1


def test_concurrent_invocations_use_several_workers_and_queue_beyond(cloud: Cloud) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: cloud.invoke("Sleep", {"seconds": 0.3})[1], range(6)))
    assert len({answer["pid"] for answer in answers}) == 2


def test_reserved_concurrency_throttles(cloud: Cloud) -> None:
    cloud.functions.put_function_concurrency(FunctionName=cloud["Sleep"], ReservedConcurrentExecutions=1)
    try:
        throttled = 0

        def invoke(_: int) -> int:
            try:
                cloud.invoke("Sleep", {"seconds": 0.5})
            except cloud.functions.exceptions.TooManyRequestsException:
                return 1
            return 0

        with ThreadPoolExecutor(3) as pool:
            throttled = sum(pool.map(invoke, range(3)))
        assert throttled == 2
    finally:
        cloud.functions.delete_function_concurrency(FunctionName=cloud["Sleep"])


def test_changed_configuration_reaches_the_next_invocation(cloud: Cloud) -> None:
    current = cloud.functions.get_function_configuration(FunctionName=cloud["Inspect"])
    variables = {**current["Environment"]["Variables"], "CHANGED": unique()}
    cloud.functions.update_function_configuration(FunctionName=cloud["Inspect"], Environment={"Variables": variables})
    cloud.functions.get_waiter("function_updated_v2").wait(
        FunctionName=cloud["Inspect"], WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    _, answer = cloud.invoke("Inspect")
    assert answer["environment"]["CHANGED"] == variables["CHANGED"]


def test_published_version_keeps_its_configuration(cloud: Cloud) -> None:
    version = cloud.functions.publish_version(FunctionName=cloud["Square"])["Version"]
    cloud.functions.create_alias(FunctionName=cloud["Square"], Name=f"a{version}", FunctionVersion=version)
    response = cloud.functions.invoke(FunctionName=cloud["Square"], Qualifier=f"a{version}", Payload='{"n": 3}')
    assert response["ExecutedVersion"] == version
    assert json.loads(response["Payload"].read()) == {"n": 3, "square": 9}


def test_output_goes_to_the_functions_log_group(cloud: Cloud) -> None:
    cloud.invoke("Inspect")
    group = "/aws/lambda/" + cloud["Inspect"].rsplit(":", 1)[1]
    messages = [event["message"] for event in cloud.logs.filter_log_events(logGroupName=group)["events"]]
    assert "a printed line" in messages
    assert any(message.startswith("REPORT RequestId: ") for message in messages)
    streams = cloud.logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", streams[0]["logStreamName"])


def test_missing_function_is_not_found(cloud: Cloud) -> None:
    with pytest.raises(cloud.functions.exceptions.ResourceNotFoundException):
        cloud.functions.invoke(FunctionName="no-such-function", Payload="{}")


def test_asynchronous_success_goes_to_its_destination(cloud: Cloud) -> None:
    run = unique()
    response = cloud.functions.invoke(
        FunctionName=cloud["AsyncEcho"], InvocationType="Event", Payload=json.dumps({"run": run})
    )
    assert response["StatusCode"] == 202
    record = json.loads(cloud.message_with("Observed", run)["Body"])
    assert record["requestContext"]["condition"] == "Success"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responsePayload"]["echo"] == {"run": run}


def test_asynchronous_failure_goes_to_its_destination_after_its_retries(cloud: Cloud) -> None:
    run = unique()
    cloud.functions.invoke(FunctionName=cloud["AsyncFail"], InvocationType="Event", Payload=json.dumps({"run": run}))
    record = json.loads(cloud.message_with("FailedInvocations", run)["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorType"] == "PoisonError"


def test_warm_invocation_has_no_pause_built_in(cloud: Cloud) -> None:
    cloud.invoke("Square", {"n": 1})
    costs = []
    for _ in range(60):
        began = time.perf_counter()
        cloud.invoke("Square", {"n": 1})
        costs.append(time.perf_counter() - began)
    # about 3 ms on an idle machine; a busy one lengthens some of them, a pause of 50 ms by mistake lengthens all
    assert min(costs) < 0.03


def test_idle_function_keeps_its_worker(cloud: Cloud) -> None:
    cloud.invoke("Square", {"n": 1})
    before = workers_of(cloud, "Square")
    cloud.invoke("Square", {"n": 1})
    assert set(before) <= set(workers_of(cloud, "Square"))
