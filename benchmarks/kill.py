"""`make bench-kill`: 500 documents come in while Lambda processes are killed at random.

On an embedded cloud of its own. Both ways in at once:

uploads      300 objects in bursts: plain ones, two versions of one key in quick succession, the same bytes under two
             names, empty, damaged and mislabelled ones
collections  200 lines of manifests through ``ingest_collection``: records, two versions of one record, lines that are
             none

Meanwhile SIGKILL goes to worker processes of random functions at random moments, mostly to those at work; now and then
one function is hunted until its retries are used up, so that batches fail for good. The number of kills is bounded:
a killer without a limit would outrun the cold starts of a small machine for ever. Queues bring messages back after
seconds instead of minutes; everything else is as it is deployed.

Then, when all is quiet, registry, store, manifests and landing zone are compared exactly (``benchmarks/census.py``),
and some documents are asked for. The second half retries what failed (``omnilake jobs retry``) without kills and
compares again: every good document must be in then, except the older of two uploads of one path that both failed.
Exits with 1 when anything is lost, there twice, or disagrees.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import census, report  # noqa: E402
from benchmarks.census import Census, Sent  # noqa: E402
from benchmarks.cloud import bench_cloud  # noqa: E402

PLAIN, REVISED, TWINS, BAD = 224, 20, 12, 12
"""Uploads: single ones, keys with two versions, contents under two names, those that must fail: 300 documents."""
MANIFESTS, LINES, BATCH_LINES = 5, 40, 10
"""Collections, lines of each, and lines of each of their batches: 200 documents."""
FEWEST_KILLS = 50
HUNTS, HUNT_KILLS, HUNT_S = 3, 18, 60.0
"""How often a function is hunted until an execution has failed; most kills and seconds of one hunt."""
VISIBILITY_S = {"UploadQueue": 30, "IndexQueue": 45}
"""Above a cold start and an invocation on a busy machine, so that only what was killed comes again."""
QUESTIONS = 12
PATIENCE_S = 1_500.0
WORDS = [
    *("amber", "anchor", "barge", "beacon", "brine", "buoy", "canal", "chart", "cliff", "compass"),
    *("coral", "current", "delta", "dock", "drift", "ebb", "estuary", "ferry", "fjord", "flood"),
    *("gale", "gull", "harbour", "haze", "helm", "hull", "island", "jetty", "keel", "knot"),
]


# --- the documents ------------------------------------------------------------------------------------------------


class Texts:
    """Small texts, each with a mark of its own.

    Args:
        chance: where their words come from.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._number = 0
        self.keepers: dict[str, str] = {}  # mark → what the text says of it

    def new(self, turn: int = 0) -> tuple[str, str]:
        """A mark and a text: mostly of one chunk, sometimes of several. ``turn`` 1 is a revision of the one before."""
        self._number += turn == 0
        mark = f"note{self._number:04}v{turn}"
        self.keepers[mark] = " ".join(self._chance.sample(WORDS, 2))
        paragraphs = [f"The password of {mark} is {self.keepers[mark]}."]
        for part in range(self._chance.choice([1, 1, 1, 1, 4])):
            paragraphs.append(f"{mark} part {part}: {' '.join(self._chance.choices(WORDS, k=60))}.")
        return mark, "\n\n".join(paragraphs)


def uploads(texts: Texts, archive_id: str) -> list[tuple[str, bytes, str, str]]:
    """Name, bytes, mark and expected error code of each upload; what belongs together is together."""
    found: list[list[tuple[str, bytes, str, str]]] = []
    for number in range(PLAIN):
        mark, text = texts.new()
        found.append([(f"plain/{number}.txt", text.encode(), mark, "")])
    for number in range(REVISED):
        versions = [texts.new(), texts.new(1)]
        found.append([(f"revised/{number}.md", text.encode(), mark, "") for mark, text in versions])
    for number in range(TWINS):
        mark, text = texts.new()
        found.append([(f"twins/{number}-{each}.txt", text.encode(), mark, "") for each in "ab"])
    for number in range(BAD):
        kind = number % 3
        name, data, code = (
            (f"bad/{number}.txt", b"", "DOCUMENT_EMPTY"),
            (f"bad/{number}.pdf", b"%PDF-1.7\n" + f"{archive_id} {number}".encode() * 50, "DOCUMENT_CORRUPT"),
            (f"bad/{number}.pdf", f"Plain text number {number} of {archive_id}.".encode(), "DOCUMENT_TYPE_MISMATCH"),
        )[kind]
        found.append([(name, data, "", code)])
    texts._chance.shuffle(found)
    return [each for group in found for each in group]


