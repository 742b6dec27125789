"""Section money: what an answer from 1,000 chunks costs with the default cloud models, by its ledger.

The answer is made as in the section compaction (deployed functions, the profile ``bedrock`` with its contexts, quotas
and prices, its models played by a local endpoint), with nothing remembered. Tokens are those of the prompts and answers
that went over the wire, by cl100k; prices are those of ``configuration/default.json``.

cost_usd       by the ledger: what the calls read and wrote
reckoned_usd   what the plan of the answer said beforehand, at most
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from benchmarks import report
from benchmarks.answers_compaction import PROFILE, Asking, answering, cloud, evidence

if TYPE_CHECKING:
    from benchmarks.answers import Run

CHUNKS = 1_000


def measure(run: Run) -> dict[str, Any]:
    """Money and tokens of one answer, whole and by model."""
    run.use_layers()
    found = evidence(run, CHUNKS)
    with cloud(run) as deployment, answering() as (model, configuration):
        answered = Asking(deployment, model, configuration).ask("money", found)
    by_model: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for line in answered.composed.ledger:
        for name in ("calls", "input_tokens", "output_tokens", "cost_usd"):
            by_model[line.model][name] += getattr(line, name)
    figures: dict[str, Any] = {
        "chunks": CHUNKS,
        "profile": PROFILE,
        "cost_usd": sum(line.cost_usd for line in answered.composed.ledger),
        "reckoned_usd": answered.plan.budget.cost_usd,
        "reckoned_input_tokens": answered.plan.budget.input_tokens,
        "reckoned_output_tokens": answered.plan.budget.output_tokens,
        "input_tokens": sum(line.input_tokens for line in answered.composed.ledger),
        "output_tokens": sum(line.output_tokens for line in answered.composed.ledger),
        "models": {name: dict(told) for name, told in by_model.items()},
    }
    rows = {name: value for name, value in figures.items() if not isinstance(value, dict)}
    for name, told in by_model.items():
        rows[name] = (
            f"{told['calls']:.0f} calls, {told['input_tokens']:,.0f} tokens in, {told['output_tokens']:,.0f} out, "
            f"${told['cost_usd']:.4f}"
        )
    rows |= {name: f"${figures[name]:.4f}" for name in ("cost_usd", "reckoned_usd")}
    rows["compared with"] = "the plan's own reckoning; prices of configuration/default.json"
    report.table(f"Money of an answer from {CHUNKS:,} chunks, profile {PROFILE}", rows)
    return {"money": figures}
