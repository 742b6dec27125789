"""No state of any machine is there that no test has entered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from embedded_cloud import ROOT, Cloud, entered

from omnilake_local.diagram import nested

MACHINES = {
    "ingest_document": "IngestDocumentMachine",
    "ingest_collection": "IngestCollectionMachine",
    "sync_source": "SyncSourceMachine",
    "remove_entries": "RemoveEntriesMachine",
    "answer_request": "AnswerRequestMachine",
    "compact_evidence": "CompactEvidenceMachine",
}


def _states(scope: Mapping[str, Any]) -> Iterator[str]:
    for name, state in scope["States"].items():
        yield name
        # The embedded cloud keeps no history of a Distributed Map's children; what they did shows in their outcomes.
        if state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") != "DISTRIBUTED":
            for inner in nested(state):
                yield from _states(inner)


def test_the_tests_of_this_folder_entered_every_state(cloud: Cloud, session_began: float) -> None:
    """Runs last, and only says something after all others of the folder."""
    missing = {}
    for name, output in MACHINES.items():
        wanted = set(_states(json.loads((ROOT / "statemachines" / f"{name}.asl.json").read_text())))
        found = {
            state
            for each in cloud.executions(output, session_began)
            for state in entered(cloud.history(each["executionArn"]))
        }
        missing[name] = wanted - found
    assert not any(missing.values()), missing
