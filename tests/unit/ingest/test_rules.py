"""Which processor reads a document."""

from __future__ import annotations

from typing import Any

import pytest

from omnilake.ingest.rules import choose
from omnilake.models import ChunkingConfig, ProcessingRule, Processor

SALES: dict[str, Any] = {
    "media_type": "text/csv",
    "name": "sales/2026/Q1.CSV",
    "columns": ("SKU", "Amount"),
    "metadata": {"team": "harbour"},
    "default": Processor.ROWS,
}


def any_rule(**conditions: Any) -> ProcessingRule:
    return ProcessingRule(processor=Processor.PROSE, **conditions)


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"media_types": ["text/csv"]},
        {"media_types": ["application/json", "text/*"]},
        {"names": ["sales/*.csv"]},
        {"columns": ["amount"]},
        {"columns": [" sku ", "AMOUNT"]},
        {"metadata": {"team": "harbour"}},
        {"media_types": ["text/csv"], "names": ["*"], "columns": ["sku"], "metadata": {"team": "harbour"}},
    ],
)
def test_a_rule_whose_conditions_all_hold_decides(conditions: dict[str, Any]) -> None:
    assert choose([any_rule(**conditions)], **SALES) == (Processor.PROSE, None)


@pytest.mark.parametrize(
    "conditions",
    [
        {"media_types": ["text/tab-separated-values"]},
        {"names": ["*.csv.gz", "stock/*"]},
        {"columns": ["sku", "price"]},
        {"metadata": {"team": "harbour", "year": "2026"}},
        {"media_types": ["text/csv"], "names": ["stock/*"]},
    ],
)
def test_a_rule_with_a_condition_that_does_not_hold_is_passed_over(conditions: dict[str, Any]) -> None:
    assert choose([any_rule(**conditions)], **SALES) == (Processor.ROWS, None)


def test_the_first_rule_that_fits_wins_and_brings_its_chunking() -> None:
    chunking = ChunkingConfig(max_tokens=100)
    first = ProcessingRule(names=["sales/*"], processor=Processor.TRANSCRIPT, chunking=chunking)
    assert choose([any_rule(names=["x"]), first, any_rule()], **SALES) == (Processor.TRANSCRIPT, chunking)


def test_without_rules_the_document_decides() -> None:
    assert choose([], **SALES) == (Processor.ROWS, None)
