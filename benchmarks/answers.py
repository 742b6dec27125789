"""`make bench-answers`: how good answers are, section by section, side by side with what others do on the same data.

retrieval   evidence of the deployed path against BM25, dense search, LlamaIndex and Haystack (nDCG@10, recall@10)
summaries   query-focused extracts against lead, LexRank, TextRank and MMR (ROUGE)
routing     the router's examples on a labelled intent set (accuracy, recall of questions out of scope)
compaction  the map-reduce with a latency-model LLM against its lower bound (critical path, tokens, calls)
money       what an answer from 1,000 chunks costs with the default cloud models, by the ledger

    python benchmarks/answers.py --data DIR [--sections retrieval,summaries] [--queries N] [--sets scifact,cranfield]

``DIR`` has one folder a labelled set; each section says in its module what it looks for there and where such sets are
published. A section is one function ``measure(run) -> figures`` in ``benchmarks/answers_<section>.py``; what it returns
goes to ``benchmarks/results/answers.json``. Figures of sections that are not run stay as they were.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "local")]

from benchmarks import report  # noqa: E402
from benchmarks.cloud import bench_cloud  # noqa: E402

if TYPE_CHECKING:
    from rich.console import Console

    from omnilake.client.deployment import Deployment
    from omnilake_local.paths import Project

SECTIONS = ("retrieval", "summaries", "routing", "compaction", "money")
"""In the order in which they run; each is ``benchmarks/answers_<section>.py``."""

PEERS = (
    "llama-index-core==0.14.25",
    "llama-index-retrievers-bm25==0.8.0",
    "haystack-ai==3.4.0",
    "bm25s==0.3.16",
    "PyStemmer==2.2.0.3",
    "sumy==0.13.0",
    "rouge-score==0.1.2",
)
"""What is compared with, in an environment of its own (``.omnilake/venvs/peers-answers``)."""

_OURS = (
    "pydantic",
    "tokenizers==0.23.3",
    "onnxruntime==1.31.1",
    "aws-lambda-powertools",
    "boto3",
    "httpx2",
    "tiktoken",
    "numpy==2.4.6",
)


@dataclass
class Run:
    """What sections share: the data, how much of it, and one embedded cloud that comes up when it is first needed."""

    data: Path
    queries: int | None = None  # most of each set; None: all
    sets: tuple[str, ...] = ()  # names of the labelled sets; empty: all that are there
    started: float = field(default_factory=time.monotonic)
    _clouds: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def console(self) -> Console:
        from rich.console import Console

        return Console()

    def say(self, text: str) -> None:
        """A line of progress, with the seconds since the start."""
        self.console.print(f"[{time.monotonic() - self.started:6.0f} s] {text}", markup=False, highlight=False)

    @cached_property
    def project(self) -> Project:
        from omnilake_local import paths

        return paths.find_project()

    @cached_property
    def cache(self) -> Path:
        """Folder of what takes long to make and stays the same (vectors of a corpus)."""
        folder = self.project.home / "bench" / "answers"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @cached_property
    def deployment(self) -> Deployment:
        """The stack as it is in the checkout, in the benchmarks' own cloud, which keeps its data between runs."""
        from omnilake.client.deployment import Deployment

        self._clouds.enter_context(bench_cloud(console=self.console))
        return Deployment()

    def down(self) -> None:
        """Stop the cloud if it was started; it writes its data to disk."""
        self._clouds.close()

    @property
    def models(self) -> Path:
        """The built models layer: the embedder that every system here uses."""
        folder = self.project.build / "ModelsLayer" / "python"
        if not folder.is_dir():
            assert self.deployment  # the cloud builds it
        return folder

    def use_layers(self) -> None:
        """Let this process embed and count tokens as functions do: with what the built layers hold."""
        sys.path.append(str(self.models))
        os.environ["TIKTOKEN_CACHE_DIR"] = str(self.project.build / "CoreLayer" / "python" / "omnilake_tiktoken")

    @cached_property
    def peers_python(self) -> Path:
        """Interpreter of the peers' environment, made when it is missing or of other versions."""
        from omnilake_local.environments import find_uv

        folder = self.project.venvs / "peers-answers"
        wanted = "\n".join([*PEERS, *_OURS])
        stamp = folder / "requirements.txt"
        if not stamp.exists() or stamp.read_text() != wanted:
            self.say("environment of the peers …")
            uv = str(find_uv())
            subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)], check=True)
            python = str(folder / "bin" / "python")
            subprocess.run(
                [uv, "pip", "install", "-q", "--link-mode=copy", "--python", python, *PEERS, *_OURS], check=True
            )
            stamp.write_text(wanted)
        return folder / "bin" / "python"

    def peer(self, script: str, *arguments: str | Path) -> Any:
        """Run one of the scripts of this folder in the peers' environment; returns the JSON of its last line."""
        command = [str(self.peers_python), str(ROOT / "benchmarks" / script), *map(str, arguments)]
        paths = [str(ROOT), str(ROOT / "layers" / "core"), str(self.models)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMNILAKE_EMBED_THREADS": "2"}
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, env=environment)
        if done.returncode != 0:
            raise SystemExit(f"{script} {arguments[0]} ended with {done.returncode}; its errors stand above.")
        return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure, print, write ``answers.json`` after each section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the labelled sets")
    parser.add_argument("--sections", default=",".join(SECTIONS), help="with commas between them")
    parser.add_argument("--queries", type=int, help="most queries of each set")
    parser.add_argument("--sets", default="", help="names of the sets, with commas between them; default: all")
    arguments = parser.parse_args()
    sections = _named(arguments.sections)
    unknown = sorted(set(sections) - set(SECTIONS))
    if unknown:
        parser.error(f"there is no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    if not arguments.data.is_dir():
        parser.error(f"{arguments.data} is no folder")
    run = Run(arguments.data.resolve(), arguments.queries, tuple(_named(arguments.sets)))
    path = report.RESULTS / "answers.json"
    try:
        for section in sections:
            run.say(f"section {section}")
            figures = importlib.import_module(f"benchmarks.answers_{section}").measure(run)
            known = json.loads(path.read_text()) if path.exists() else {}
            report.write("answers", {**known, **figures})
    finally:
        run.down()
    print(f"figures: {path.relative_to(ROOT)}")


def _named(text: str) -> Sequence[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


if __name__ == "__main__":
    main()
