"""In: API Gateway's call of a route of sources or their types (payload format 2.0).
Out: its HTTP response."""

from omnilake.cold_start import importing

with importing():
    from omnilake.api import rpc_sources, sources
    from omnilake.api.app import api_handler

handler = api_handler(sources.router, rpc_sources.router)
