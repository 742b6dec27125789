"""Claims with verbatim quotes out of evidence.

``provider``    what a generation provider is, and which there are
``extractive``  the provider that selects sentences: no model writes, so nothing is invented
``sentences``   text → sentences, list items, rows and turns, with offsets
``relevance``   lexical overlap, centrality, maximal marginal relevance
``generative``  the provider that asks a model
``prompts``     versioned templates, and how documents are put into them as data
``claims``      what of a model's answer is believed
``judging``     whether quotes support their claim, by a model
``asking``      one question to a model, with one repair of an answer that does not fit
``recording``   model calls of a request, for states that run again and for replays
``wires``       how models are called
"""

from omnilake.generation.provider import (
    ClaimSet,
    GenerationProvider,
    Task,
    Usage,
    asked_model,
    model_name,
    provider_for,
)

__all__ = [
    "ClaimSet",
    "GenerationProvider",
    "Task",
    "Usage",
    "asked_model",
    "model_name",
    "provider_for",
]
