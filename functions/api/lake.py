"""In: API Gateway's call of a route about the deployment as a whole, or of a path that is no route.
Out: its HTTP response."""

from omnilake.cold_start import importing

with importing():
    from omnilake.api import lake
    from omnilake.api.app import api_handler

handler = api_handler(lake.router)
