"""In: API Gateway's call of a route of archives (payload format 2.0).
Out: its HTTP response."""

from omnilake.cold_start import importing

with importing():
    from omnilake.api import archives, rpc_archives
    from omnilake.api.app import api_handler

handler = api_handler(archives.router, rpc_archives.router)
