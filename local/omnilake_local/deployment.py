"""Build with the real ``sam build``, deploy with the real ``sam deploy``, to the embedded cloud.

``sam build --cached`` keeps each layer's artifacts by the hash of the layer's own source folder, also with
``BuildMethod: makefile``: a change of functions, state machines or the template builds no layer again. Its key holds
the runtime and the architecture too, both of which the host decides here. It does not hold what lies beside the
layers and builds them (``layers/layer_builder``), so the cache's folder is named after that.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from omnilake_local.cloud import cloud_environment
from omnilake_local.environments import Environment
from omnilake_local.errors import LocalCloudError
from omnilake_local.fingerprint import shared_build_code
from omnilake_local.host import Host
from omnilake_local.packages import package_layers
from omnilake_local.paths import Project, StateDir
from omnilake_local.samconfig import CONFIG_ENV, LocalConfig
from omnilake_local.subprocesses import Watch, run_logged, tail

_SEE_LOG = "See `omnilake local logs --server`."
_CHANGE_SET_EXISTS = re.compile(r"CreateChangeSet operation.*ChangeSet \[.*\] already exists")
_EMPTY = '""'
"""What SAM takes for a parameter's empty value."""

_COMPLETE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}
UNUSABLE = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"}
"""A first deployment that failed: CloudFormation takes no update, only a deletion; nothing was ever in it."""


