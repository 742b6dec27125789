"""Secrets Manager and Parameter Store, as Powertools' parameters utility reads and writes them.

https://docs.powertools.aws.dev/lambda/python/latest/utilities/parameters/
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider, SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, SetParameterError
from conformance_cloud import Cloud, unique


@pytest.fixture(scope="module")
def secrets(cloud: Cloud) -> SecretsProvider:
    return SecretsProvider(boto3_client=cloud.server.client("secretsmanager"))


@pytest.fixture(scope="module")
def settings(cloud: Cloud) -> SSMProvider:
    return SSMProvider(boto3_client=cloud.server.client("ssm"))


@pytest.fixture
def manager(cloud: Cloud) -> Any:
    return cloud.server.client("secretsmanager")


class TestSecrets:
    """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html"""

    def test_text_json_and_bytes_are_read(self, secrets: SecretsProvider, manager: Any) -> None:
        name = unique("omnilake/")
        manager.create_secret(Name=f"{name}/text", SecretString="plain ü")
        manager.create_secret(Name=f"{name}/json", SecretString=json.dumps({"api_key": "k"}))
        manager.create_secret(Name=f"{name}/bytes", SecretBinary=b"\x00\xff")
        assert secrets.get(f"{name}/text") == "plain ü"
        assert secrets.get(f"{name}/json", transform="json") == {"api_key": "k"}
        assert secrets.get(f"{name}/bytes") == b"\x00\xff"

    def test_secret_is_found_by_its_arn_with_and_without_the_random_ending(
        self, secrets: SecretsProvider, manager: Any
    ) -> None:
        arn = manager.create_secret(Name=unique("omnilake/"), SecretString="value")["ARN"]
        assert secrets.get(arn) == "value"
        assert secrets.get(arn.rpartition("-")[0]) == "value"

    def test_new_value_is_a_new_version(self, secrets: SecretsProvider, manager: Any) -> None:
        name = unique("omnilake/")
        manager.create_secret(Name=name, SecretString="one")
        assert secrets.get(name) == "one"
        manager.put_secret_value(SecretId=name, SecretString="two")
        assert secrets.get(name) == "one"  # from Powertools' cache
        assert secrets.get(name, force_fetch=True) == "two"
        assert secrets.get(name, force_fetch=True, VersionStage="AWSPREVIOUS") == "one"

    def test_missing_and_deleted_secrets_are_errors(self, secrets: SecretsProvider, manager: Any) -> None:
        with pytest.raises(GetParameterError, match="ResourceNotFoundException"):
            secrets.get(unique("missing/"))
        name = unique("omnilake/")
        manager.create_secret(Name=name, SecretString="one")
        manager.delete_secret(SecretId=name)
        with pytest.raises(GetParameterError, match="InvalidRequestException"):
            secrets.get(name)


class TestParameterStore:
    """https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html"""

    def test_secure_parameter_is_read_decrypted_only_on_demand(self, cloud: Cloud, settings: SSMProvider) -> None:
        name = unique("/omnilake/")
        cloud.server.client("ssm").put_parameter(Name=name, Value="secret", Type="SecureString")
        assert settings.get(name, force_fetch=True) != "secret"
        assert settings.get(name, force_fetch=True, decrypt=True) == "secret"

    def test_tree_is_read_in_pages_below_its_path(self, cloud: Cloud, settings: SSMProvider) -> None:
        path = unique("/omnilake/")
        for number in range(23):
            cloud.server.client("ssm").put_parameter(Name=f"{path}/{number}", Value=f"v{number}", Type="String")
        cloud.server.client("ssm").put_parameter(Name=f"{path}/deep/er", Value="x", Type="String")
        found = settings.get_multiple(path, recursive=True)
        assert found == {**{str(number): f"v{number}" for number in range(23)}, "deep/er": "x"}
        assert len(settings.get_multiple(path, force_fetch=True) or {}) == 23

    def test_several_are_read_by_name_and_the_missing_ones_named(self, cloud: Cloud, settings: SSMProvider) -> None:
        name = unique("/omnilake/")
        client = cloud.server.client("ssm")
        client.put_parameter(Name=f"{name}/text", Value="v", Type="String")
        client.put_parameter(Name=f"{name}/secure", Value="s", Type="SecureString")
        client.put_parameter(Name=f"{name}/json", Value='{"a": 1}', Type="String")
        wanted: dict[str, dict[str, Any]] = {
            f"{name}/text": {},
            f"{name}/secure": {"decrypt": True},
            f"{name}/json": {"transform": "json"},
            f"{name}/none": {},
        }
        found = settings.get_parameters_by_name(wanted, raise_on_error=False)
        assert found == {
            f"{name}/text": "v",
            f"{name}/secure": "s",
            f"{name}/json": {"a": 1},
            "_errors": [f"{name}/none"],
        }

    def test_writing_overwrites_only_when_asked_and_keeps_versions(self, settings: SSMProvider) -> None:
        name = unique("/omnilake/")
        settings.set(name, "one")
        with pytest.raises(SetParameterError, match="ParameterAlreadyExists"):
            settings.set(name, "two")
        settings.set(name, "two", overwrite=True)
        assert settings.get(name, force_fetch=True) == "two"
        assert settings.get(f"{name}:1", force_fetch=True) == "one"

    def test_missing_parameter_is_an_error(self, settings: SSMProvider) -> None:
        with pytest.raises(GetParameterError, match="ParameterNotFound"):
            settings.get(unique("/missing/"))
