"""In: what to do, of check and put a configuration of answering, and of put the hash of the one that it replaces.
Out: the configuration, its hash, and whether it is in force."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from omnilake.answering.configuring import Action, ConfigurationState, check, put, show
from omnilake.handler import state_handler


class ConfigurationEvent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action = Action.SHOW
    configuration: dict[str, Any] = {}
    expected_hash: str = ""


@state_handler(ConfigurationEvent, state="Configure Answering")
def handler(event: ConfigurationEvent) -> ConfigurationState:
    if event.action is Action.SHOW:
        return show()
    if event.action is Action.CHECK:
        return check(event.configuration)
    return put(event.configuration, event.expected_hash)
