"""What the template tells a function: environment variables, parsed once.

Only this module reads ``OMNILAKE_*``; a function that asks for a value its role has no use for fails with a clear
error instead of a ``KeyError`` deep inside.
"""

from __future__ import annotations

import os
from functools import cache

from pydantic import BaseModel, ConfigDict, Field

from omnilake.errors import StageFailed

_PREFIX = "OMNILAKE_"


class Settings(BaseModel):
    """Values of one deployment. Empty strings mean: not given to this function."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    stage: str = "dev"
    landing_bucket: str = ""
    lake_bucket: str = ""
    archives_table: str = ""
    entries_table: str = ""
    registrations_table: str = ""
    stores_table: str = ""
    jobs_table: str = ""
    sources_table: str = ""
    source_secrets_prefix: str = ""
    schedule_group: str = ""
    schedule_role_arn: str = ""
    schedule_dead_letters_arn: str = ""
    start_sync_function_arn: str = ""
    sync_machine_arn: str = ""
    collection_machine_arn: str = ""
    removal_machine_arn: str = ""
    removal_round_entries: int = Field(default=500, ge=1, le=1_000)
    """Entries of an archive that is deleted which are removed, and proven to be gone, together."""
    event_bus: str = ""
    index_queue_url: str = ""
    upload_queue_url: str = ""
    ingest_machine_arn: str = ""
    answer_machine_arn: str = ""
    retriever_functions: dict[
        str, str
    ] = {}  # JSON: retriever name → function ARN, read from OMNILAKE_RETRIEVER_FUNCTIONS
    ocr_function_arn: str = ""
    """Function that recognises the text of scanned documents (``extraction.ocr``); none when empty."""
    max_document_bytes: int = Field(default=64 * 1024 * 1024, gt=0)
    embed_batch_chunks: int = Field(default=128, gt=0)
    map_concurrency: int = Field(default=1_000, gt=0)
    """Most groups of one compaction that are read at a time, whatever a model's quota allows."""
    min_support: float = Field(default=0.57, ge=0, le=1.5)
    """Support (best cosine + half the share of the question's words that one passage holds) below which nothing counts
    as evidence: the answer abstains."""
    answering_profile: str = "extractive"
    """Which models of the product's own configuration answer (``configuration.product``)."""
    answering_geography: str = ""
    """Beginning of the inference profiles by which they are called on Bedrock; empty: by their own ids."""
    fetch_seconds: float = Field(default=90, gt=0)
    """Seconds after which one invocation of Fetch Pages fetches no further page of a source."""
    allowed_private_hosts: str = ""
    """Hosts with private addresses that crawls may go to, with commas between them (``name`` or ``name:port``)."""
    insights_provider: str = "deterministic"
    """Name of the provider that extracts insights (``insights.provider_for``), or "none"."""
    insights_model: str = ""
    """Id of the model, of a provider that has one."""
    insights_endpoint: str = "https://api.openai.com/v1"
    """Base address of the OpenAI-compatible API that serves the model, of the provider ``openai``."""
    insights_tokens: int = Field(default=6_000, ge=200)
    """Most tokens (cl100k) of a document that are read for its insights."""
    insights_prices: str = Field(default="0,0", pattern=r"^\d+(\.\d+)?,\d+(\.\d+)?$")
    """US dollars per million tokens that the model reads and writes, for the ledger."""
    embedding_model: str = "local/all-MiniLM-L6-v2"
    """Space of new archives: provider/model or provider/model@dimensions (``embedding.models``)."""
    embedding_secret: str = ""
    """Secrets Manager secret with the providers' keys."""
    embedding_parameter: str = ""
    """SSM parameter with them, where there is no secret."""
    embedding_options: str = ""
    """JSON of ``embedding.options.EmbeddingOptions``."""
    embedding_fallback_region: str = ""
    """Region of Bedrock that is asked when the function's own can't serve."""
    embedding_cache_table: str = ""
    embedding_cache_days: int = Field(default=30, ge=0)
    """How long a passage's vector is kept for the next archive that has the same text; 0: not at all."""
    rate_limits_table: str = ""
    compaction_memo_table: str = ""
    job_ttl_days: int = Field(default=90, gt=0)
    idempotency_table: str = ""
    api_secret: str = ""
    """Secrets Manager secret whose value signs the API's cursors."""
    operator_principals: str = ""
    """Patterns of principals that may everything, with commas between them (``api.access``)."""
    default_archive_access: str = "private"
    """What an archive that the API creates allows other principals: "private" or "shared" (read and write)."""
    tenant_claim: str = ""
    """Claim of a JWT that names the caller's tenant; empty: none does."""
    groups_claim: str = ""
    """Claim of a JWT that lists the caller's groups; empty: none does."""
    troubleshooting_url: str = "docs/troubleshooting.md"
    """Address that the problems of the API refer to."""
    create_archive_function_arn: str = ""
    delete_archive_function_arn: str = ""
    submit_request_function_arn: str = ""
    configure_answering_function_arn: str = ""
    put_source_function_arn: str = ""
    delete_source_function_arn: str = ""
    start_collection_function_arn: str = ""
    redrive_collection_function_arn: str = ""

    def require(self, name: str) -> str:
        """Value of a setting that must be there.

        Raises:
            StageFailed: the template did not give it to this function.
        """
        value = getattr(self, name)
        if not value:
            raise StageFailed(
                f"The environment variable {_PREFIX}{name.upper()} is not set for this function.",
                action="Add it to the function's environment in template.yaml.",
            )
        return str(value)


@cache
def settings() -> Settings:
    """The settings of this process, read from the environment at the first call."""
    values: dict[str, object] = {
        key[len(_PREFIX) :].lower(): value
        for key, value in os.environ.items()
        if key.startswith(_PREFIX) and value != ""
    }
    functions = values.get("retriever_functions")
    if isinstance(functions, str):
        import json

        values["retriever_functions"] = json.loads(functions)
    return Settings.model_validate(values)
