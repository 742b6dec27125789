"""`make build`: what `sam deploy` sends to AWS, for one architecture and runtime, with every function's size checked.

    make build ARCH=x86_64 RUNTIME=python3.12

Needs neither Docker nor the target's interpreter. Afterwards: sam deploy --guided (first time), sam deploy.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from omnilake_local.environments import environment, find_uv
from omnilake_local.host import detect_host
from omnilake_local.paths import find_project

ROOT = Path(__file__).resolve().parents[1]
PLATFORMS = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}


def main() -> int:
    """Build, then check sizes; exit code of the first that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=sorted(PLATFORMS), default="arm64")
    parser.add_argument("--runtime", default="python3.13", help="Lambda runtime, python3.12 or newer")
    parser.add_argument("--build-dir", type=Path, default=ROOT / ".aws-sam" / "build")
    arguments = parser.parse_args()
    version = arguments.runtime.removeprefix("python")
    host, uv = detect_host(), find_uv()
    sam = environment("sam", find_project(), host)
    if not sam.is_current():
        sam.make(uv, find_project().home / "logs" / "venv-sam.log")
    parameters = [f"PythonRuntime={arguments.runtime}", f"Architecture={arguments.arch}"]
    built = subprocess.run(
        [
            *(str(sam.path / "bin" / "sam"), "build", "--parallel", "--build-dir", str(arguments.build_dir)),
            *("--parameter-overrides", *parameters),
        ],
        cwd=ROOT,
        env=os.environ
        | {
            "OMNILAKE_PYTHON_VERSION": version,
            "OMNILAKE_PLATFORM": PLATFORMS[arguments.arch],
            "OMNILAKE_BUILD_PYTHON": str(host.interpreter),
            "UV": str(uv),
            "SAM_CLI_TELEMETRY": "0",
        },
        check=False,
    )
    if built.returncode != 0:
        return built.returncode
    template = str(arguments.build_dir / "template.yaml")
    check = ["scripts/check_sizes.py", template, "--architecture", arguments.arch, "--python", version]
    sized = subprocess.run([sys.executable, *check], cwd=ROOT, check=False)
    if sized.returncode == 0:
        print(f"Deploy it with: sam deploy --parameter-overrides {' '.join(parameters)}")
    return sized.returncode


if __name__ == "__main__":
    sys.exit(main())
