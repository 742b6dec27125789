"""Write the corpus of hostile files to a folder, to look at them or to upload them by hand::

PYTHONPATH=layers/core:tests .venv/bin/python -m hostile FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from hostile.corpus import CASES

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for number, case in enumerate(CASES):
        path = folder / f"{number:03}-{case.outcome}{case.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(case.content())
        print(path.name, case.name.encode("unicode_escape").decode(), case.about, sep="\t")
