"""Jobs under OmniLake's own paths."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body as BodyParameter

from omnilake.api import jobs
from omnilake.api.app import answer, caller, make_router
from omnilake.api.rpc import TAGS, DescribeJob
from omnilake.api.waiting import JobView, find

router = make_router()


@router.post("/describe_job", tags=TAGS)
def describe_job(body: Annotated[DescribeJob, BodyParameter()]) -> Response[JobView]:
    return answer(jobs.described(find(caller(), body.job_id)))
