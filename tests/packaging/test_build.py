"""The real `sam build` for both architectures of Lambda, and every function's size below the limit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import stack_in_moto

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_every_function_fits_when_built_for(architecture: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/build.py", "--arch", architecture, "--build-dir", str(tmp_path / "build")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [
        line.split() for line in done.stdout.splitlines() if line.split()[:1] and line.split()[0].endswith("Function")
    ]
    functions = stack_in_moto.template()["Resources"].values()
    assert len(rows) == sum(each["Type"] == "AWS::Serverless::Function" for each in functions)
    assert all(float(row[2].rstrip("%")) < 100 for row in rows)
