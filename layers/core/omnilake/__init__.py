"""OmniLake: a data lake for AI on AWS Step Functions.

All logic of the product. Rooms, by noun and verb:

``errors settings models``   what everything else speaks in
``aws``                      the only room that imports boto3
``handler``                  what every Lambda handler shares: logging, tracing, metrics, parsing, job progress
``archives entries jobs``    the registries in DynamoDB
``ingest``                   the stages of the ``ingest_document`` workflow
``extraction chunking``      bytes to text, text to chunks
``embedding tokens``         vectors, token counts
``stores``                   the only room that imports LanceDB
``retrieval``                retrievers and fusion
``generation``               claims with verbatim quotes out of evidence
``compaction answering``     the stages of ``compact_evidence`` and ``answer_request``
``cli client``               the way in (not part of the Lambda layer: ``cli``)
"""

__version__ = "0.1.0"
