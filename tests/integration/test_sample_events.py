"""Every sample event through the deployed functions: the handlers behind Lambda's own runtime client, IAM enforced."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import yaml
from embedded_cloud import ROOT, Cloud
from expectations import Case, find_cases

from omnilake import aws, layout

EVENTS = ROOT / "events"
CASES = find_cases(EVENTS)


class _TemplateLoader(yaml.SafeLoader):
    """Reads a template for the names in it; intrinsic functions stay unresolved."""


_TemplateLoader.add_multi_constructor("!", lambda loader, suffix, node: None)


def _functions() -> list[str]:
    template = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), _TemplateLoader)  # noqa: S506
    resources = template["Resources"].items()
    return sorted(name for name, each in resources if each["Type"] == "AWS::Serverless::Function")


@pytest.fixture(scope="module")
def seeded(cloud: Cloud) -> Iterator[Cloud]:
    """The cloud with everything in place that the events refer to; the configuration that one puts goes with it."""
    done = subprocess.run(
        [sys.executable, EVENTS / "seed.py"], env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    yield cloud
    aws.lake().delete(layout.ANSWERING)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_sample_event_gives_what_its_expectation_says(seeded: Cloud, case: Case) -> None:
    assert case.mismatches(seeded.invoke(case.function, case.event)) == []


@pytest.mark.parametrize("function", _functions())
def test_every_function_has_a_sample_event_that_succeeds(function: str) -> None:
    assert any(case.function == function and case.expected["status"] == "ok" for case in CASES)


def test_every_sample_event_is_of_a_function_of_the_template() -> None:
    assert {case.function for case in CASES} <= set(_functions())
