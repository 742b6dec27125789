"""Stores: one LanceDB table for each shard of an archive. The only room that imports LanceDB.

``table``     schema, connections, creation and removal of a store
``commit``    idempotent commits by the one committer of a store, verification, optimisation
``search``    exact vector search and full-text search
``backup``    what was committed, as Parquet; a store made again of it
``indexing``  the Index Chunks state: a batch of queue messages → one commit for each store

Importing any of these loads LanceDB: only functions with the vector layer do.
"""
