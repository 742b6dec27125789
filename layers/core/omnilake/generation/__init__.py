"""Claims with verbatim quotes out of evidence.

``provider``    what a generation provider is, and which there are
``extractive``  the provider that selects sentences: no model writes, so nothing is invented
``sentences``   text → sentences, list items, rows and turns, with offsets
``relevance``   lexical overlap, centrality, maximal marginal relevance
"""

from omnilake.generation.provider import ClaimSet, GenerationProvider, Task, Usage, model_name, provider_for

__all__ = ["ClaimSet", "GenerationProvider", "Task", "Usage", "model_name", "provider_for"]
