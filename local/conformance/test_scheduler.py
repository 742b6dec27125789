"""EventBridge Scheduler: groups, schedules, when they invoke what, and what becomes of those that cannot.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule.html
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from asl import single
from conformance_cloud import Cloud, run_in_server_environment, unique, wait_for


def at(seconds: float, zone: str = "UTC") -> str:
    """An expression for so many seconds from now, in the local time of the zone."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return f"at({moment.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M:%S})"


def create(cloud: Cloud, expression: str, arn: str, given: Any = None, **options: Any) -> str:
    """A schedule of the stack's group; its name."""
    name = unique()
    target = {"Arn": arn, "RoleArn": cloud["MachineRole"], **options.pop("Target", {})}
    cloud.scheduler.create_schedule(
        Name=name,
        GroupName=cloud["Schedules"],
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target | ({"Input": json.dumps(given)} if given is not None else {}),
        **options,
    )
    return name


def event(run: str) -> dict[str, Any]:
    """What the function that notes events can read."""
    return {"id": "<aws.scheduler.execution-id>", "detail": {"run": run}}


class TestInvocations:
    def test_one_time_schedule_invokes_a_function_once(self, cloud: Cloud) -> None:
        run = unique()
        create(cloud, at(2), cloud["EventConsumer"], event(run))
        (noted,) = wait_for(lambda: cloud.items(f"event#{run}"))
        assert len(noted["sk"]["S"]) == 36

    def test_time_zone_of_a_one_time_schedule_counts(self, cloud: Cloud) -> None:
        run = unique()
        zone = "Asia/Tokyo"
        create(cloud, at(2, zone), cloud["EventConsumer"], event(run), ScheduleExpressionTimezone=zone)
        wait_for(lambda: cloud.items(f"event#{run}"))

    def test_state_machine_is_started_with_the_input_and_its_context_attributes(self, cloud: Cloud) -> None:
        """https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html"""
        arn = cloud.machine(single({"Type": "Pass"}))
        given = {"time": "<aws.scheduler.scheduled-time>", "attempt": "<aws.scheduler.attempt-number>"}
        create(cloud, at(2), arn, given)
        (execution,) = wait_for(lambda: cloud.states.list_executions(stateMachineArn=arn)["executions"])
        received = json.loads(cloud.end_of(execution["executionArn"])["input"])
        assert received["attempt"] == "1"
        assert datetime.strptime(received["time"], "%Y-%m-%dT%H:%M:%SZ")

    def test_rate_without_a_start_date_begins_at_once(self, cloud: Cloud) -> None:
        """https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#rate-based"""
        run = unique()
        create(cloud, "rate(6 hours)", cloud["EventConsumer"], event(run))
        assert len(wait_for(lambda: cloud.items(f"event#{run}"))) == 1

    def test_disabled_schedule_does_not_invoke_until_it_is_enabled(self, cloud: Cloud) -> None:
        off, on = unique(), unique()
        name = create(cloud, at(2), cloud["EventConsumer"], event(off), State="DISABLED")
        create(cloud, at(3), cloud["EventConsumer"], event(on))
        wait_for(lambda: cloud.items(f"event#{on}"))
        assert cloud.items(f"event#{off}") == []
        schedule = cloud.scheduler.get_schedule(Name=name, GroupName=cloud["Schedules"])
        assert schedule["State"] == "DISABLED"
        kept = {key: schedule[key] for key in ("Name", "GroupName", "FlexibleTimeWindow", "Target")}
        cloud.scheduler.update_schedule(**kept, ScheduleExpression=at(2), State="ENABLED")
        wait_for(lambda: cloud.items(f"event#{off}"))

    def test_completed_schedule_leaves_if_it_says_so(self, cloud: Cloud) -> None:
        run = unique()
        name = create(cloud, at(2), cloud["EventConsumer"], event(run), ActionAfterCompletion="DELETE")
        wait_for(lambda: cloud.items(f"event#{run}"))

        def gone() -> bool:
            try:
                cloud.scheduler.get_schedule(Name=name, GroupName=cloud["Schedules"])
            except cloud.scheduler.exceptions.ResourceNotFoundException:
                return True
            return False

        wait_for(gone)

    def test_missing_target_is_tried_again_and_then_told_to_the_dead_letters(self, cloud: Cloud) -> None:
        """https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html"""
        run = unique()
        queue = cloud.sqs.get_queue_attributes(QueueUrl=cloud["RuleFailures"], AttributeNames=["QueueArn"])
        letters = {
            "DeadLetterConfig": {"Arn": queue["Attributes"]["QueueArn"]},
            "RetryPolicy": {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60},
        }
        missing = cloud["IngestMachine"] + "-missing"
        name = create(cloud, at(2), missing, {"run": run}, Target=letters)
        dead = cloud.message_with("RuleFailures", run)
        assert json.loads(dead["Body"]) == {"run": run}
        attributes = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
        assert attributes["ERROR_CODE"] == "StateMachineDoesNotExist"
        assert attributes["TARGET_ARN"] == missing
        assert attributes["SCHEDULE_ARN"].endswith(f":schedule/{cloud['Schedules']}/{name}")
        assert attributes["RETRY_ATTEMPTS"] == "1"


