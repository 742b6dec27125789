"""Every file of the hostile corpus through extraction: its outcome, its memory, and what it gives away."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostile.case import CANARY, LANDS, Case
from hostile.corpus import CASES
from hostile.examination import Finding

ROOT = Path(__file__).resolve().parents[3]
MEMORY_MB = 1_024
"""Half of what Extract Text has; the interpreter with the libraries takes a tenth of it."""


@pytest.fixture(scope="module")
def finding() -> Iterator[Callable[[Case], Finding]]:
    """What becomes of a case in a process of its own."""
    path = os.pathsep.join(str(ROOT / each) for each in ("layers/core", "tests", "."))
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "hostile.examination"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdin
        assert process.stdout
        questions, answers = process.stdin, process.stdout

        def ask(case: Case) -> Finding:
            print(json.dumps(case.name), file=questions, flush=True)
            return Finding(**json.loads(answers.readline()))

        yield ask
        questions.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name.encode('unicode_escape').decode()[:60]}")
def test_a_hostile_file_comes_to_its_own_end(case: Case, finding: Callable[[Case], Finding]) -> None:
    found = finding(case)

    assert found.outcome == (case.extracted or case.outcome), (case.about, found.told, found.printed, found.text[:300])
    assert set(found.members) == set(case.members)
    assert found.peak_mb < MEMORY_MB, case.about
    assert CANARY not in found.told
    assert CANARY not in found.printed
    if found.outcome == LANDS:
        assert found.says, found.text
        assert not found.shows


def test_the_corpus_has_no_case_twice() -> None:
    contents = Counter(hashlib.sha256(case.content()).hexdigest() for case in CASES if "EMPTY" not in case.outcome)
    assert len({case.name for case in CASES}) == len(CASES)
    assert max(contents.values()) == 1
