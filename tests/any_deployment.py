"""A deployed stack in moto: its outputs name the data resources that ``stack_in_moto`` made."""

from __future__ import annotations

import json

import stack_in_moto

from omnilake import aws
from omnilake.client.deployment import Deployment
from omnilake.settings import settings


def any_deployment(stack_name: str = "omnilake") -> Deployment:
    """A stack with the template's outputs; moto must hold an otherwise empty one."""
    names = {
        "LandingBucket": settings().landing_bucket,
        "LakeBucket": settings().lake_bucket,
        "EventBus": settings().event_bus,
        "UploadQueue": settings().upload_queue_url,
        "IndexQueue": settings().index_queue_url,
    }
    outputs = {name: {"Value": names.get(name, name)} for name in stack_in_moto.template()["Outputs"]}
    body = {"Resources": {"Any": {"Type": "AWS::SQS::Queue"}}, "Outputs": outputs}
    aws.client("cloudformation").create_stack(StackName=stack_name, TemplateBody=json.dumps(body))
    return Deployment(stack_name)
