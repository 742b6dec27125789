"""Insights: what a document says as a whole, in a fixed shape.

``provider``       the contract, and which providers there are
``schema``         the shape that is asked for, and what of an answer is believed
``excerpt``        what is read of a long document
``deterministic``  the provider without a model, with ``phrases``, ``entities``, ``dates``, ``fields``
``generative``     what models share: the prompt, one repair of an answer that does not fit
``bedrock``, ``openai``  how models are called
``stages``         the Extract Insights state, and what it leaves for Publish Entries
"""