def client(service: Any, endpoint_url: str, region: str = "us-east-1") -> Any:
    """A boto3 client of the embedded cloud that does not look at the user's AWS configuration."""
    values = cloud_environment(endpoint_url, region)
    session = boto3.session.Session(values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"], region_name=region)
    config = Config(retries={"total_max_attempts": 2}, connect_timeout=2, read_timeout=30)
    return session.client(service, endpoint_url=endpoint_url, config=config)


def stack_status(endpoint_url: str, stack_name: str) -> str | None:
    """Status of the stack, or None if there is no such stack.

    Raises:
        LocalCloudError: the embedded cloud does not answer.
    """
    try:
        stacks = client("cloudformation", endpoint_url).describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise LocalCloudError(f"CloudFormation answers: {error}", action=_SEE_LOG) from error
    except BotoCoreError as error:
        raise LocalCloudError(f"The embedded cloud does not answer: {error}", action=_SEE_LOG) from error
    return str(stacks[0]["StackStatus"]) if stacks and stacks[0]["StackStatus"] != "DELETE_COMPLETE" else None


def failed_resources(endpoint_url: str, stack_name: str, since: datetime) -> list[str]:
    """Resources that failed since then, each with CloudFormation's reason, the first failure first."""
    try:
        events = client("cloudformation", endpoint_url).describe_stack_events(StackName=stack_name)["StackEvents"]
    except (ClientError, BotoCoreError):
        return []  # no stack, or no answer: SAM's own output is all there is
    return [
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', '')}"
        for event in sorted(events, key=lambda event: event["Timestamp"])
        if event["ResourceStatus"].endswith("_FAILED") and event["Timestamp"] >= since
    ]


def lost_an_answer(log: Path) -> bool:
    """Whether ``sam deploy`` failed since the answer to its change set's creation was lost.

    SAM names a change set by the second and creates it once. One that exists was created by the same call: botocore
    repeats a call that gets no answer (the connection broke, or a busy machine took over a minute), and CloudFormation
    refuses the second of that name. Another deployment makes another name.
    """
    return any(_CHANGE_SET_EXISTS.search(line) for line in tail(log))


@dataclass(frozen=True)
class Deployment:
    """One project's stack in one embedded cloud."""

    project: Project
    state: StateDir
    host: Host
    config: LocalConfig
    sam: Environment
    uv: str

    def is_current(self, endpoint_url: str, fingerprint: str, parameters: Mapping[str, str]) -> bool:
        """Whether the stack stands and was deployed from this very source, with these further parameters."""
        deployed = self._deployed()
        if (deployed.get("fingerprint"), deployed.get("parameters", {})) != (fingerprint, dict(parameters)):
            return False
        return stack_status(endpoint_url, self.config.stack_name) in _COMPLETE

    def never_succeeded(self, endpoint_url: str) -> bool:
        """Whether a first deployment failed and left a stack that takes no update."""
        failed = stack_status(endpoint_url, self.config.stack_name) in UNUSABLE
        return failed and not self.state.deployed.is_file()

    def is_built(self, fingerprint: str) -> bool:
        """Whether the build directory holds what this very source builds to."""
        marker = self.project.build_marker
        return self.project.built_template.is_file() and marker.is_file() and marker.read_text() == fingerprint

    def build(self, fingerprint: str, watch: Watch | None = None) -> None:
        """Run ``sam build`` for this host.

        Raises:
            LocalCloudError: it failed, or make is missing.
        """
        if shutil.which("make") is None:
            raise LocalCloudError("make is not installed; the layers are built with it.", action="Install make.")
        log = self.state.logs / "sam-build.log"
        log.unlink(missing_ok=True)
        self.project.build_marker.unlink(missing_ok=True)
        cache = self.project.build_cache / shared_build_code(self.project)
        if self.project.build_cache.is_dir():
            for old in self.project.build_cache.iterdir():
                if old != cache:
                    shutil.rmtree(old, ignore_errors=True)
        run_logged(
            [
                str(self.sam.path / "bin" / "sam"), "build",
                *self._common_options(self.project.template),
                "--build-dir", str(self.project.build),
                "--cached", "--cache-dir", str(cache),
                "--parallel",
            ],
            env=self._environment({}),
            cwd=self.project.root,
            log=log,
            watch=watch,
            action="Mend what the log names, then run `omnilake local up` again.",
        )  # fmt: skip
        self.project.build_marker.write_text(fingerprint)

    def deploy(
        self, endpoint_url: str, fingerprint: str, parameters: Mapping[str, str], watch: Watch | None = None
    ) -> None:
        """Run ``sam deploy`` and record what was deployed.

        A stack whose creation failed is deleted first. A deployment that lost an answer is made a second time.

        Args:
            endpoint_url: of the embedded cloud.
            fingerprint: of what is deployed.
            parameters: of the template, beside those of samconfig.toml. One that an earlier deployment was given and
                this one is not gets its default again: ``sam deploy`` by itself would keep it.
            watch: is told each line of SAM's output.

        Raises:
            LocalCloudError: it failed.
        """
        log = self.state.logs / "sam-deploy.log"
        log.unlink(missing_ok=True)
        before: dict[str, str] = self._deployed().get("parameters", {})
        if self.state.deployed.is_file():
            self._record(None, before | dict(parameters))
        dropped = before.keys() - parameters.keys()
        given = self._defaults(endpoint_url, dropped) | dict(parameters) if dropped else dict(parameters)
        packaged = package_layers(self.project.built_template, self.project.packages)
        started = datetime.now(UTC)
        try:
            try:
                self._sam_deploy(endpoint_url, packaged, given, log, watch)
            except LocalCloudError:
                if not lost_an_answer(log):
                    raise
                self._sam_deploy(endpoint_url, packaged, given, log, watch)
        except LocalCloudError as error:
            reasons = failed_resources(endpoint_url, self.config.stack_name, since=started)
            if not reasons:
                raise
            raise LocalCloudError(
                "`sam deploy` failed:\n" + "\n".join(f"  {reason}" for reason in reasons),
                action=f"{error.action} All of its output: {log}",
            ) from error
        self._record(fingerprint, parameters)

    def _deployed(self) -> dict[str, Any]:
        """What was recorded of the last deployment; empty when there was none or it can't be read."""
        try:
            found = json.loads(self.state.deployed.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _record(self, fingerprint: str | None, parameters: Mapping[str, str]) -> None:
        self.state.deployed.write_text(json.dumps({"fingerprint": fingerprint, "parameters": dict(parameters)}))

    def _defaults(self, endpoint_url: str, names: Collection[str]) -> dict[str, str]:
        """What the deployed template says for parameters that were given before and are not now."""
        summary = client("cloudformation", endpoint_url).get_template_summary(StackName=self.config.stack_name)
        known = {each["ParameterKey"]: str(each.get("DefaultValue", "")) for each in summary["Parameters"]}
        return {name: known[name] for name in names if name in known and name not in self._settled}

    @property
    def _settled(self) -> dict[str, str]:
        """Template parameters of every deployment on this host."""
        return self.config.parameters | self.host.parameters

    def _sam_deploy(
        self, endpoint_url: str, template: Path, parameters: Mapping[str, str], log: Path, watch: Watch | None
    ) -> None:
        if stack_status(endpoint_url, self.config.stack_name) in UNUSABLE:
            self._delete_stack(endpoint_url)
        run_logged(
            [
                str(self.sam.path / "bin" / "sam"), "deploy",
                *self._common_options(template, parameters),
                "--stack-name", self.config.stack_name,
                "--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar",
            ],
            env=self._environment(cloud_environment(endpoint_url)),
            cwd=self.project.root,
            log=log,
            watch=watch,
            action="Mend what the log names, then run `omnilake local up` again.",
        )  # fmt: skip

    def _delete_stack(self, endpoint_url: str) -> None:
        cloudformation = client("cloudformation", endpoint_url)
        cloudformation.delete_stack(StackName=self.config.stack_name)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=self.config.stack_name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )

    def _common_options(self, template: object, further: Mapping[str, str] | None = None) -> list[str]:
        parameters = self._settled | dict(further or {})
        return [
            "--template-file", str(template),
            "--config-file", str(self.project.samconfig),
            "--config-env", CONFIG_ENV,
            "--region", self.config.region,
            "--parameter-overrides", *(f"{name}={value or _EMPTY}" for name, value in parameters.items()),
        ]  # fmt: skip

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """What SAM and the Makefiles see: no AWS settings of the user's, no virtual environment."""
        env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("AWS_", "PYTHON")) and key != "VIRTUAL_ENV"
        }
        env["PATH"] = os.pathsep.join([str(self.host.interpreter.parent), env.get("PATH", os.defpath)])
        env["UV"] = self.uv
        env["OMNILAKE_BUILD_PYTHON"] = str(self.host.interpreter)
        env["SAM_CLI_TELEMETRY"] = "0"
        return env | self.host.build_environment | dict(extra)
