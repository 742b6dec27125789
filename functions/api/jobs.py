"""In: API Gateway's call of a route of jobs (payload format 2.0).
Out: its HTTP response."""

from omnilake.cold_start import importing

with importing():
    from omnilake.api import jobs, rpc_jobs
    from omnilake.api.app import api_handler

handler = api_handler(jobs.router, rpc_jobs.router)
