"""A retriever of one's own: what the abbreviations of a question stand for, from the configuration.

docs/retrievers.md goes through it; tests/machines/test_retrievers.py deploys it and asks.
"""

import re

from omnilake.models import Evidence, Model, Scores
from omnilake.retrieval import Found, Lookup, retriever


class GlossaryOptions(Model):
    """``retrievers.glossary.options`` of the configuration."""

    terms: dict[str, str]  # abbreviation → what it stands for


def find(lookup: Lookup) -> Found:
    """A sentence for each term that stands in the question, in the question's order."""
    terms = lookup.options_as(GlossaryOptions).terms
    asked = dict.fromkeys(word for word in re.findall(r"\w+", lookup.plan.question) if word in terms)
    chunks = [
        chunk
        for term in asked
        for chunk in lookup.keep_material(
            f"{term} stands for {terms[term]}.", title="Glossary", source=f"glossary:{term}", source_type="glossary"
        )
    ]
    return Found(evidence=[Evidence(chunk=chunk, scores=Scores()) for chunk in chunks])


handler = retriever("glossary", find)
