"""In: a chunked batch, and how often it has waited for the provider's quota.
Out: how many of its documents have insights in the lake, and how many have not."""

from omnilake.handler import state_handler
from omnilake.insights.stages import InsightsEvent, InsightsResult, extract_insights


@state_handler(InsightsEvent, state="Extract Insights")
def handler(event: InsightsEvent) -> InsightsResult:
    return extract_insights(event.job_id, event.archive_id, event.waits)
