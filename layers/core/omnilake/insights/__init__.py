"""Insights: what a document says as a whole, in a fixed shape.

``provider``       the contract, and which providers there are
``schema``         the shape that is asked for, and what of an answer is believed
``excerpt``        what is read of a long document
``deterministic``  the provider without a model, with ``phrases``, ``entities``, ``dates``, ``fields``
``generative``     the provider that asks a model (``generation.wires``)
``stages``         the Extract Insights state, and what it leaves for Publish Entries
"""
