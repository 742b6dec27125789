"""Using a deployment from outside: archives, uploads, questions, jobs.

:class:`~omnilake.client.deployment.Deployment` finds its way by the outputs of the CloudFormation stack and speaks to
the same functions, buckets and tables in the cloud and in the embedded one.
"""
