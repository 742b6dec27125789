"""Corrections of single ministack services, one module each, with the upstream change that would replace it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from omnilake_local.server.settings import ServerSettings


class Background(Protocol):
    """What works on its own: ``start`` it when the stored state is back, ``suspend`` it before the state is saved."""

    def start(self) -> None:
        """Begin."""

    def suspend(self) -> None:
        """Begin nothing more."""


def install_corrections(settings: ServerSettings) -> list[Background]:
    """Apply every correction; call once, before the server listens. Returns what the server starts and suspends."""
    from omnilake_local.server.services import (
        async_invocations,
        bounded_memory,
        event_rules,
        layer_archives,
        message_queues,
        metric_math_alarms,
        object_versions,
        policy_wildcards,
        repeated_work,
        replaced_files,
        schedule_groups,
        schedules,
        table_expiry,
    )
    from omnilake_local.server.services.event_source_mappings import SqsEventSources
    from omnilake_local.server.services.http_apis import HttpApis

    message_queues.install()
    metric_math_alarms.install()
    async_invocations.install()
    event_rules.install()
    object_versions.install()
    policy_wildcards.install()
    repeated_work.install()
    replaced_files.install()
    schedule_groups.install()
    table_expiry.install()
    layer_archives.install()
    bounded_memory.install()
    sources = SqsEventSources(default_concurrency=settings.workers_per_function)
    sources.install()
    apis = HttpApis(settings.endpoint_url)
    apis.install()
    return [sources, schedules.install(), apis]
