"""The REST API: routers that check who asks, call the domain's rooms, and answer with their models.

A function of ``functions/api`` serves the routers of one concern (:func:`omnilake.api.app.api_handler`). Nothing here
imports boto3, and nothing decides about documents, answers or jobs: that is the domain's.
"""
