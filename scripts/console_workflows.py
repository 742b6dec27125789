"""Draw the state machines for the console page, into ``layers/core/omnilake/api/console/workflows.json``.

    python scripts/console_workflows.py            write
    python scripts/console_workflows.py --check    exit with 1 if the file is not what would be written

The page needs no layout of its own: it colours these boxes by what a job says it has entered.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from omnilake_local.drawing import BOX_HEIGHT, Drawing, draw

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "layers" / "core" / "omnilake" / "api" / "console" / "workflows.json"


def workflows(machines: Path) -> dict[str, dict[str, Any]]:
    """Job kind (the machine's file name) → its picture: size, boxes, ways. Pixels, from the top left."""
    return {
        path.name.removesuffix(".asl.json"): _picture(draw(json.loads(path.read_text(encoding="utf-8"))))
        for path in sorted(machines.glob("*.asl.json"))
    }


def _picture(drawing: Drawing) -> dict[str, Any]:
    return {
        "width": round(drawing.width),
        "height": round(drawing.height),
        "head": BOX_HEIGHT,
        "boxes": [
            {
                "name": box.name,
                "type": box.type,
                "x": round(box.x),
                "y": round(box.y),
                "width": round(box.width),
                "height": round(box.height),
            }
            for box in drawing.boxes
        ],
        "ways": [
            {"from": way.source, "to": way.target, "kind": way.kind, "label": way.label, "path": way.path}
            for way in drawing.ways
        ],
    }


def as_text(told: dict[str, dict[str, Any]]) -> str:
    """The file's content: one box or way a line, so that a change is a small difference."""
    machines = []
    for name, picture in told.items():
        size = ", ".join(f'"{key}": {picture[key]}' for key in ("width", "height", "head"))
        lists = ",\n".join(
            f'    "{key}": [\n' + ",\n".join(f"      {json.dumps(each)}" for each in picture[key]) + "\n    ]"
            for key in ("boxes", "ways")
        )
        machines.append(f'  "{name}": {{\n    {size},\n{lists}\n  }}')
    return "{\n" + ",\n".join(machines) + "\n}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw the state machines for the console page.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if something would change")
    check = parser.parse_args().check
    drawn = as_text(workflows(ROOT / "statemachines"))
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == drawn:
        return 0
    if check:
        print(f"{TARGET.relative_to(ROOT)} is not drawn from the state machines as they are: run `make docs`.")
        return 1
    TARGET.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
