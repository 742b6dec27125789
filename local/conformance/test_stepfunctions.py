"""Step Functions: the language, the integrations that the project's machines use, and the API around them."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest
from asl import INVOKE, State, invoke, machine, mapped, passing, single
from conformance_cloud import Cloud, unique, wait_for


class TestQueryLanguage:
    def test_adds_step_functions_own_functions(self, cloud: Cloud) -> None:
        output = cloud.output_of(
            passing(
                {
                    "partition": "{% $partition($states.input.list, 2) %}",
                    "range": "{% $range(1, 9, 2) %}",
                    "down": "{% $range(3, 1, -1) %}",
                    "hash": "{% $hash('a', 'SHA-256') %}",
                    "uuid": "{% $length($uuid()) %}",
                    "parse": "{% $parse('{\"q\": [1, null]}').q[0] %}",
                    "random": "{% $random() < 1 and $random(7) = $random(7) %}",
                }
            ),
            {"list": [1, 2, 3]},
        )
        assert output == {
            "partition": [[1, 2], [3]],
            "range": [1, 3, 5, 7, 9],
            "down": [3, 2, 1],
            "hash": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
            "uuid": 36,
            "parse": 1,
            "random": True,
        }

    def test_context_object_describes_the_execution(self, cloud: Cloud) -> None:
        output = cloud.output_of(
            passing(
                {
                    "id": "{% $states.context.Execution.Id %}",
                    "input": "{% $states.context.Execution.Input %}",
                    "started": "{% $toMillis($states.context.Execution.StartTime) > 0 %}",
                    "state": "{% $states.context.State.Name %}",
                    "entered": "{% $exists($states.context.State.EnteredTime) %}",
                    "machine": "{% $states.context.StateMachine.Name %}",
                }
            ),
            {"a": 1},
        )
        assert output["id"].startswith("arn:aws:states:us-east-1:000000000000:execution:m-")
        assert output["input"] == {"a": 1}
        assert (output["started"], output["state"], output["entered"]) == (True, "Only", True)
        assert output["machine"].startswith("m-")

    @pytest.mark.parametrize("value", ['say "hi"', "back\\slash", "line\nbreak", "$states.input", "ü—…", "{% 1 %}"])
    def test_variables_keep_any_text(self, cloud: Cloud, value: str) -> None:
        definition = machine(
            "Keep",
            Keep={"Type": "Pass", "Assign": {"kept": "{% $states.input.text %}"}, "Next": "Give"},
            Give={"Type": "Pass", "Output": {"text": "{% $kept %}", "length": "{% $length($kept) %}"}, "End": True},
        )
        assert cloud.output_of(definition, {"text": value}) == {"text": value, "length": len(value)}

    def test_literals_and_expressions_are_json_strings(self, cloud: Cloud) -> None:
        text = 'say "hi"\\ back/slash\nline \U0001f600 ü'
        assert cloud.output_of(passing({"literal": text})) == {"literal": text}
        assert cloud.output_of(passing({"expression": "{% 'a\\tb 😀' & \"c\" %}"})) == {"expression": "a\tb 😀c"}

    def test_assign_is_seen_by_later_states_and_not_by_the_same_states_output(self, cloud: Cloud) -> None:
        definition = machine(
            "First",
            First={"Type": "Pass", "Assign": {"n": 1}, "Next": "Second"},
            Second={"Type": "Pass", "Assign": {"n": "{% $n + 1 %}"}, "Output": "{% $n %}", "Next": "Third"},
            Third={"Type": "Pass", "Output": ["{% $states.input %}", "{% $n %}"], "End": True},
        )
        assert cloud.output_of(definition) == [1, 2]

    def test_map_iterations_see_outer_variables_and_keep_their_own(self, cloud: Cloud) -> None:
        item = {
            "Own": {"Type": "Pass", "Assign": {"own": "{% $states.input * $factor %}"}, "Next": "Give"},
            "Give": {"Type": "Pass", "Output": "{% $own %}", "End": True},
        }
        definition = machine(
            "Set",
            Set={"Type": "Pass", "Assign": {"factor": 10}, "Next": "Each"},
            Each={
                "Type": "Map",
                "Items": "{% $states.input %}",
                "ItemProcessor": {"StartAt": "Own", "States": item},
                "End": True,
            },
        )
        assert cloud.output_of(definition, [1, 2, 3]) == [10, 20, 30]

    def test_sequences_and_nulls_behave_as_in_jsonata(self, cloud: Cloud) -> None:
        output = cloud.output_of(
            passing(
                {
                    "one_collapses": "{% $states.input.list[n = 1] %}",
                    "one_in_brackets": "{% [$states.input.list[n = 1]] %}",
                    "many": "{% $states.input.list[n > 1].n %}",
                    "null_stays": "{% $states.input.nothing %}",
                    "exists": "{% [$exists($states.input.nothing), $exists($states.input.missing)] %}",
                    "whole_numbers": "{% $sum([1, 2]) / 1 %}",
                    "fractions": "{% 7 / 2 %}",
                    "text": "{% $join($states.input.list.($string(n)), '-') %}",
                    "merge": "{% $merge([$states.input.list[0], {'x': null}]) %}",
                }
            ),
            {"list": [{"n": 1}, {"n": 2}, {"n": 3}], "nothing": None},
        )
        assert output == {
            "one_collapses": {"n": 1},
            "one_in_brackets": [{"n": 1}],
            "many": [2, 3],
            "null_stays": None,
            "exists": [True, False],
            "whole_numbers": 3,
            "fractions": 3.5,
            "text": "1-2-3",
            "merge": {"n": 1, "x": None},
        }

    @pytest.mark.parametrize("expression", ["$states.input.missing.deeper", "$number('x')", "1 + 'a'"])
    def test_what_cannot_be_evaluated_is_a_query_evaluation_error(self, cloud: Cloud, expression: str) -> None:
        catch = {
            "ErrorEquals": ["States.QueryEvaluationError"],
            "Output": {"error": "{% $states.errorOutput.Error %}", "cause": "{% $states.errorOutput.Cause %}"},
            "Next": "Caught",
        }
        task = {**invoke(cloud["Square"], {"n": "{% " + expression + " %}"}), "Catch": [catch], "End": True}
        output = cloud.output_of(machine("Try", Try=task, Caught={"Type": "Succeed"}))
        assert output["error"] == "States.QueryEvaluationError"
        assert expression in output["cause"]

    def test_jsonpath_states_work_beside_jsonata_states(self, cloud: Cloud) -> None:
        definition = {
            "StartAt": "Path",
            "States": {
                "Path": {"Type": "Pass", "Parameters": {"v.$": "$.n", "f.$": "States.Format('{}!', $.n)"}, "Next": "Q"},
                "Q": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.input.v * 2 %}", "End": True},
            },
        }
        assert cloud.output_of(definition, {"n": 4}) == 8


class TestFlow:
    def test_choice_takes_the_first_true_condition_and_assigns(self, cloud: Cloud) -> None:
        rule = {
            "Condition": "{% $states.input.kind in ['a', 'b'] and $count($states.input.list) = 2 %}",
            "Assign": {"kind": "{% $states.input.kind %}"},
            "Next": "Yes",
        }
        definition = machine(
            "Which",
            Which={"Type": "Choice", "Choices": [rule], "Default": "No"},
            Yes={"Type": "Pass", "Output": "{% 'yes ' & $kind %}", "End": True},
            No={"Type": "Pass", "Output": "no", "End": True},
        )
        assert cloud.output_of(definition, {"kind": "b", "list": [1, 2]}) == "yes b"
        assert cloud.output_of(definition, {"kind": "c", "list": [1, 2]}) == "no"

    def test_choice_without_match_or_default_fails(self, cloud: Cloud) -> None:
        definition = machine(
            "Which",
            Which={"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "End"}]},
            End={"Type": "Succeed"},
        )
        assert cloud.execute(definition)["error"] == "States.NoChoiceMatched"

    def test_parallel_gives_branch_outputs_in_order(self, cloud: Cloud) -> None:
        branches = [
            {"StartAt": "Slow", "States": {"Slow": {"Type": "Wait", "Seconds": 1, "Output": "slow", "End": True}}},
            {"StartAt": "Fast", "States": {"Fast": {"Type": "Pass", "Output": "fast", "End": True}}},
        ]
        assert cloud.output_of(single({"Type": "Parallel", "Branches": branches})) == ["slow", "fast"]

    def test_parallel_failure_is_caught_with_the_branchs_error(self, cloud: Cloud) -> None:
        branches = [
            {"StartAt": "Good", "States": {"Good": {"Type": "Pass", "End": True}}},
            {"StartAt": "Bad", "States": {"Bad": {**invoke(cloud["Fail"], {}), "End": True}}},
        ]
        catch = {"ErrorEquals": ["PoisonError"], "Output": "{% $states.errorOutput %}", "Next": "Caught"}
        output = cloud.output_of(
            machine(
                "Both",
                Both={"Type": "Parallel", "Branches": branches, "Catch": [catch], "End": True},
                Caught={"Type": "Succeed"},
            )
        )
        assert output["Error"] == "PoisonError"
        assert any("inner" in line for line in json.loads(output["Cause"])["stackTrace"])

    def test_fail_state_takes_error_and_cause_from_expressions(self, cloud: Cloud) -> None:
        definition = machine(
            "End", End={"Type": "Fail", "Error": "{% $states.input.e %}", "Cause": "{% 'because ' & $states.input.e %}"}
        )
        end = cloud.execute(definition, {"e": "My.Error"})
        assert (end["status"], end["error"], end["cause"]) == ("FAILED", "My.Error", "because My.Error")

    def test_wait_takes_seconds_and_timestamps(self, cloud: Cloud) -> None:
        began = time.monotonic()
        cloud.output_of(single({"Type": "Wait", "Seconds": "{% $states.input.s %}"}), {"s": 1})
        assert 0.9 < time.monotonic() - began < 4
        cloud.output_of(single({"Type": "Wait", "Timestamp": "2020-01-01T00:00:00Z"}))


class TestMap:
    def test_keeps_order_and_selects_items(self, cloud: Cloud) -> None:
        each = {
            "Type": "Map",
            "Items": "{% $states.input.list %}",
            "MaxConcurrency": "{% $states.input.most %}",
            "ItemSelector": {"n": "{% $states.context.Map.Item.Value + $states.context.Map.Item.Index * 0 %}"},
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "Square",
                "States": {
                    "Square": {
                        **invoke(cloud["Square"], "{% $states.input %}"),
                        "Output": "{% $states.result.Payload.square %}",
                        "End": True,
                    }
                },
            },
        }
        assert cloud.output_of(single(each), {"list": list(range(10)), "most": 3}) == [n * n for n in range(10)]

    def test_honours_max_concurrency(self, cloud: Cloud) -> None:
        steps = {
            "Hold": {"Type": "Wait", "Seconds": 1, "Output": "{% $millis() %}", "End": True},
        }
        each = {
            "Type": "Map",
            "Items": [1, 2, 3, 4],
            "MaxConcurrency": 2,
            "ItemProcessor": {"StartAt": "Hold", "States": steps},
        }
        ends = sorted(cloud.output_of(single(each)))
        assert ends[1] - ends[0] < 700
        assert ends[2] - ends[1] > 700

    def test_empty_list_gives_an_empty_list(self, cloud: Cloud) -> None:
        each = {
            "Type": "Map",
            "Items": "{% $states.input %}",
            "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}},
        }
        assert cloud.output_of(single(each), []) == []

    def test_failed_iteration_fails_the_map_with_its_error(self, cloud: Cloud) -> None:
        each = {
            "Type": "Map",
            "Items": [1, 2],
            "ItemProcessor": {"StartAt": "F", "States": {"F": {**invoke(cloud["Fail"], {}), "End": True}}},
        }
        assert cloud.execute(single(each))["error"] == "PoisonError"

    def test_runs_900_items_one_after_the_other(self, cloud: Cloud) -> None:
        each = {
            "Type": "Map",
            "Items": "{% [1..900] %}",
            "MaxConcurrency": 1,
            "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}},
            "Output": "{% $count($states.result) %}",
        }
        assert cloud.output_of(single(each)) == 900


class TestErrors:
    def test_retry_waits_with_backoff_up_to_its_maximum(self, cloud: Cloud) -> None:
        retry = {
            "ErrorEquals": ["TransientError"],
            "IntervalSeconds": 1,
            "BackoffRate": 2.0,
            "MaxDelaySeconds": 2,
            "MaxAttempts": 5,
        }
        task = invoke(cloud["Flaky"], {"key": unique(), "failures": 3}, Retry=[retry])
        instants = cloud.output_of(single(task))["instants"]
        gaps = [later - earlier for earlier, later in itertools.pairwise(instants)]
        assert len(instants) == 4
        assert [round(gap) for gap in gaps] == [1, 2, 2]

    def test_exhausted_retry_is_caught_with_the_last_error(self, cloud: Cloud) -> None:
        retry = {"ErrorEquals": ["TransientError"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 1}
        catch = {"ErrorEquals": ["States.TaskFailed"], "Output": "{% $states.errorOutput %}", "Next": "Caught"}
        task = invoke(cloud["Flaky"], {"key": unique(), "failures": 9}, Retry=[retry], Catch=[catch], End=True)
        output = cloud.output_of(machine("Try", Try=task, Caught={"Type": "Succeed"}))
        assert output["Error"] == "TransientError"
        assert json.loads(output["Cause"])["errorMessage"] == "attempt 2"

    def test_retry_and_catch_match_by_name(self, cloud: Cloud) -> None:
        other = {"ErrorEquals": ["SomethingElse"], "Next": "Wrong"}
        right = {"ErrorEquals": ["PoisonError"], "Output": "right", "Next": "Right"}
        retry = {"ErrorEquals": ["SomethingElse"], "IntervalSeconds": 30, "MaxAttempts": 3}
        task = invoke(cloud["Fail"], {}, Retry=[retry], Catch=[other, right], End=True)
        output = cloud.output_of(
            machine("Try", Try=task, Wrong={"Type": "Fail"}, Right={"Type": "Succeed"}), seconds=10
        )
        assert output == "right"

    def test_state_timeout_is_states_timeout(self, cloud: Cloud) -> None:
        catch = {"ErrorEquals": ["States.Timeout"], "Output": "{% $states.errorOutput.Error %}", "Next": "Caught"}
        task = invoke(cloud["Sleep"], {"seconds": 1.8}, TimeoutSeconds=1, Catch=[catch], End=True)
        assert cloud.output_of(machine("Try", Try=task, Caught={"Type": "Succeed"})) == "States.Timeout"

    def test_a_timed_out_item_of_a_map_is_retried_and_then_caught_by_name(self, cloud: Cloud) -> None:
        retry = {"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 1}
        caught = {"ErrorEquals": ["States.Timeout"], "Output": "{% $states.errorOutput.Error %}", "Next": "Caught"}
        task = {**invoke(cloud["Sleep"], {"seconds": 1.8}), "TimeoutSeconds": 1, "Retry": [retry]}
        steps = {"Sleep": {**task, "Catch": [caught], "End": True}, "Caught": {"Type": "Succeed"}}
        started = cloud.states.start_execution(
            stateMachineArn=cloud.machine(single(mapped([1, 2], "Sleep", steps))), input="{}"
        )
        end = cloud.end_of(started["executionArn"])
        assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", ["States.Timeout"] * 2)
        kinds = [event["type"] for event in cloud.history(started["executionArn"])]
        assert kinds.count("TaskTimedOut") == 4

    @pytest.mark.parametrize("within_parallel", [False, True])
    @pytest.mark.parametrize("error", ["States.Timeout", "States.HeartbeatTimeout", "States.NoChoiceMatched"])
    def test_a_map_fails_with_the_languages_own_error_of_its_item(
        self, cloud: Cloud, error: str, within_parallel: bool
    ) -> None:
        waiting = {"Type": "Task", "Resource": INVOKE + ".waitForTaskToken", "TimeoutSeconds": 20}
        waiting["Arguments"] = {
            "FunctionName": cloud["AnswerToken"],
            "Payload": {"token": "{% $states.context.Task.Token %}", "answer": "ignore"},
        }
        failing: dict[str, State] = {
            "States.Timeout": {**invoke(cloud["Sleep"], {"seconds": 1.8}), "TimeoutSeconds": 1, "End": True},
            "States.HeartbeatTimeout": {**waiting, "HeartbeatSeconds": 1, "End": True},
            "States.NoChoiceMatched": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "Fail"}]},
        }
        fine = {"Type": "Choice", "Choices": [{"Condition": "{% $states.input = 1 %}", "Next": "Give"}]}
        steps = {
            "Which": {**fine, "Default": "Fail"},
            "Give": {"Type": "Pass", "End": True},
            "Fail": failing[error],
        }
        each = mapped([1, 2], "Which", steps)
        if within_parallel:
            other = {"StartAt": "Other", "States": {"Other": {"Type": "Pass", "End": True}}}
            each = {
                "Type": "Parallel",
                "Branches": [other, {"StartAt": "Each", "States": {"Each": {**each, "End": True}}}],
            }
        retry = {"ErrorEquals": [error], "IntervalSeconds": 1, "MaxAttempts": 1}
        counted = {"ErrorEquals": [error], "Assign": {"error": "{% $states.errorOutput.Error %}"}, "Next": "Caught"}
        definition = machine(
            "Try",
            Try={**each, "Retry": [retry], "Catch": [counted], "End": True},
            Caught={"Type": "Pass", "Output": "{% $error %}", "End": True},
        )
        started = cloud.states.start_execution(stateMachineArn=cloud.machine(definition), input="{}")
        end = cloud.end_of(started["executionArn"])
        assert (end["status"], end.get("error"), end.get("output")) == ("SUCCEEDED", None, json.dumps(error))
        kinds = [event["type"] for event in cloud.history(started["executionArn"])]
        assert kinds.count("MapIterationFailed") == 2  # the first attempt and the retry

    def test_a_task_may_be_failed_from_outside_with_one_of_the_languages_own_errors(self, cloud: Cloud) -> None:
        waiting = {"Type": "Task", "Resource": INVOKE + ".waitForTaskToken", "TimeoutSeconds": 20}
        waiting["Arguments"] = {
            "FunctionName": cloud["AnswerToken"],
            "Payload": {"token": "{% $states.context.Task.Token %}", "answer": "fail", "error": "States.Timeout"},
        }
        assert cloud.execute(single(waiting))["error"] == "States.Timeout"

    def test_machine_timeout_ends_the_execution(self, cloud: Cloud) -> None:
        definition = {**single({"Type": "Wait", "Seconds": 20}), "TimeoutSeconds": 1}
        end = cloud.execute(definition, seconds=10)
        assert end["status"] == "TIMED_OUT"
        assert cloud.history(end["executionArn"])[-1]["type"] == "ExecutionTimedOut"

    def test_function_timeout_and_crash_have_lambdas_error_names(self, cloud: Cloud) -> None:
        assert cloud.execute(single(invoke(cloud["Sleep"], {"seconds": 5})))["error"] == "Sandbox.Timedout"
        assert cloud.execute(single(invoke(cloud["Exit"], {})))["error"] == "Runtime.ExitError"

    def test_missing_function_is_a_lambda_error(self, cloud: Cloud) -> None:
        arn = "arn:aws:lambda:us-east-1:000000000000:function:missing"
        assert cloud.execute(single(invoke(arn, {})))["error"] == "Lambda.ResourceNotFoundException"

    def test_output_over_256_kib_exceeds_the_data_limit(self, cloud: Cloud) -> None:
        end = cloud.execute(passing("{% $pad('x', 300000, 'a') %}"))
        assert end["error"] == "States.DataLimitExceeded"

    def test_data_limit_is_not_caught_by_states_all(self, cloud: Cloud) -> None:
        catch = {"ErrorEquals": ["States.ALL"], "Next": "Caught"}
        task = {
            **invoke(cloud["Square"], {"n": 1}),
            "Output": "{% $pad('x', 300000, 'a') %}",
            "Catch": [catch],
            "End": True,
        }
        end = cloud.execute(machine("Try", Try=task, Caught={"Type": "Succeed"}))
        assert end["error"] == "States.DataLimitExceeded"


class TestIntegrations:
    def test_function_is_chosen_by_an_expression(self, cloud: Cloud) -> None:
        functions = {"square": cloud["Square"]}
        definition = machine(
            "Set",
            Set={"Type": "Pass", "Assign": {"functions": functions}, "Next": "Call"},
            Call={**invoke("{% $lookup($functions, $states.input.which) %}", {"n": 5}), "End": True},
        )
        assert cloud.output_of(definition, {"which": "square"})["square"] == 25

    def test_lambda_result_has_status_and_version(self, cloud: Cloud) -> None:
        task = {**invoke(cloud["Square"], {"n": 2}), "Output": "{% $states.result %}"}
        output = cloud.output_of(single(task))
        assert (output["StatusCode"], output["ExecutedVersion"]) == (200, "$LATEST")
        assert output["Payload"] == {"n": 2, "square": 4}

    def test_dynamodb_conditional_failure_is_named(self, cloud: Cloud) -> None:
        put = {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:putItem",
            "Arguments": {
                "TableName": cloud["Table"],
                "Item": {"pk": {"S": unique()}, "sk": {"S": "1"}},
                "ConditionExpression": "attribute_not_exists(pk)",
            },
        }
        name = "DynamoDB.ConditionalCheckFailedException"
        catch = {"ErrorEquals": [name], "Output": "{% $states.errorOutput.Error %}", "Next": "Caught"}
        definition = machine(
            "Once",
            Once={**put, "Next": "Twice"},
            Twice={**put, "Catch": [catch], "End": True},
            Caught={"Type": "Succeed"},
        )
        assert cloud.output_of(definition) == name

    def test_dynamodb_items_are_updated_and_read(self, cloud: Cloud) -> None:
        key = {"pk": {"S": unique()}, "sk": {"S": "1"}}
        update = {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:updateItem",
            "Arguments": {
                "TableName": cloud["Table"],
                "Key": key,
                "UpdateExpression": "ADD n :five",
                "ExpressionAttributeValues": {":five": {"N": "5"}},
                "ReturnValues": "ALL_NEW",
            },
            "Output": "{% $states.result.Attributes.n.N %}",
            "Next": "Read",
        }
        read = {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:getItem",
            "Arguments": {"TableName": cloud["Table"], "Key": key, "ConsistentRead": True},
            "Output": "{% [$states.input, $states.result.Item.n.N] %}",
            "End": True,
        }
        assert cloud.output_of(machine("Update", Update=update, Read=read)) == ["5", "5"]

    def test_sdk_integrations_use_sdk_names_and_errors(self, cloud: Cloud) -> None:
        def s3(action: str, **arguments: Any) -> State:
            resource = f"arn:aws:states:::aws-sdk:s3:{action}"
            return {"Type": "Task", "Resource": resource, "Arguments": {"Bucket": cloud["Bucket"], **arguments}}

        key = unique("sdk/")
        definition = machine(
            "Put",
            Put={**s3("putObject", Key=key, Body={"x": 1}), "Next": "Get"},
            Get={**s3("getObject", Key=key), "Output": "{% $parse($states.result.Body).x %}", "End": True},
        )
        assert cloud.output_of(definition) == 1
        assert cloud.execute(single(s3("getObject", Key="missing")))["error"] == "S3.NoSuchKeyException"
        bad = {"TableName": cloud["Table"], "Key": {"pk": {"S": "only half of the key"}}}
        get = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:dynamodb:getItem", "Arguments": bad}
        assert cloud.execute(single(get))["error"].startswith("DynamoDb.")

    def test_messages_and_events_are_sent(self, cloud: Cloud) -> None:
        run = unique()
        send = {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage",
            "Arguments": {"QueueUrl": cloud["Observed"], "MessageBody": {"run": run}},
            "Next": "Tell",
        }
        entry = {"Source": "conformance.bus", "DetailType": "T", "Detail": {"key": f"k{run}", "total": 3}}
        tell = {
            "Type": "Task",
            "Resource": "arn:aws:states:::events:putEvents",
            "Arguments": {"Entries": [entry]},
            "Output": "{% $states.result.FailedEntryCount %}",
            "End": True,
        }
        assert cloud.output_of(machine("Send", Send=send, Tell=tell)) == 0
        found = [json.loads(message["Body"]) for message in cloud.messages_with("Observed", run, count=2)]
        assert {"run": run} in found
        assert {"key": f"k{run}", "from": "rule"} in found

    def test_nested_execution_returns_its_output(self, cloud: Cloud) -> None:
        child = cloud.machine(passing("{% $states.input.n + 1 %}"))
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Arguments": {
                "StateMachineArn": child,
                "Name": "{% 'child-' & $states.context.Execution.Name %}",
                "Input": {"n": "{% $states.input.n %}"},
            },
            "Output": "{% $states.result.Output %}",
        }
        began = time.monotonic()
        assert cloud.output_of(single(task), {"n": 1}) == 2
        assert time.monotonic() - began < 3

    def test_nested_failure_fails_the_task_with_the_childs_description(self, cloud: Cloud) -> None:
        child = cloud.machine(machine("End", End={"Type": "Fail", "Error": "Child.Error", "Cause": "why"}))
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Arguments": {"StateMachineArn": child},
        }
        end = cloud.execute(single(task))
        assert end["error"] == "States.TaskFailed"
        assert json.loads(end["cause"])["Error"] == "Child.Error"

    def test_stopped_parent_stops_its_child(self, cloud: Cloud) -> None:
        child = cloud.machine(single({"Type": "Wait", "Seconds": 60}))
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Arguments": {"StateMachineArn": child},
        }
        parent = cloud.states.start_execution(stateMachineArn=cloud.machine(single(task)))["executionArn"]
        running = wait_for(lambda: cloud.states.list_executions(stateMachineArn=child)["executions"])
        cloud.states.stop_execution(executionArn=parent)
        assert cloud.end_of(running[0]["executionArn"])["status"] == "ABORTED"


class TestTaskTokens:
    @staticmethod
    def through_queue(cloud: Cloud, queue: str, **body: Any) -> State:
        message = {"run": unique(), "token": "{% $states.context.Task.Token %}", **body}
        arguments: dict[str, Any] = {"QueueUrl": cloud[queue], "MessageBody": message}
        if queue == "Ordered":
            arguments |= {"MessageGroupId": "g", "MessageDeduplicationId": unique()}
        resource = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
        return {"Type": "Task", "Resource": resource, "Arguments": arguments, "TimeoutSeconds": 20}

    @pytest.mark.parametrize("queue", ["Work", "Ordered"])
    def test_queue_consumer_answers_success(self, cloud: Cloud, queue: str) -> None:
        state = self.through_queue(cloud, queue, answer="succeed", value=5)
        assert cloud.output_of(single(state)) == {"answer": 5}

    def test_queue_consumer_answers_failure_by_name(self, cloud: Cloud) -> None:
        catch = {"ErrorEquals": ["Reviewer.Rejected"], "Output": "{% $states.errorOutput %}", "Next": "Caught"}
        state = {**self.through_queue(cloud, "Work", answer="fail"), "Catch": [catch], "End": True}
        output = cloud.output_of(machine("Ask", Ask=state, Caught={"Type": "Succeed"}))
        assert output == {"Error": "Reviewer.Rejected", "Cause": "no"}

    def test_missing_heartbeat_times_out(self, cloud: Cloud) -> None:
        state = {**self.through_queue(cloud, "Work", answer="ignore"), "HeartbeatSeconds": 1}
        assert cloud.execute(single(state))["error"] == "States.HeartbeatTimeout"

    def test_heartbeats_keep_the_task_alive(self, cloud: Cloud) -> None:
        state = {**self.through_queue(cloud, "Work", answer="beat", beats=4), "HeartbeatSeconds": 2}
        assert cloud.output_of(single(state)) == {}

    def test_unanswered_token_times_out(self, cloud: Cloud) -> None:
        state = {**self.through_queue(cloud, "Work", answer="ignore"), "TimeoutSeconds": 1}
        assert cloud.execute(single(state))["error"] == "States.Timeout"

    def test_lambda_task_waits_for_its_token(self, cloud: Cloud) -> None:
        state = {
            "Type": "Task",
            "Resource": f"{INVOKE}.waitForTaskToken",
            "Arguments": {
                "FunctionName": cloud["AnswerToken"],
                "Payload": {"token": "{% $states.context.Task.Token %}", "answer": "succeed", "value": 1},
            },
        }
        assert cloud.output_of(single(state)) == {"answer": 1}

    def test_unknown_token_is_invalid(self, cloud: Cloud) -> None:
        with pytest.raises(cloud.states.exceptions.InvalidToken):
            cloud.states.send_task_success(taskToken="bogus", output="{}")

    def test_task_takes_one_answer_only(self, cloud: Cloud) -> None:
        state = {**self.through_queue(cloud, "RuleFailures"), "Next": "Hold"}
        definition = machine("Ask", Ask=state, Hold={"Type": "Wait", "Seconds": 30, "End": True})
        execution = cloud.states.start_execution(stateMachineArn=cloud.machine(definition))["executionArn"]
        token = json.loads(cloud.message_with("RuleFailures", state["Arguments"]["MessageBody"]["run"])["Body"])[
            "token"
        ]
        cloud.states.send_task_heartbeat(taskToken=token)
        cloud.states.send_task_success(taskToken=token, output="{}")
        wait_for(lambda: cloud.history(execution)[-1]["type"] == "WaitStateEntered")
        with pytest.raises(cloud.states.exceptions.TaskTimedOut):
            cloud.states.send_task_success(taskToken=token, output="{}")
        cloud.states.stop_execution(executionArn=execution)
        cloud.end_of(execution)
        with pytest.raises(cloud.states.exceptions.TaskTimedOut):
            cloud.states.send_task_failure(taskToken=token)


class TestApi:
    def test_deployed_machine_ingests_once(self, cloud: Cloud) -> None:
        key = unique()
        given = json.dumps({"key": key, "numbers": [1, 2, 3]})
        for expected in ("SUCCEEDED", "FAILED"):
            started = cloud.states.start_execution(stateMachineArn=cloud["IngestMachine"], input=given)
            end = cloud.end_of(started["executionArn"])
            assert end["status"] == expected, end
        assert end["error"] == "DynamoDB.ConditionalCheckFailedException"
        assert cloud.items(f"ingest#{key}")[0]["total"]["N"] == "14"

    def test_express_machine_answers_synchronously(self, cloud: Cloud) -> None:
        answer = cloud.states.start_sync_execution(stateMachineArn=cloud["ExpressMachine"], input='{"n": 6}')
        assert (answer["status"], json.loads(answer["output"])["square"]) == ("SUCCEEDED", 36)

    def test_invalid_definitions_are_refused(self, cloud: Cloud) -> None:
        for definition in (
            {"StartAt": "A", "States": {"A": {"Type": "Nonsense", "End": True}}},
            {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Missing"}}},
            {"StartAt": "Missing", "States": {"A": {"Type": "Pass", "End": True}}},
        ):
            with pytest.raises(cloud.states.exceptions.InvalidDefinition):
                cloud.machine(definition)

    def test_name_makes_a_start_idempotent_while_it_runs(self, cloud: Cloud) -> None:
        arn = cloud.machine(single({"Type": "Wait", "Seconds": 30}))
        first = cloud.states.start_execution(stateMachineArn=arn, name="n", input='{"a": 1}')
        again = cloud.states.start_execution(stateMachineArn=arn, name="n", input='{"a":1}')
        assert again["executionArn"] == first["executionArn"]
        with pytest.raises(cloud.states.exceptions.ExecutionAlreadyExists):
            cloud.states.start_execution(stateMachineArn=arn, name="n", input='{"a": 2}')
        cloud.states.stop_execution(executionArn=first["executionArn"], error="E", cause="c")
        with pytest.raises(cloud.states.exceptions.ExecutionAlreadyExists):
            cloud.states.start_execution(stateMachineArn=arn, name="n", input='{"a": 1}')

    def test_stopped_execution_is_aborted_at_once(self, cloud: Cloud) -> None:
        arn = cloud.machine(single(TestTaskTokens.through_queue(cloud, "Work", answer="ignore")))
        execution = cloud.states.start_execution(stateMachineArn=arn)["executionArn"]
        wait_for(lambda: [e for e in cloud.history(execution) if e["type"] == "TaskSubmitted"])
        cloud.states.stop_execution(executionArn=execution, error="E", cause="c")
        end = cloud.states.describe_execution(executionArn=execution)
        assert (end["status"], end["error"], end["cause"]) == ("ABORTED", "E", "c")
        wait_for(lambda: cloud.history(execution)[-1]["type"] == "ExecutionAborted")
        aborted = cloud.states.list_executions(stateMachineArn=arn, statusFilter="ABORTED")["executions"]
        assert [item["executionArn"] for item in aborted] == [execution]

    def test_history_tells_every_step(self, cloud: Cloud) -> None:
        call = {**invoke(cloud["Square"], {"n": 2}), "Next": "Which"}
        which = {"Type": "Choice", "Choices": [{"Condition": "{% $states.input.square = 4 %}", "Next": "Each"}]}
        each = {
            "Type": "Map",
            "Items": [1, 2],
            "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}},
            "End": True,
        }
        execution = cloud.execute(machine("Call", Call=call, Which=which, Each=each))["executionArn"]
        events = cloud.history(execution)
        kinds = [event["type"] for event in events]
        steps = [
            "ExecutionStarted",
            *("TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited"),
            *("ChoiceStateEntered", "ChoiceStateExited", "MapStateEntered", "MapStateStarted"),
        ]
        assert kinds[: len(steps)] == steps
        assert kinds.count("MapIterationSucceeded") == 2
        assert kinds[-3:] == ["MapStateSucceeded", "MapStateExited", "ExecutionSucceeded"]
        assert [event["id"] for event in events] == list(range(1, len(events) + 1))
        scheduled = next(event for event in events if event["type"] == "TaskScheduled")
        assert scheduled["taskScheduledEventDetails"]["resourceType"] == "lambda"
        first = cloud.states.get_execution_history(executionArn=execution, maxResults=5)
        assert len(first["events"]) == 5
        rest = cloud.states.get_execution_history(executionArn=execution, maxResults=5, nextToken=first["nextToken"])
        assert rest["events"][0]["id"] == 6
        assert cloud.history(execution, reverseOrder=True)[0]["type"] == "ExecutionSucceeded"

    def test_history_can_be_read_while_running(self, cloud: Cloud) -> None:
        arn = cloud.machine(single({"Type": "Wait", "Seconds": 30}))
        execution = cloud.states.start_execution(stateMachineArn=arn)["executionArn"]
        wait_for(lambda: [e for e in cloud.history(execution) if e["type"] == "WaitStateEntered"])
        cloud.states.stop_execution(executionArn=execution)

    def test_transitions_cost_little(self, cloud: Cloud) -> None:
        steps = {
            f"S{n}": {"Type": "Pass", "Output": "{% {'n': $states.input.n + 1} %}", "Next": f"S{n + 1}"}
            for n in range(50)
        }
        arn = cloud.machine(machine("S0", **steps, S50={"Type": "Succeed"}))
        cloud.end_of(cloud.states.start_execution(stateMachineArn=arn, input='{"n": 0}')["executionArn"])
        began = time.perf_counter()
        execution = cloud.states.start_execution(stateMachineArn=arn, input='{"n": 0}')["executionArn"]
        end = cloud.end_of(execution)
        # about 1 ms each on an idle machine; the bound only has to catch a pause built in by mistake
        assert time.perf_counter() - began < 50 * 0.02
        assert json.loads(end["output"]) == {"n": 50}
