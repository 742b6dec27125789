"""The stages of the ``ingest_document`` workflow, in the order of its states.

Each stage takes a job id, reads what the stage before wrote to the lake, writes its own object, and returns counts.
Running a stage again writes the same objects again.

``intake``    S3 events from the queue → batches, one execution each
``register``  who is new, who is a duplicate, who can't be taken
``extract``   bytes → text and structure
``cut``       text → chunks, grouped for embedding
``publish``   registry, landing zone, events, job record
``failure``   what a failed execution leaves behind is put in order
``landing``   the landing bucket's zones: incoming, processed, failed
"""
