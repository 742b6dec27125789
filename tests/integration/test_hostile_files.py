"""The hostile corpus through the deployed ingestion: all of it at once into one archive, among good documents."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest
from embedded_cloud import Cloud
from hostile.case import CANARY, EXPANDS, LANDS, Case
from hostile.corpus import CASES

from omnilake import entries

UPLOADED = tuple(case for case in CASES if not case.lands_slowly)
GOOD = {
    f"good/{number}.md": f"# Berth {number}\n\nThe good ship number {number} lies at berth {number}."
    for number in range(9)
}
PATIENCE_S = 900.0


@dataclass(frozen=True)
class Upload:
    """The archive that holds the corpus, and what became of it."""

    archive_id: str
    outcomes: dict[str, dict[str, Any]]
    since: float


def expected() -> dict[str, str]:
    """Document → outcome, of all that was uploaded and of what it expands to."""
    found = dict.fromkeys(GOOD, LANDS)
    for case in UPLOADED:
        found[case.name] = case.outcome
        found |= {f"{case.name}/{member}": outcome for member, outcome in case.members.items()}
    return found


def ending(outcome: dict[str, Any]) -> str:
    """COMPLETED, EXPANDED, or the code of the error."""
    return str(outcome["error"]["code"]) if outcome["status"] == "FAILED" else str(outcome["status"])


@pytest.fixture(scope="module")
def upload(cloud: Cloud) -> Upload:
    """Everything, uploaded in one go."""
    archive_id, since = cloud.archive(), time.time()
    neighbours = {len(UPLOADED) // len(GOOD) * number: name for number, name in enumerate(GOOD)}
    for number, case in enumerate(UPLOADED):
        cloud.put(archive_id, case.name, case.content())
        if number in neighbours:
            cloud.put(archive_id, neighbours[number], GOOD[neighbours[number]])
    found = {each["name"]: each for each in cloud.outcomes(archive_id, len(expected()), PATIENCE_S)}
    return Upload(archive_id, found, since)


@pytest.mark.parametrize("case", UPLOADED, ids=lambda case: f"{case.name.encode('unicode_escape').decode()[:60]}")
def test_a_hostile_file_ends_as_it_should_and_is_kept_where_it_belongs(
    cloud: Cloud, upload: Upload, case: Case
) -> None:
    found = upload.outcomes[case.name]

    assert ending(found) == case.outcome, (case.about, found)
    for member, outcome in case.members.items():
        assert ending(upload.outcomes[f"{case.name}/{member}"]) == outcome
    if found["status"] == "FAILED":
        assert found["error"]["message"]
        assert found["error"]["action"]
        assert CANARY not in str(found["error"])
        if found.get("entry_id"):
            (item,) = entries.versions(found["entry_id"])
            assert (item["status"], item["error_code"]) == ("FAILED", case.outcome)


def test_nothing_else_came_of_it(upload: Upload) -> None:
    assert {name: ending(found) for name, found in upload.outcomes.items()} == expected()


def test_good_neighbours_land_and_bad_ones_leave_no_chunk(cloud: Cloud, upload: Upload) -> None:
    landed = {name for name, outcome in expected().items() if outcome == LANDS}
    names = {row["source"].split(f"incoming/{upload.archive_id}/", 1)[1] for row in cloud.rows(upload.archive_id)}

    assert names == landed
    assert cloud.objects(f"incoming/{upload.archive_id}/") == {}


def test_failed_files_are_kept_with_their_reason(cloud: Cloud, upload: Upload) -> None:
    kept = cloud.objects(f"failed/{upload.archive_id}/")
    codes = {key.split("/", 2)[2]: metadata["omnilake-code"] for key, metadata in kept.items()}

    assert all(metadata["omnilake-reason"] and metadata["omnilake-status"] == "FAILED" for metadata in kept.values())
    assert codes == {name: outcome for name, outcome in expected().items() if outcome not in {LANDS, EXPANDS}}


def test_the_queues_are_empty_and_memory_stayed_within_the_functions(cloud: Cloud, upload: Upload) -> None:
    assert upload.outcomes
    assert cloud.waiting("UploadQueue", "IndexQueue") == 0
    assert cloud.dead_letters() == 0
    assert cloud.peak_memory_mb("ExtractTextFunction") < 2_048


def test_no_log_holds_a_word_of_their_contents(cloud: Cloud, upload: Upload) -> None:
    assert [line for line in cloud.log_lines(upload.since) if CANARY in line] == []
