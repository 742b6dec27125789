"""In: API Gateway's call of a route of requests, answers or search (payload format 2.0).
Out: its HTTP response."""

from omnilake.cold_start import importing

with importing():
    from omnilake.api import requests, rpc_requests
    from omnilake.api.app import api_handler

handler = api_handler(requests.router, rpc_requests.router)