def manifest_lines(texts: Texts, run: str, number: int) -> list[tuple[bytes, dict[str, Any] | None, str]]:
    """Line, the record it is (none: it must fail), and its mark, of one manifest."""
    found: list[tuple[bytes, dict[str, Any] | None, str]] = []
    for line in range(LINES - 6):
        mark, text = texts.new()
        found.append(_line(f"{run}-{number}-{line}", mark, text, 1))
    for line in range(2):
        for turn in range(2):
            mark, text = texts.new(turn)
            found.append(_line(f"{run}-{number}-revised-{line}", mark, text, 1 + turn))
    found += [(b"{ this is no JSON", None, ""), (b'{"source_type": "kill", "text": "no id"}', None, "")]
    texts._chance.shuffle(found)
    return found


def _line(record_id: str, mark: str, text: str, day: int) -> tuple[bytes, dict[str, Any] | None, str]:
    record = {"source_type": "kill", "record_id": record_id, "title": "", "text": text}
    record["updated_at"] = f"2026-01-{day:02}T00:00:00Z"
    return json.dumps(record).encode(), record, mark


# --- the killer ---------------------------------------------------------------------------------------------------


class Killer(threading.Thread):
    """Kills worker processes at random, a bounded number of times.

    Args:
        endpoint_url: of the embedded cloud.
        chance: decides when and whom.
        most: kills at random; hunts come on top.
        failures: tells how many executions have failed.
    """

    def __init__(self, endpoint_url: str, chance: random.Random, most: int, failures: Callable[[], int]) -> None:
        super().__init__(daemon=True, name="killer")
        self._url, self._chance, self._most, self._failures = endpoint_url, chance, most, failures
        self._over = threading.Event()
        self.victims: Counter[str] = Counter()
        self.at_work = 0
        self.hunted: list[str] = []

    @property
    def kills(self) -> int:
        """So far."""
        return self.victims.total()

    def stop(self) -> None:
        """End it; returns when it has ended."""
        self._over.set()
        self.join()

    def run(self) -> None:
        at_random = 0
        while at_random < self._most and not self._over.wait(self._chance.uniform(0.5, 3.0)):
            if len(self.hunted) < HUNTS and at_random >= self._most * (len(self.hunted) + 1) // (HUNTS + 1):
                self._hunt()
                continue
            figures = self._figures()
            busy = [(each["function"], each["busy_pids"]) for each in figures if each["busy_pids"]]
            alive = [(each["function"], each["worker_pids"]) for each in figures if each["worker_pids"]]
            if alive and (busy or self._chance.random() < 0.3):
                wanted = busy if busy and self._chance.random() < 0.85 else alive
                function, pids = self._chance.choice(wanted)
                at_random += self._kill(function, self._chance.choice(pids), at_work=wanted is busy)

    def _hunt(self) -> None:
        """Kill whatever works for one function until an execution has failed of it, or enough is enough."""
        busy = [each["function"] for each in self._figures() if each["busy_pids"] and _tries_end(each["function"])]
        if not busy:
            return
        function = self._chance.choice(busy)
        self.hunted.append(function)
        killed, failed, patience = 0, self._failures(), time.monotonic() + HUNT_S
        while killed < HUNT_KILLS and time.monotonic() < patience and self._failures() == failed:
            for pid in next((each["busy_pids"] for each in self._figures() if each["function"] == function), []):
                killed += self._kill(function, pid, at_work=True)
            if self._over.wait(0.3):
                return

    def _figures(self) -> list[dict[str, Any]]:
        from omnilake_local import lifecycle

        return lifecycle.function_figures(self._url)

    def _kill(self, function: str, pid: int, at_work: bool) -> bool:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.victims[function] += 1
            self.at_work += at_work
            return True
        return False


