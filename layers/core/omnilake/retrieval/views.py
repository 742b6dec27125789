"""What of a store a request may see, as one condition that is applied before any search. Needs the vector layer."""

from __future__ import annotations

from omnilake.models import Store
from omnilake.retrieval import filters
from omnilake.retrieval.plan import RetrievalPlan
from omnilake.stores.search import View


def open_view(store: Store, plan: RetrievalPlan, *, keeps_all: bool) -> View:
    """The chunks of a store that a request may see.

    Args:
        store: where.
        plan: with filters, tenant, date and entries.
        keeps_all: the store may hold several versions of an entry; of a date only the newest of then counts.

    Raises:
        AsOfUnavailable: the version of the store that the request is about is gone.
    """
    terms = [filters.condition(plan.filters, plan.tenant)]
    if plan.entries is not None:
        terms.append(filters.one_of("entry_id", plan.entries))
    came_by = ""
    if plan.as_of.moment:
        came_by = f"received_at != '' AND received_at <= {filters.literal(plan.as_of.moment)}"
        terms.append(came_by)
    view = View(store, filters.conjunction(terms), plan.as_of.store_version)
    if came_by and keeps_all:
        view = view.narrowed(_not_outdated(View(store, came_by)))
    return view


def _not_outdated(view: View) -> str:
    """The condition that leaves out chunks of versions that a newer one in the view took the place of."""
    held: dict[str, set[str]] = {}
    for batch in view.scan(["entry_id", "version"]):
        for entry_id, version in zip(batch["entry_id"].to_pylist(), batch["version"].to_pylist(), strict=True):
            held.setdefault(entry_id, set()).add(version)
    outdated = [
        f"({filters.one_of('entry_id', [entry_id])} AND {filters.one_of('version', sorted(versions)[:-1])})"
        for entry_id, versions in sorted(held.items())
        if len(versions) > 1
    ]
    return f"NOT ({' OR '.join(outdated)})" if outdated else ""
