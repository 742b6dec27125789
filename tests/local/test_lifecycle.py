"""Finding, fingerprinting and configuring an embedded cloud, without starting one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from omnilake_local import deployment
from omnilake_local.cloud import connect
from omnilake_local.deployment import Deployment
from omnilake_local.environments import Environment
from omnilake_local.errors import LocalCloudError, NotRunning
from omnilake_local.fingerprint import deployment_fingerprint, shared_build_code, tree_hash
from omnilake_local.host import Host
from omnilake_local.locking import lock
from omnilake_local.packages import package_layers, store
from omnilake_local.paths import Project, StateDir
from omnilake_local.samconfig import LocalConfig, read_samconfig
from omnilake_local.server_process import HOST, MODULE, ServerProcess, free_port, running_server, stop_server
from omnilake_local.subprocesses import run_logged, tail

HOST_ARM = Host("3.12", "arm64", "aarch64-manylinux_2_28", Path(sys.executable))
HOST_X86 = Host("3.12", "x86_64", "x86_64-manylinux_2_28", Path(sys.executable))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    for name in ("template.yaml", "samconfig.toml", "functions/f/a.py", "layers/core/Makefile", "layers/tool/x.py"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return Project(root)


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    directory = StateDir(tmp_path / "cloud")
    directory.root.mkdir()
    return directory


def record(state: StateDir, server: ServerProcess) -> None:
    state.server.write_text(json.dumps(asdict(server)))


def test_fingerprint_changes_with_any_deployed_source_and_with_the_host(project: Project) -> None:
    before = deployment_fingerprint(project, HOST_X86)
    assert deployment_fingerprint(project, HOST_ARM) != before
    (project.root / "functions/f/a.py").write_text("changed")
    assert deployment_fingerprint(project, HOST_X86) != before


def test_fingerprint_ignores_caches_times_and_files_that_are_not_deployed(project: Project) -> None:
    before = deployment_fingerprint(project, HOST_X86)
    cache = project.root / "functions/f/__pycache__"
    cache.mkdir()
    (cache / "a.pyc").write_bytes(b"x")
    (project.root / "README.md").write_text("x")
    os.utime(project.template, (1, 1))
    assert deployment_fingerprint(project, HOST_X86) == before


def test_renaming_a_file_changes_the_hash_of_its_tree(project: Project) -> None:
    before = tree_hash(project.root, ["functions"])
    (project.root / "functions/f/a.py").rename(project.root / "functions/f/b.py")
    assert tree_hash(project.root, ["functions"]) != before


def test_the_code_that_builds_layers_is_what_is_no_layer(project: Project) -> None:
    before = shared_build_code(project)
    (project.root / "layers/core/Makefile").write_text("changed")
    assert shared_build_code(project) == before
    (project.root / "layers/tool/x.py").write_text("changed")
    assert shared_build_code(project) != before


@pytest.mark.parametrize("overrides", ["\"A=1 B='two words'\"", '["A=1", "B=two words"]'])
def test_samconfig_gives_parameters_in_either_form(tmp_path: Path, overrides: str) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(
        f'[local.global.parameters]\nstack_name = "x"\n[local.deploy.parameters]\nparameter_overrides = {overrides}\n'
    )
    config = read_samconfig(path)
    assert (config.stack_name, config.region) == ("x", "us-east-1")
    assert config.parameters == {"A": "1", "B": "two words"}


def test_samconfig_without_a_local_environment_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text("[default.deploy.parameters]\n")
    with pytest.raises(LocalCloudError, match=r"\[local\]"):
        read_samconfig(path)


def test_the_projects_own_samconfig_is_readable() -> None:
    assert read_samconfig(Path(__file__).parents[2] / "samconfig.toml").stack_name == "omnilake"


def test_a_pid_of_another_process_is_not_taken_for_the_server(state: StateDir) -> None:
    record(state, ServerProcess(os.getpid(), 4566, str(state.data), time.time(), ""))
    assert running_server(state) is None
    with pytest.raises(NotRunning):
        connect(state.root)


def test_a_damaged_process_file_counts_as_no_server(state: StateDir) -> None:
    state.server.write_text('{"pid": 1')
    assert running_server(state) is None


def test_a_process_with_the_servers_command_line_is_found_and_stopped(state: StateDir) -> None:
    code = "import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, MODULE, str(state.data)]) as child:
        server = ServerProcess(child.pid, 1, str(state.data), time.time(), "")
        record(state, server)
        deadline = time.monotonic() + 5
        while running_server(state) is None and time.monotonic() < deadline:  # its command line shows after exec
            time.sleep(0.01)
        assert running_server(state) == server
        assert connect(state.root).endpoint_url == f"http://{HOST}:1"
        assert stop_server(server)
        assert running_server(state) is None


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) > port


def test_a_second_holder_of_a_lock_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        with lock(tmp_path / "lock", waiting.set):
            order.append("second")

    with lock(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(5)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_a_failing_command_raises_and_leaves_its_output_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", "print('why'); raise SystemExit(3)"]
    seen: list[str] = []
    with pytest.raises(LocalCloudError, match="exit code 3") as caught:
        run_logged(command, env=dict(os.environ), cwd=tmp_path, log=log, action="do", watch=seen.append)
    assert caught.value.log == log
    assert tail(log)[-1] == "why"
    assert seen == ["why"]


def test_layers_are_stored_once_per_content_and_referred_to(tmp_path: Path) -> None:
    layer = tmp_path / "build" / "CoreLayer" / "python"
    layer.mkdir(parents=True)
    (layer / "a.py").write_text("1")
    template = tmp_path / "build" / "template.yaml"
    template.write_text(
        "Resources:\n  CoreLayer:\n    Properties:\n      ContentUri: CoreLayer\n      Other: CoreLayer\n"
    )
    packaged = package_layers(template, tmp_path / "packages")
    first = store(layer.parent, tmp_path / "packages")
    assert f"ContentUri: {first}\n      Other: CoreLayer\n" in packaged.read_text()
    with zipfile.ZipFile(first) as archive:
        assert archive.namelist() == ["python/a.py"]
    (layer / "a.py").write_text("2")
    second = store(layer.parent, tmp_path / "packages")
    assert second != first
    assert not first.exists()


@pytest.fixture
def deploying(project: Project, state: StateDir, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Deployment]:
    """A deployment whose SAM says one text after another and fails, then succeeds; no stack stands."""
    monkeypatch.setattr(deployment, "stack_status", lambda *_: None)
    monkeypatch.setattr(deployment, "failed_resources", lambda *_, **__: [])
    project.built_template.parent.mkdir(parents=True)
    project.built_template.write_text("Resources: {}\n")

    def make(*failures: str) -> Deployment:
        program = project.root / "venvs" / "sam" / "bin" / "sam"
        program.parent.mkdir(parents=True)
        calls = project.root / "calls"
        calls.touch()
        program.write_text(
            f"#!{sys.executable}\n"
            "from pathlib import Path\n"
            "import sys\n"
            f"calls, failures = Path({str(calls)!r}), {failures!r}\n"
            "calls.with_name('arguments').write_text('\\n'.join(sys.argv))\n"
            "done = len(calls.read_text())\n"
            "calls.write_text('x' * (done + 1))\n"
            "if done < len(failures):\n"
            "    raise SystemExit(failures[done])\n"
        )
        program.chmod(0o755)
        sam = Environment("sam", program.parents[1], project.root / "requirements", HOST_X86)
        return Deployment(project, state, HOST_X86, LocalConfig("lake", "us-east-1", {}), sam, "uv")

    return make


EXISTS = (
    "Error: Failed to create changeset for the stack: lake, An error occurred (AlreadyExistsException) when calling "
    "the CreateChangeSet operation{}: ChangeSet [samcli-deploy1] already exists"
)


@pytest.mark.parametrize("retries", ["", " (reached max retries: 4)"])
def test_a_deployment_that_lost_the_answer_to_its_change_set_is_made_once_more(
    deploying: Callable[..., Deployment], project: Project, state: StateDir, retries: str
) -> None:
    deploying(EXISTS.format(retries)).deploy("http://127.0.0.1:1", "fingerprint", {})
    assert (project.root / "calls").read_text() == "xx"
    assert json.loads(state.deployed.read_text()) == {"fingerprint": "fingerprint", "parameters": {}}


@pytest.mark.parametrize(
    ("failures", "calls"),
    [((EXISTS.format(""), EXISTS.format("")), "xx"), (("Error: Stack [lake] already exists",), "x")],
)
def test_a_deployment_that_fails_otherwise_or_again_fails(
    deploying: Callable[..., Deployment], project: Project, state: StateDir, failures: tuple[str, ...], calls: str
) -> None:
    with pytest.raises(LocalCloudError, match="exit code 1"):
        deploying(*failures).deploy("http://127.0.0.1:1", "fingerprint", {})
    assert (project.root / "calls").read_text() == calls
    assert not state.deployed.exists()


def test_parameters_of_one_deployment_have_their_defaults_again_in_the_next(
    deploying: Callable[..., Deployment], project: Project, state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deployed:
        def get_template_summary(self, **_: str) -> dict[str, object]:
            keys = {"Claim": "", "Issuer": "https://example.com", "Other": "x"}
            return {"Parameters": [{"ParameterKey": key, "DefaultValue": value} for key, value in keys.items()]}

    monkeypatch.setattr(deployment, "client", lambda *_: Deployed())
    made, given = deploying(), {"Claim": "org", "Issuer": "http://127.0.0.1:1"}

    def told(parameters: dict[str, str]) -> set[str]:
        made.deploy("http://127.0.0.1:1", "fingerprint", parameters)
        arguments = (project.root / "arguments").read_text().splitlines()
        return {each for each in arguments if each.split("=")[0] in {"Claim", "Issuer", "Other"}}

    monkeypatch.setattr(deployment, "stack_status", lambda *_: "UPDATE_COMPLETE")
    assert told(given) == {"Claim=org", "Issuer=http://127.0.0.1:1"}
    assert made.is_current("", "fingerprint", given)
    assert not made.is_current("", "fingerprint", {})
    assert told({}) == {'Claim=""', "Issuer=https://example.com"}
    assert told({}) == set()
    assert made.is_current("", "fingerprint", {})