def _tries_end(function: str) -> bool:
    """Whether a state machine calls the function, and gives up after some attempts."""
    return not any(part in function for part in ("AcceptUploads", "IndexChunks", "StartCollection", "CloseJob"))


# --- handing over -------------------------------------------------------------------------------------------------


class Run:
    """One run of the test.

    Args:
        seed: of everything that is random.
        server: of the embedded cloud.
    """

    def __init__(self, seed: int, server: Any) -> None:
        from omnilake import settings
        from omnilake.client.deployment import Deployment
        from omnilake.clock import now

        self.deployment = Deployment()
        for name, value in self.deployment.settings().model_dump().items():
            if isinstance(value, str) and value:
                os.environ[f"OMNILAKE_{name.upper()}"] = value
        settings.settings.cache_clear()
        self.url = server.endpoint_url
        self.name = f"{int(time.time())}"
        self.archive_id = f"kill-{self.name}"
        self.since = now()
        self.chance = random.Random(seed)  # noqa: S311 (repeatable, not secret)
        self.texts = Texts(self.chance)
        self.sent: list[Sent] = []
        self.collections: list[str] = []

    def warm_up(self) -> None:
        """Make the archive, and a process for every function of the ways in."""
        self.deployment.create_archive(self.archive_id)
        warm = f"warm-{self.name}"
        self.deployment.create_archive(warm)
        self.deployment.wait(
            self._collect(warm, b'{"source_type": "kill", "record_id": "1", "text": "x y", "updated_at": "2026-01-01"}')
        )

    def hand_over(self, pause: Callable[[], None]) -> None:
        """Upload all objects in bursts and start all collections in between.

        Args:
            pause: waits between two bursts.
        """
        from omnilake import aws, entries, layout
        from omnilake.models import Record

        waiting = uploads(self.texts, self.archive_id)
        bursts = []
        while waiting:
            size = self.chance.randint(10, 30)
            bursts.append(waiting[:size])
            del waiting[:size]
        lists = {self.chance.randrange(len(bursts) * 2 // 3) for _ in range(50)}
        places = sorted(lists)[:MANIFESTS] if len(lists) >= MANIFESTS else list(range(MANIFESTS))
        for number, burst in enumerate(bursts):
            for name, data, mark, code in burst:
                key = f"incoming/{self.archive_id}/{name}"
                stored = aws.client("s3").put_object(
                    Bucket=self.deployment.outputs["LandingBucket"], Key=key, Body=data
                )
                self.sent.append(
                    Sent(
                        name=name,
                        place=(key, stored["VersionId"]),
                        entry_id=entries.entry_id_of(self.archive_id, "s3", name),
                        content_hash=hashlib.sha256(data).hexdigest(),
                        mark=mark,
                        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
                        code=code,
                    )
                )
            if number in places:
                lines = manifest_lines(self.texts, self.name, len(self.collections))
                job_id = self._collect(self.archive_id, b"\n".join(line for line, _, _ in lines))
                self.collections.append(job_id)
                for position, (_, record, mark) in enumerate(lines):
                    file, line = divmod(position, BATCH_LINES)
                    place = (layout.collection_records(job_id, file), f"line {line}")
                    if record is None:
                        self.sent.append(Sent("no record", place, "", code="RECORD_INVALID"))
                        continue
                    entry_id = entries.entry_id_of(self.archive_id, "kill", record["record_id"])
                    content_hash = Record.model_validate(record).content_hash
                    self.sent.append(Sent(record["record_id"], place, entry_id, content_hash, mark))
            pause()

    def _collect(self, archive_id: str, lines: bytes) -> str:
        """Start a collection; asked again under its own key when the function dies meanwhile, as a caller would."""
        from omnilake import aws

        bucket = self.deployment.outputs["LandingBucket"]
        key = f"lists/{archive_id}/{len(self.collections)}.jsonl"
        aws.ObjectStore(bucket).write(key, lines, "application/x-ndjson")
        request = {"archive_id": archive_id, "manifest": f"s3://{bucket}/{key}", "batch_documents": BATCH_LINES}
        return self._invoke({"request": request, "idempotency_key": key})

    def _invoke(self, event: dict[str, Any]) -> str:
        from omnilake import aws

        for _ in range(8):
            answer = aws.client("lambda").invoke(
                FunctionName=self.deployment.outputs["StartCollectionFunction"], Payload=json.dumps(event).encode()
            )
            told = json.loads(answer["Payload"].read())
            if "FunctionError" not in answer:
                return str(told["job_id"])
            if told.get("errorType") != "Runtime.ExitError":
                raise SystemExit(f"a collection was refused: {told}")
        raise SystemExit("no collection could be started in 8 attempts")

    # --- waiting, comparing, asking, retrying ---------------------------------------------------------------------

    def settle(self) -> float:
        """Wait until no message waits, no job is open and no execution runs; the seconds that took.

        Raises:
            SystemExit: something is still at work after ``PATIENCE_S``.
        """
        began, quiet, left = time.monotonic(), 0, ["?"]
        while quiet < 4:
            if time.monotonic() - began > PATIENCE_S:
                raise SystemExit(f"not quiet after {PATIENCE_S:.0f} s: {', '.join(left[:10])}")
            time.sleep(1.5)
            left = self._open()
            quiet = 0 if left else quiet + 1
        return time.monotonic() - began

    def _open(self) -> list[str]:
        from omnilake import aws
        from omnilake.models import JobKind, JobStatus

        found = []
        for queue in VISIBILITY_S:
            names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            told = aws.client("sqs").get_queue_attributes(
                QueueUrl=self.deployment.outputs[queue], AttributeNames=names
            )["Attributes"]
            found += [queue] * (sum(map(int, told.values())) > 0)
        kinds = [JobKind.INGEST_DOCUMENT, JobKind.INGEST_COLLECTION]
        found += [
            job.job_id for job in self.deployment.jobs(kinds, [JobStatus.PENDING, JobStatus.RUNNING], since=self.since)
        ]
        for machine in ("IngestDocumentMachine", "IngestCollectionMachine"):
            running = aws.client("stepfunctions").list_executions(
                stateMachineArn=self.deployment.outputs[machine], statusFilter="RUNNING"
            )["executions"]
            found += [each["name"] for each in running]
        return found

    def failures(self) -> int:
        """Executions of ``ingest_document`` that have failed, in this run and earlier ones."""
        from omnilake import aws

        return len(
            aws.client("stepfunctions").list_executions(
                stateMachineArn=self.deployment.outputs["IngestDocumentMachine"], statusFilter="FAILED"
            )["executions"]
        )

    def dead_letters(self) -> dict[str, int]:
        """Messages in dead-letter queues."""
        from omnilake_local import lifecycle

        return {
            each.name: each.visible + each.in_flight
            for each in lifecycle.queue_depths(self.url)
            if "DeadLetters" in each.name and each.visible + each.in_flight
        }

    def compare(self, runs: int = 1) -> Census:
        """What registry, store, manifests and landing zone say of everything that was handed over, ``runs`` times."""
        hashes = {each.content_hash for each in self.sent if each.content_hash}
        seen = census.look(self.deployment, self.archive_id, self.since, hashes)
        result = census.compare(self.sent, seen, runs)
        for collection in self.collections:
            job = self.deployment.job(collection)
            counts = Counter(fate for place, fate in result.fates.items() if collection in place[0])
            if job.progress.get("documents") != counts.total():
                result.disagreements.append(f"collection {collection} and the number of its documents")
        return result

    def ask(self, found: Census) -> list[str]:
        """Ask for some of the documents that are searchable; what was not found exactly once."""
        from omnilake import aws, layout
        from omnilake.answering.parts import FUSED, FusedEvidence

        current = [each for each in self.sent if each.mark and found.fates[each.place] == census.COMPLETED]
        wrong = []
        lake = aws.ObjectStore(self.deployment.outputs["LakeBucket"])
        for each in self.chance.sample(current, min(QUESTIONS, len(current))):
            job_id = self.deployment.submit(self.archive_id, f"What is the password of {each.mark}?")
            job = self.deployment.wait(job_id)
            answer = self.deployment.answer(job)
            evidence = lake.read_model(layout.answer_part(job_id, FUSED), FusedEvidence).evidence
            said = f"The password of {each.mark} is "
            holders = [piece.chunk.entry_id for piece in evidence if said in piece.chunk.text]
            cited = any(self.texts.keepers[each.mark] in citation.quote for citation in answer.citations)
            if holders != [each.entry_id] or not cited:
                wrong.append(f"the question for {each.name} found it {len(holders)} times, cited: {cited}")
        return wrong

    def retry(self) -> list[str]:
        """Retry every job that has failed documents; the ids of the new jobs."""
        from omnilake.models import JobStatus

        jobs = [job for job in self.deployment.ingestions(self.archive_id, self.since) if not job.parent_job_id]
        jobs += [self.deployment.job(collection) for collection in self.collections]
        failed = [job.job_id for job in jobs if job.progress.get("failed") or job.status is JobStatus.FAILED]
        return [self._invoke({"retry": job_id}) for job_id in failed]

    def unmended(self, found: Census) -> tuple[list[str], list[str]]:
        """Good documents that stay FAILED after the retry: those that should not, and those that a newer one replaced.

        Of two uploads of one path that failed, ``failed/`` holds the newer, which the retry ingests.
        """
        failed = [
            (number, each)
            for number, each in enumerate(self.sent)
            if not each.code and found.fates[each.place] == census.FAILED
        ]
        wrong: list[str] = []
        replaced: list[str] = []
        for number, each in failed:
            later = [other for other in self.sent[number + 1 :] if other.entry_id == each.entry_id]
            taken = any(found.fates[other.place] == census.COMPLETED for other in later)
            (replaced if taken and each.md5 else wrong).append(each.name)
        return wrong, replaced


@contextmanager
def visibility(outputs: dict[str, str]) -> Iterator[None]:
    """Let what was killed come back after seconds."""
    from omnilake import aws

    sqs, name, usual = aws.client("sqs"), "VisibilityTimeout", {}
    for queue, seconds in VISIBILITY_S.items():
        usual[queue] = sqs.get_queue_attributes(QueueUrl=outputs[queue], AttributeNames=[name])["Attributes"][name]
        sqs.set_queue_attributes(QueueUrl=outputs[queue], Attributes={name: str(seconds)})
    try:
        yield
    finally:
        for queue, seconds in usual.items():
            sqs.set_queue_attributes(QueueUrl=outputs[queue], Attributes={name: seconds})


def measure(run: Run, kills: int) -> dict[str, Any]:
    """Both halves; the figures."""
    run.warm_up()
    chance = random.Random(run.chance.random())  # noqa: S311 (repeatable, not secret)
    killer = Killer(run.url, chance, kills, run.failures)
    with visibility(run.deployment.outputs):
        began = time.monotonic()
        killer.start()
        run.hand_over(lambda: time.sleep(run.chance.uniform(3, 12)))
        while killer.is_alive() and (killer.kills < FEWEST_KILLS or run._open()):
            if not run._open() and time.monotonic() - began > PATIENCE_S:
                break
            time.sleep(1)
        killer.stop()
        run.settle()
        seconds = time.monotonic() - began
        first = run.compare()
        first.disagreements += run.ask(first)
        retries = run.retry()
        run.settle()
        second = run.compare(runs=2)
        second.disagreements += run.ask(second)
    good = [each for each in run.sent if not each.code]
    unmended, replaced = run.unmended(second)
    second.disagreements += [f"{name} is FAILED after the retry" for name in unmended]
    dead = run.dead_letters()
    return {
        "kills": killer.kills,
        "kills_at_work": killer.at_work,
        "kills_by_function": dict(killer.victims.most_common()),
        "hunted": killer.hunted,
        "seconds": seconds,
        **_figures(first),
        "failure_codes": dict(Counter(first.codes.values())),
        "dead_letters": dead,
        "disagreements": first.disagreements,
        "retried_jobs": len(retries),
        "retried_documents": sum(run.deployment.job(job_id).progress.get("documents", 0) for job_id in retries),
        "completed_after_retry": second.count(census.COMPLETED, census.DUPLICATE, census.SUPERSEDED),
        "failed_and_replaced_by_newer": len(replaced),
        "good_documents": len(good),
        "after_retry": {**_figures(second), "disagreements": second.disagreements},
    }


def _figures(found: Census) -> dict[str, int]:
    return {
        "documents": len(found.fates),
        "completed": found.count(census.COMPLETED, census.DUPLICATE, census.SUPERSEDED),
        "completed_as_duplicate": found.count(census.DUPLICATE),
        "completed_and_superseded": found.count(census.SUPERSEDED),
        "failed_with_reason": sum(bool(code) for code in found.codes.values()),
        "lost": len(found.lost),
        "duplicates": len(found.twice),
    }


def main() -> None:
    """Measure, print, write ``kill.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=70, help="kills at random (70); hunts come on top")
    parser.add_argument("--seed", type=int, default=None, help="of everything random; printed by each run")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else time.time_ns() % 1_000_000
    print(f"seed {seed}")
    with bench_cloud() as server:
        figures = {"seed": seed, **measure(Run(seed, server), arguments.kills)}
    _report(figures)


def _report(figures: dict[str, Any]) -> None:
    after = figures["after_retry"]
    report.table(
        "500 documents while Lambda processes are killed",
        {
            "seed": figures["seed"],
            "kills (of processes at work)": f"{figures['kills']} ({figures['kills_at_work']})",
            "functions hunted": len(figures["hunted"]),
            "documents": figures["documents"],
            "completed": figures["completed"],
            "  of them the same bytes as another": figures["completed_as_duplicate"],
            "  of them superseded by a newer version": figures["completed_and_superseded"],
            "failed with a reason": figures["failed_with_reason"],
            **{f"  {code}": count for code, count in sorted(figures["failure_codes"].items())},
            "lost": figures["lost"],
            "searchable more than once": figures["duplicates"],
            "disagreements": len(figures["disagreements"]),
            "messages in dead-letter queues": sum(figures["dead_letters"].values()),
            "seconds": figures["seconds"],
            "retried: jobs, documents": f"{figures['retried_jobs']}, {figures['retried_documents']}",
            "after the retry: completed": f"{after['completed']} of {figures['good_documents']} good ones",
            "after the retry: failed, a newer upload in their place": figures["failed_and_replaced_by_newer"],
            "after the retry: failed with a reason": after["failed_with_reason"],
            "after the retry: lost, more than once": f"{after['lost']}, {after['duplicates']}",
            "after the retry: disagreements": len(after["disagreements"]),
        },
    )
    report.table("Kills by function", figures["kills_by_function"])
    path = report.write("kill", figures)
    wrong = [*figures["disagreements"], *(f"after the retry: {each}" for each in after["disagreements"])]
    for sentence in wrong[:40]:
        print(f"disagrees: {sentence}")
    machine = report.machine()
    print(f"versions: {', '.join(f'{name} {value}' for name, value in machine.items())}")
    print(f"figures: {path.relative_to(ROOT)}")
    bad = [figures["lost"], figures["duplicates"], after["lost"], after["duplicates"], len(figures["dead_letters"])]
    if wrong or any(bad) or figures["kills"] < FEWEST_KILLS:
        raise SystemExit("Something is lost, there twice, or disagrees; or there were too few kills.")


if __name__ == "__main__":
    main()
