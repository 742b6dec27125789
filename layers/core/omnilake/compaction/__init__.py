"""Evidence that exceeds one context becomes claims by map-reduce: the stages of the ``compact_evidence`` workflow.

``capacity``  what one call of a model reads and writes (pure)
``planning``  which chunks, or claims, are read together (pure)
``nodes``     what a group comes to, and its content address
``memo``      what groups came to in earlier requests
``stages``    Plan Round and Summarise Group
"""
