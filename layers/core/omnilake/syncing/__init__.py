"""``sync_source``: what is new, changed and gone at a source comes into its archive.

Start Sync takes the source (one sync at a time) and starts the execution. Plan Sync asks the connector for the streams.
Fetch Pages reads pages and writes batch files, invocation by invocation, until all streams are at their end. Prepare
Ingestion writes the manifest. ``ingest_collection`` takes the batch files. Advance Cursor lets the next sync begin
where this one ended. See :mod:`omnilake.connectors.protocol` for the connectors' side.
"""