class TestApi:
    def test_template_makes_groups_and_schedules(self, cloud: Cloud) -> None:
        group = cloud.scheduler.get_schedule_group(Name=cloud["Schedules"])
        assert group["State"] == "ACTIVE"
        assert group["Arn"].endswith(":schedule-group/conformance-sources")
        schedule = cloud.scheduler.get_schedule(Name=cloud["NightlySchedule"], GroupName=cloud["Schedules"])
        assert schedule["ScheduleExpression"] == "cron(0 3 ? * MON-FRI *)"
        assert schedule["ScheduleExpressionTimezone"] == "Europe/Berlin"
        assert schedule["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}

    def test_schedules_are_updated_listed_in_pages_and_deleted(self, cloud: Cloud) -> None:
        group = unique("g-")
        cloud.scheduler.create_schedule_group(Name=group)
        target = {"Arn": cloud["EventConsumer"], "RoleArn": cloud["MachineRole"], "Input": "{}"}
        common = {"GroupName": group, "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target, "State": "DISABLED"}
        for number in range(3):
            cloud.scheduler.create_schedule(Name=f"s{number}", ScheduleExpression="rate(6 hours)", **common)
        with pytest.raises(cloud.scheduler.exceptions.ConflictException):
            cloud.scheduler.create_schedule(Name="s0", ScheduleExpression="rate(6 hours)", **common)
        cloud.scheduler.update_schedule(Name="s1", ScheduleExpression="rate(1 hour)", **common)
        assert cloud.scheduler.get_schedule(Name="s1", GroupName=group)["ScheduleExpression"] == "rate(1 hour)"
        pages = cloud.scheduler.get_paginator("list_schedules").paginate(
            GroupName=group, PaginationConfig={"PageSize": 2}
        )
        assert [[schedule["Name"] for schedule in page["Schedules"]] for page in pages] == [["s0", "s1"], ["s2"]]
        cloud.scheduler.delete_schedule(Name="s0", GroupName=group)
        with pytest.raises(cloud.scheduler.exceptions.ResourceNotFoundException):
            cloud.scheduler.get_schedule(Name="s0", GroupName=group)
        with pytest.raises(cloud.scheduler.exceptions.ResourceNotFoundException):
            cloud.scheduler.update_schedule(Name="s0", ScheduleExpression="rate(1 hour)", **common)

    @pytest.mark.parametrize(
        "expression", ["rate(0.5 hours)", "rate(6 weeks)", "cron(0 3 * * *)", "at(tomorrow)", "6h"]
    )
    def test_invalid_expressions_are_refused(self, cloud: Cloud, expression: str) -> None:
        with pytest.raises(cloud.scheduler.exceptions.ValidationException):
            create(cloud, expression, cloud["EventConsumer"])

    def test_unknown_time_zones_and_groups_are_refused(self, cloud: Cloud) -> None:
        with pytest.raises(cloud.scheduler.exceptions.ValidationException):
            create(cloud, "rate(1 hour)", cloud["EventConsumer"], ScheduleExpressionTimezone="Mars/Olympus")
        with pytest.raises(cloud.scheduler.exceptions.ResourceNotFoundException):
            cloud.scheduler.create_schedule(
                Name=unique(),
                GroupName="no-such-group",
                ScheduleExpression="rate(1 hour)",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={"Arn": cloud["EventConsumer"], "RoleArn": cloud["MachineRole"]},
            )


def invocations(schedule: dict[str, Any], after: str, count: int) -> list[str | None]:
    """The next instants of a schedule, asked of the server's own function in the server's environment."""
    program = """
import json, sys
from datetime import datetime, UTC
from omnilake_local.server.services.schedules import next_invocation
schedule, after, count = json.load(sys.stdin)
schedule["CreationDate"] = datetime.fromisoformat(schedule.get("CreationDate", after)).timestamp()
moment, found = datetime.fromisoformat(after).timestamp(), []
for _ in range(count):
    next_one = next_invocation(schedule, moment)
    found.append(next_one and datetime.fromtimestamp(next_one, UTC).isoformat(timespec="minutes").split("+")[0])
    moment = (next_one or moment) + 0.001
print(json.dumps(found))
"""
    return list(run_in_server_environment(program, told=json.dumps([schedule, after, count])))


class TestTimes:
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html"""

    def test_rates_count_from_the_start_date(self) -> None:
        schedule = {"ScheduleExpression": "rate(6 hours)", "StartDate": "2026-03-01T01:00:00Z"}
        found = invocations(schedule, "2026-03-01T08:00:00+00:00", 2)
        assert found == ["2026-03-01T13:00", "2026-03-01T19:00"]
        schedule["EndDate"] = "2026-03-01T15:00:00Z"
        assert invocations(schedule, "2026-03-01T08:00:00+00:00", 2) == ["2026-03-01T13:00", None]

    def test_cron_follows_the_clocks_of_its_time_zone(self) -> None:
        schedule = {"ScheduleExpression": "cron(30 3 * * ? *)", "ScheduleExpressionTimezone": "Europe/Berlin"}
        found = invocations(schedule, "2026-03-28T00:00:00+00:00", 3)
        # clocks go forward on 29 March 2026
        assert found == ["2026-03-28T02:30", "2026-03-29T01:30", "2026-03-30T01:30"]

    def test_cron_knows_last_days_weekdays_and_steps(self) -> None:
        after = "2026-02-01T00:00:00+00:00"
        assert invocations({"ScheduleExpression": "cron(0 12 L * ? *)"}, after, 1) == ["2026-02-28T12:00"]
        assert invocations({"ScheduleExpression": "cron(0 12 ? * 2#1 *)"}, after, 1) == ["2026-02-02T12:00"]
        assert invocations({"ScheduleExpression": "cron(0/20 0 * * ? 2027)"}, after, 2) == [
            "2027-01-01T00:00",
            "2027-01-01T00:20",
        ]
