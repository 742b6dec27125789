"""In: what to do, and of check and put a configuration of answering.
Out: the configuration, its hash, and whether it is in force."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from omnilake.answering.configuring import Action, ConfigurationState, check, put, show
from omnilake.handler import state_handler


class ConfigurationEvent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action = Action.SHOW
    configuration: dict[str, Any] = {}


@state_handler(ConfigurationEvent, state="Configure Answering")
def handler(event: ConfigurationEvent) -> ConfigurationState:
    if event.action is Action.SHOW:
        return show()
    return (check if event.action is Action.CHECK else put)(event.configuration)
