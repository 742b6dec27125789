"""The connectors run with the core layer and their own, and nothing else."""

from __future__ import annotations

from packaging_types import RunInLayers


def test_every_connector_is_made_with_what_its_functions_carry(run_in_layers: RunInLayers) -> None:
    program = """
from omnilake import connectors
from omnilake.connectors.protocol import Credentials
from omnilake.connectors.slack import SlackConfig, SlackConnector
from omnilake.connectors.gitlab import GitLabConfig, GitLabConnector
for source_type in connectors.types():
    assert connectors.connector_class(source_type).config_model.identity_fields(), source_type
token = Credentials.parse("token")
SlackConnector(SlackConfig(workspace="T1"), token).close()
GitLabConnector(GitLabConfig(base_url="https://gitlab.com", project="a/b"), token).close()
print("made")
"""
    assert run_in_layers(program, "core", "connectors", AWS_DEFAULT_REGION="us-east-1") == "made\n"
