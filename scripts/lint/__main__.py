"""`make lint`: everything that can be said of the project without running it.

Python (ruff, mypy strict), the SAM template (sam validate --lint), the expanded template (cfn-lint with the serverless
rules, checkov), the state machines after substitution (asl-validator, and the parser that executes them locally), the
console's scripts (their types by TypeScript, their format by Prettier), the diagrams in documentation and console, the
description of the API.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".omnilake"
LINT = HOME / "venvs" / "lint" / "bin"
ASL_VALIDATOR = "asl-validator@4.0.0"
TYPESCRIPT = "typescript@7.0.2"
PRETTIER = "prettier@3.10.1"
CONSOLE = "layers/core/omnilake/api/console"
TYPED = ("layers/core/omnilake", "local/omnilake_local", "scripts", "benchmarks")
TYPES_OF_SCRIPTS = (
    *("--noEmit", "--allowJs", "--checkJs", "--strict", "false", "--noUnusedLocals", "--noUnusedParameters"),
    *("--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable"),
)
HANDLERS = (
    "api",
    "ingest_document",
    "answer_request",
    "compact_evidence",
    "sync_source",
    "archives",
    "sources",
    "configuration",
    "jobs",
)


def main() -> int:
    """Run all checks; the exit code counts those that failed."""
    sam = _sam()
    with tempfile.TemporaryDirectory() as scratch:
        expanded = Path(scratch) / "template.json"
        machines = _machines(Path(scratch))
        checks: list[tuple[str, list[str]]] = [
            ("ruff", [".venv/bin/ruff", "check", "."]),
            ("format", [".venv/bin/ruff", "format", "--check", "."]),
            *[(f"mypy {each}", [".venv/bin/mypy", each]) for each in TYPED if (ROOT / each).is_dir()],
            *[(f"mypy functions/{each}", [".venv/bin/mypy", f"functions/{each}"]) for each in HANDLERS],
            ("sam validate --lint", [sam, "validate", "--lint", "--region", "us-east-1"]),
            ("expand", ["sh", "-c", f"{LINT}/python scripts/lint/expand_template.py template.yaml > {expanded}"]),
            (
                "cfn-lint",
                [f"{LINT}/cfn-lint", "--config-file", "scripts/lint/cfn-lint.yaml", "--template", str(expanded)],
            ),
            ("checkov", [f"{LINT}/checkov", "--config-file", "scripts/lint/checkov.yaml", "--file", str(expanded)]),
            ("asl-validator", _asl_validator([str(path) for path in machines])),
            ("console's types", [*_npm(TYPESCRIPT, "tsc"), *TYPES_OF_SCRIPTS, f"{CONSOLE}/main.js"]),
            ("console's format", [*_npm(PRETTIER, "prettier"), "--print-width", "120", "--check", *_console()]),
            ("OpenAPI document", [".venv/bin/python", "scripts/openapi.py", "--check"]),
            ("diagrams", [".venv/bin/python", "scripts/diagrams.py", "--check"]),
            ("console's graphs", [".venv/bin/python", "scripts/console_workflows.py", "--check"]),
        ]
        failed = [name for name, command in checks if not _run(name, command)]
        failed += [path.name for path in machines if not _parses(path)]
    print(
        f"{len(checks) + len(machines) - len(failed)} checks passed, {len(failed)} failed"
        + (f": {failed}" if failed else "")
    )
    return min(len(failed), 100)


def _run(name: str, command: list[str]) -> bool:
    environment = os.environ | {"SAM_CLI_TELEMETRY": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    print(f"{'ok  ' if done.returncode == 0 else 'FAIL'} {name}", flush=True)
    if done.returncode != 0:
        print(done.stdout[-8_000:] + done.stderr[-4_000:], flush=True)
    return done.returncode == 0


def _sam() -> str:
    """The SAM CLI of the embedded cloud's environments, made if it is not there."""
    from omnilake_local.environments import environment, find_uv
    from omnilake_local.host import detect_host
    from omnilake_local.paths import find_project

    sam = environment("sam", find_project(), detect_host())
    if not sam.is_current():
        sam.make(find_uv(), HOME / "logs" / "venv-sam.log")
    return str(sam.path / "bin" / "sam")


def _machines(scratch: Path) -> list[Path]:
    """The state machines with every substitution filled in, as files."""
    written = []
    for source in sorted((ROOT / "statemachines").glob("*.asl.json")):
        text = re.sub(r"\$\{(\w+)\}", lambda match: _substitute(match[1]), source.read_text())
        target = scratch / source.name
        target.write_text(json.dumps(json.loads(text)))
        written.append(target)
    return written


def _substitute(name: str) -> str:
    if name.endswith("FunctionArn"):
        return f"arn:aws:lambda:us-east-1:123456789012:function:{name.removesuffix('Arn')}"
    if name.endswith("MachineArn"):
        return f"arn:aws:states:us-east-1:123456789012:stateMachine:{name.removesuffix('Arn')}"
    if name.endswith("QueueUrl"):
        return f"https://sqs.us-east-1.amazonaws.com/123456789012/{name.removesuffix('Url')}.fifo"
    return "20"


def _asl_validator(paths: list[str]) -> list[str]:
    return [*_npm(ASL_VALIDATOR, "asl-validator"), *(part for path in paths for part in ("--json-path", path))]


def _npm(package: str, program: str) -> list[str]:
    """The command of a program for Node; its package is installed once below .omnilake/."""
    if shutil.which("npm") is None:
        sys.exit(f"make lint needs Node.js 20 or newer with npm (for {package}).")
    prefix = HOME / "npm" / package
    found = prefix / "node_modules" / ".bin" / program
    if not found.exists():
        subprocess.run(["npm", "install", "--silent", "--prefix", str(prefix), package], check=True)
    return [str(found)]


def _console() -> list[str]:
    """The console's own files; its graphs are drawn, not written."""
    found = sorted(path for path in (ROOT / CONSOLE).iterdir() if path.suffix in {".js", ".css", ".html"})
    return [str(path.relative_to(ROOT)) for path in found]


def _parses(machine: Path) -> bool:
    """Whether the interpreter that runs the machines locally can read it."""
    from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser, ASLParserException

    from omnilake_local.server.stepfunctions.distributed_map import split_definition

    definition, _ = split_definition(machine.read_text())
    try:
        AmazonStateLanguageParser.parse(definition)
    except ASLParserException as error:
        print(f"FAIL {machine.name}: {error}")
        return False
    print(f"ok   {machine.name} parses")
    return True


if __name__ == "__main__":
    sys.exit(main())
