"""The template as a test reads it: intrinsics resolved for made-up parameters, ARNs made of logical ids."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
TEMPLATE: Final = ROOT / "automation-orchestration-pipeline.yaml"

ACCOUNT: Final = "111122223333"
REGION: Final = "eu-west-1"
STACK: Final = "retraining"

_PSEUDO: Final = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::StackName": STACK,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/0a1b",
    "AWS::NoValue": None,
}
_ARNS: Final = {
    "AWS::S3::Bucket": "arn:aws:s3:::{id}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{id}",
    "AWS::Lambda::Function": "arn:aws:lambda:{region}:{account}:function:{id}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{id}",
    "AWS::SNS::Topic": "arn:aws:sns:{region}:{account}:{id}",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{id}",
    "AWS::Logs::LogGroup": "arn:aws:logs:{region}:{account}:log-group:{id}:*",
    "AWS::StepFunctions::StateMachine": "arn:aws:states:{region}:{account}:stateMachine:{id}",
}
_REF_IS_ARN: Final = {"AWS::SNS::Topic", "AWS::StepFunctions::StateMachine"}


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt":
        value = value.split(".", 1)
    return {"Ref" if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


class Template:
    """The template with values for its parameters."""

    def __init__(self, **parameters: Any) -> None:
        self.document: dict[str, Any] = yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - the loader is a safe one
        self._parameters = {
            name: parameters.get(name, definition.get("Default"))
            for name, definition in self.document["Parameters"].items()
        }
        for name, definition in self.document["Parameters"].items():
            if definition["Type"] == "CommaDelimitedList" and isinstance(self._parameters[name], str):
                self._parameters[name] = self._parameters[name].split(",")

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Properties of a resource, resolved."""
        resolved: dict[str, Any] = self._resolve(self.document["Resources"][logical_id]["Properties"])
        return resolved

    def ids(self, kind: str) -> list[str]:
        """Logical ids of the resources of a type that the parameters make exist."""
        return [
            name
            for name, resource in self.document["Resources"].items()
            if resource["Type"] == kind and self._holds(resource.get("Condition"))
        ]

    def arn(self, logical_id: str) -> str:
        """ARN of a resource."""
        kind = self.document["Resources"][logical_id]["Type"]
        return _ARNS[kind].format(id=self._name(logical_id), region=REGION, account=ACCOUNT)

    def _name(self, logical_id: str) -> str:
        return {"RetrainingStateMachine": f"{STACK}-retraining"}.get(logical_id, logical_id)

    def _holds(self, condition: str | None) -> bool:
        return condition is None or bool(self._resolve(self.document["Conditions"][condition]))

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._resolve, value) if item is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self._ref(argument)
            if name.startswith("Fn::"):
                return self._function(name[4:], argument)
        resolved = {key: self._resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not None}

    def _ref(self, name: str) -> Any:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self._parameters:
            return self._parameters[name]
        if name in self.document["Conditions"]:
            return self._holds(name)
        kind = self.document["Resources"][name]["Type"]
        return self.arn(name) if kind in _REF_IS_ARN else self._name(name)

    def _function(self, name: str, argument: Any) -> Any:
        if name == "GetAtt":
            logical_id, attribute = argument
            return self.arn(logical_id) if attribute == "Arn" else self._name(logical_id)
        if name == "If":
            return self._resolve(argument[1] if self._holds(argument[0]) else argument[2])
        if name == "Sub":
            return self._sub(argument)
        resolved = self._resolve(argument)
        if name == "Join":
            return resolved[0].join(map(str, resolved[1]))
        if name == "Split":
            return resolved[1].split(resolved[0])
        operations: dict[str, Callable[[], bool]] = {
            "Equals": lambda: resolved[0] == resolved[1],
            "Not": lambda: not resolved[0],
            "And": lambda: all(resolved),
            "Or": lambda: any(resolved),
        }
        return operations[name]()

    def _sub(self, argument: Any) -> str:
        text, names = (argument, {}) if isinstance(argument, str) else (argument[0], self._resolve(argument[1]))

        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name in names:
                return str(names[name])
            if "." in name:
                return str(self._function("GetAtt", name.split(".", 1)))
            return str(self._ref(name))

        return re.sub(r"\$\{([^!}][^}]*)\}", value, text)
