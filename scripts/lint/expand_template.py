"""The template as CloudFormation sees it: SAM's transform applied, parameters at their defaults, no YAML aliases.

    python scripts/lint/expand_template.py template.yaml > expanded.json

Runs in an environment with aws-sam-translator (the one of the SAM CLI, or of the linters). ``DefinitionUri`` files stay
references, as in a packaged template; pseudo S3 locations stand for code that would have been uploaded.
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

_UPLOADED = {"CodeUri", "ContentUri", "DefinitionUri"}


class _ManagedPolicies(ManagedPolicyLoader):  # type: ignore[misc]
    """Names of AWS managed policies that SAM adds, without asking IAM."""

    def __init__(self) -> None:
        pass

    def load(self) -> dict[str, str]:
        return {}


def expand(template: dict[str, Any], region: str = "us-east-1") -> dict[str, Any]:
    """Apply the SAM transform.

    Args:
        template: parsed ``template.yaml``.
        region: region to expand for.
    """
    template = copy.deepcopy(template)
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for name in _UPLOADED & properties.keys():
            properties[name] = {"Bucket": "uploaded", "Key": str(properties[name]).strip("/").replace("/", "-")}
    parameters = {name: each["Default"] for name, each in template["Parameters"].items() if "Default" in each}
    translator = Translator(
        {"AWSLambdaBasicExecutionRole": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"},
        Parser(),
        boto_session=boto3.Session(region_name=region),
    )
    expanded: dict[str, Any] = translator.translate(sam_template=template, parameter_values=parameters)
    # What `sam validate` need not look at in the YAML would take the place of cfn-lint's own configuration.
    expanded.get("Metadata", {}).pop("cfn-lint", None)
    return expanded


if __name__ == "__main__":
    json.dump(expand(yaml_parse(Path(sys.argv[1]).read_text())), sys.stdout, indent=1)
