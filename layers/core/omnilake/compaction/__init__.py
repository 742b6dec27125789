"""Evidence that exceeds one context becomes claims by map-reduce: the stages of the ``compact_evidence`` workflow.

``planning``  which chunks, or claims, are read together (pure)
``nodes``     what a group comes to, and its content address
``stages``    Plan Round and Summarise Group
"""
