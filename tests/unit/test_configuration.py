from __future__ import annotations

import json

import pytest

from omnilake import aws, configuration, layout
from omnilake.configuration import Step
from omnilake.configuration.loading import parse
from omnilake.errors import InvalidConfiguration

OWN = {"models": {"small": {"provider": "bedrock", "model": "m"}}, "steps": {"map": "small", "compose": "small"}}


def test_without_one_of_its_own_a_deployment_has_the_products(stack: None) -> None:
    loaded = configuration.load()
    assert loaded.version == ""
    assert loaded.configuration == configuration.product("extractive")


def test_a_deployments_own_is_read_with_its_version(stack: None) -> None:
    version = aws.lake().write(layout.ANSWERING, json.dumps(OWN).encode())
    loaded = configuration.load()
    assert loaded.configuration.models["small"].model == "m"
    assert loaded.version
    assert version == layout.ANSWERING


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"steps": {"map": "small"}}, "no model for compose"),
        ({"steps": {"map": "small", "compose": "large"}}, "no model is called large"),
        ({"model": {}}, "model "),
        ({"models": {"small": {"provider": "oracle"}}}, "models.small.provider"),
        ({"routes": [{"name": "a", "retrievers": ["rows"], "patterns": ["("]}]}, "no regular expression"),
        ({"routes": [{"name": name, "retrievers": ["rows"]} for name in ("a", "A")]}, "two routes have one name"),
    ],
)
def test_what_does_not_fit_is_named(changed: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidConfiguration, match=named):
        parse(json.dumps(OWN | changed).encode())


def test_a_profile_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="'oracle'"):
        configuration.product("oracle")


def test_the_hash_changes_with_every_value() -> None:
    some = parse(json.dumps(OWN).encode())
    other = parse(json.dumps(OWN | {"memo_days": 1}).encode())
    assert some.hash != other.hash
    assert some.hash == parse(json.dumps(OWN).encode()).hash


@pytest.mark.parametrize("profile", ["bedrock", "openai"])
def test_a_profile_names_priced_models_that_get_cheaper_until_the_cheapest(profile: str) -> None:
    found = configuration.product(profile)
    compose, small = (found.models[found.steps[step]] for step in (Step.COMPOSE, Step.MAP))
    assert compose.provider == small.provider == profile
    assert compose.input_usd > small.input_usd > 0
    while compose.cheaper:
        cheaper = found.models[compose.cheaper]
        assert (cheaper.input_usd, cheaper.output_usd) < (compose.input_usd, compose.output_usd)
        compose = cheaper


def test_bedrocks_models_are_called_by_the_inference_profiles_of_a_geography() -> None:
    found = configuration.product("bedrock", "eu")
    assert found.models["nova-pro"].model == "eu.amazon.nova-pro-v1:0"
    assert found.models["gpt-4.1"].model == "gpt-4.1"
