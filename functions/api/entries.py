"""In: API Gateway's call of a route of entries, uploads, collections or reindexing (payload format 2.0).
Out: its HTTP response."""

from omnilake.cold_start import importing

with importing():
    from omnilake.api import entries, rpc_entries
    from omnilake.api.app import api_handler

handler = api_handler(entries.router, rpc_entries.router)
