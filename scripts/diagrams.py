"""Draw the state machines into docs/architecture.md, between the markers of each.

    python scripts/diagrams.py            write
    python scripts/diagrams.py --check    exit with 1 if the document is not what would be written

The document marks the place of a machine's diagram by ``<!-- diagram: ingest_document -->`` and
``<!-- end of diagram -->``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from omnilake_local.diagram import mermaid

ROOT = Path(__file__).resolve().parents[1]

_PLACE = re.compile(r"(<!-- diagram: (\w+) -->\n).*?(<!-- end of diagram -->)", re.DOTALL)


def with_diagrams(document: str, machines: Path) -> str:
    """The document with each diagram drawn anew.

    Raises:
        ValueError: a machine has no place in the document, or a place no machine.
    """
    drawn = {
        path.name.removesuffix(".asl.json"): mermaid(json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(machines.glob("*.asl.json"))
    }
    places = {match[2] for match in _PLACE.finditer(document)}
    if places != set(drawn):
        raise ValueError(
            f"The document has places for {sorted(places)}; the state machines are {sorted(drawn)}. "
            "Each needs `<!-- diagram: NAME -->` and `<!-- end of diagram -->`."
        )
    return _PLACE.sub(lambda match: f"{match[1]}```mermaid\n{drawn[match[2]]}```\n{match[3]}", document)


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw the state machines into docs/architecture.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if something would change")
    check = parser.parse_args().check
    path = ROOT / "docs" / "architecture.md"
    try:
        before = path.read_text(encoding="utf-8")
        after = with_diagrams(before, ROOT / "statemachines")
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    if before == after:
        return 0
    if check:
        print("docs/architecture.md does not show the state machines as they are: run `make docs`.", file=sys.stderr)
        return 1
    path.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
