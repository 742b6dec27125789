"""Passages and answers of a model to them, for tests of generation."""

from __future__ import annotations

from typing import Any

from omnilake.configuration import AnsweringConfiguration
from omnilake.models import Chunk, Evidence, Scores

FERRY = "The night ferry to Selmere leaves from pier seven\nat half past nine. Bicycles travel free of charge."
KIOSK = "The kiosk at the harbour sells tickets until nine o’clock, and coffee all night long to whoever waits there."


def passage(text: str, number: int = 1, *, title: str = "Timetable", start: int = 0) -> Evidence:
    """One chunk of an entry of its own."""
    chunk = Chunk(
        chunk_id=f"chunk-{number}",
        entry_id=f"entry-{number}",
        version="v1",
        ordinal=0,
        start=start,
        end=start + len(text),
        tokens=20,
        text=text,
        title=title,
        source=f"s3://bucket/{number}.md",
    )
    return Evidence(chunk=chunk, scores=Scores(vector=0.8, fused=0.9))


EVIDENCE = [passage(FERRY, 1, start=100), passage(KIOSK, 2)]


def claim(text: str, *quotes: tuple[str, str], conflict: str = "") -> dict[str, Any]:
    """A claim as a model tells it; quotes are (label, text)."""
    told = [{"passage": passage, "text": quoted} for passage, quoted in quotes]
    return {"text": text, "quotes": told, "conflict": conflict}


GOOD = claim("The night ferry leaves from pier seven.", ("p1", "leaves from pier seven at half past nine"))

CONFIGURATION = AnsweringConfiguration.model_validate(
    {
        "models": {
            "large": {
                "provider": "bedrock",
                "model": "eu.amazon.nova-pro-v1:0",
                "input_usd": 0.8,
                "output_usd": 3.2,
                "output_tokens": 1500,
            },
            "extractive": {"provider": "extractive"},
        },
        "steps": {"map": "large", "compose": "large", "judge": "large"},
    }
)
