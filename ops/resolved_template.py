"""Read the template as CloudFormation does: short functions, conditions, parameters, and ARNs that look like real ones.

    stack = Template.read(TEMPLATE).resolve({"TrainingPipelineArn": "arn:aws:states:..."})
    stack.resources["OrchestrationFunction"]["Properties"]["Environment"]
    stack.policies("OrchestrationFunctionRole")          # concrete policy documents

Physical names are made up from the logical ids, so that two resources never have the same. A function this reader does
not know raises, so a template that begins to use one is not misread in silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

from ops.project import TEMPLATE
from ops.template import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PARTITION: Final = "aws"
REGION: Final = "us-east-1"
ACCOUNT: Final = "123456789012"
STACK: Final = "loop"
URL_SUFFIX: Final = "amazonaws.com"

ARNS: Final[Mapping[str, str]] = {
    "AWS::S3::Bucket": "arn:{partition}:s3:::{name}",
    "AWS::DynamoDB::Table": "arn:{partition}:dynamodb:{region}:{account}:table/{name}",
    "AWS::SNS::Topic": "arn:{partition}:sns:{region}:{account}:{name}",
    "AWS::SQS::Queue": "arn:{partition}:sqs:{region}:{account}:{name}",
    "AWS::Lambda::Function": "arn:{partition}:lambda:{region}:{account}:function:{name}",
    "AWS::StepFunctions::StateMachine": "arn:{partition}:states:{region}:{account}:stateMachine:{name}",
    "AWS::IAM::Role": "arn:{partition}:iam::{account}:role/{name}",
    "AWS::IAM::ManagedPolicy": "arn:{partition}:iam::{account}:policy/{name}",
    "AWS::Events::Rule": "arn:{partition}:events:{region}:{account}:rule/{name}",
    "AWS::Logs::LogGroup": "arn:{partition}:logs:{region}:{account}:log-group:{name}:*",  # the suffix is AWS's own
    "AWS::CloudWatch::Alarm": "arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}",
    "AWS::KMS::Key": "arn:{partition}:kms:{region}:{account}:key/{name}",
}

NAME_PROPERTIES: Final = (
    "BucketName",
    "TableName",
    "TopicName",
    "QueueName",
    "FunctionName",
    "StateMachineName",
    "RoleName",
    "ManagedPolicyName",
    "LogGroupName",
    "AlarmName",
    "Name",
)

NAME_LIMITS: Final[Mapping[str, int]] = {
    "AWS::S3::Bucket": 63,
    "AWS::DynamoDB::Table": 255,
    "AWS::SNS::Topic": 256,
    "AWS::SQS::Queue": 80,
    "AWS::Lambda::Function": 64,
    "AWS::StepFunctions::StateMachine": 80,
    "AWS::IAM::Role": 64,
    "AWS::IAM::ManagedPolicy": 128,
    "AWS::Events::Rule": 64,
    "AWS::Logs::LogGroup": 512,
    "AWS::CloudWatch::Alarm": 255,
}
"""Characters of a name, where CloudFormation cuts those it makes: the quotas page of each service in its guide."""

REF_IS_THE_ARN: Final = frozenset({"AWS::SNS::Topic", "AWS::StepFunctions::StateMachine", "AWS::IAM::ManagedPolicy"})
LOWER_CASE_NAMES: Final = frozenset({"AWS::S3::Bucket"})

_REMOVED: Final = object()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stack is made, under which name, and what CloudFormation adds to the names and ids it makes up."""

    partition: str = PARTITION
    region: str = REGION
    stack: str = STACK
    suffix: str = ""
    stack_id: str = "id"


HERE: Final = Place()


@dataclass(frozen=True)
class Template:
    """A template as written: functions in their long form, comments only in `text`."""

    path: Path
    text: str
    document: dict[str, Any]

    @classmethod
    def read(cls, path: Path = TEMPLATE) -> Template:
        """Read a template from its file; once, since every file of tests asks for it."""
        return _read(path)

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """Parameters as declared."""
        return dict(self.document.get("Parameters") or {})

    @property
    def conditions(self) -> dict[str, Any]:
        """Conditions as written."""
        return dict(self.document.get("Conditions") or {})

    @property
    def resources(self) -> Mapping[str, dict[str, Any]]:
        """Resources as written, in the order of the file."""
        resources: Mapping[str, dict[str, Any]] = self.document["Resources"]
        return resources

    @cached_property
    def source(self) -> dict[str, list[str]]:
        """The lines of each resource, comments and all."""
        found: dict[str, list[str]] = {}
        section = name = ""
        for line in self.text.splitlines():
            if line[:1].strip() and not line.startswith("#"):
                section, name = line.split(":", 1)[0], ""
            elif section == "Resources":
                if match := re.fullmatch(r"  (\w+):\s*(#.*)?", line):
                    name = match[1]
                if name:
                    found.setdefault(name, []).append(line)
        return found

    def of_type(self, *types: str) -> dict[str, dict[str, Any]]:
        """Resources as written of these types."""
        return {name: resource for name, resource in self.resources.items() if resource["Type"] in types}

    def strings(self) -> Iterator[tuple[str, str]]:
        """Each text of the template with the dotted path to it."""
        yield from _strings(self.document, "")

    def resolve(
        self,
        parameters: Mapping[str, str] | None = None,
        conditions: Mapping[str, bool] | None = None,
        place: Place = HERE,
    ) -> Stack:
        """What CloudFormation would create from these parameters in a place; the others have their defaults.

        `conditions` are taken as decided, whatever the parameters say.
        """
        unknown = set(parameters or {}) - set(self.parameters)
        if unknown:
            raise ValueError(f"the template has no parameters {sorted(unknown)}")
        values = {name: declared.get("Default") for name, declared in self.parameters.items()}
        values.update(parameters or {})
        texts = {name: "" if value is None else str(value) for name, value in values.items()}
        return Stack(self, texts, dict(conditions or {}), place)


@cache
def _read(path: Path) -> Template:
    text = path.read_text(encoding="utf-8")
    return Template(path, text, parse(text))


@dataclass(frozen=True)
class Stack:
    """A template with its parameters: conditions decided, references filled in."""

    template: Template
    values: dict[str, str]
    _conditions: dict[str, bool] = field(default_factory=dict)
    place: Place = HERE

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Resources that would be created, in the order of the file."""
        return {
            name: {**resource, "Properties": self.value(resource.get("Properties") or {})}
            for name, resource in self.template.resources.items()
            if "Condition" not in resource or self.condition(resource["Condition"])
        }

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """Values of the outputs by name."""
        return {
            name: self.value(output["Value"])
            for name, output in self.template.document.get("Outputs", {}).items()
            if "Condition" not in output or self.condition(output["Condition"])
        }

    def of_type(self, *types: str) -> dict[str, dict[str, Any]]:
        """Resources of these types."""
        return {name: resource for name, resource in self.resources.items() if resource["Type"] in types}

    def condition(self, name: str) -> bool:
        """Decide a condition."""
        if name not in self._conditions:
            self._conditions[name] = bool(self.value(self.template.conditions[name]))
        return self._conditions[name]

    def name(self, logical_id: str) -> str:
        """Physical name of a resource: the one it is given, else one made from the logical id."""
        resource = self.template.resources[logical_id]
        properties = resource.get("Properties") or {}
        given = next((self.value(properties[key]) for key in NAME_PROPERTIES if key in properties), None)
        made_up = f"-{logical_id}{self.place.suffix}"
        # As CloudFormation does, the stack's name is what is cut.
        at_most = NAME_LIMITS.get(resource["Type"], 255) - len(made_up)
        name = str(given or f"{self.place.stack[:at_most]}{made_up}")
        return name.lower() if resource["Type"] in LOWER_CASE_NAMES else name

    def arn(self, logical_id: str) -> str:
        """ARN of a resource; the one AWS would build from the physical name."""
        kind = self.template.resources[logical_id]["Type"]
        if kind not in ARNS:
            raise NotImplementedError(f"add the ARN of {kind} to ARNS")
        name = self.name(logical_id)
        return ARNS[kind].format(partition=self.place.partition, region=self.place.region, account=ACCOUNT, name=name)

    def logical_id(self, arn: str) -> str:
        """The resource that has this ARN."""
        return next(
            name
            for name, resource in self.template.resources.items()
            if resource["Type"] in ARNS and self.arn(name) == arn
        )

    def policies(self, role: str) -> list[dict[str, Any]]:
        """Every identity policy document of a role of the template, wherever it stands."""
        found = [policy["PolicyDocument"] for policy in self.resources[role]["Properties"].get("Policies", [])]
        for resource in self.of_type("AWS::IAM::RolePolicy", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy").values():
            properties = resource["Properties"]
            if self.name(role) in [properties.get("RoleName"), *properties.get("Roles", [])]:
                found.append(properties["PolicyDocument"])
        attached = self.resources[role]["Properties"].get("ManagedPolicyArns", [])
        if attached:
            raise ValueError(f"{role} has managed policies, whose statements nobody here reviews: {attached}")
        return found

    def statements(self, role: str) -> list[dict[str, Any]]:
        """Every statement of a role."""
        return [statement for policy in self.policies(role) for statement in policy["Statement"]]

    # Functions of CloudFormation.

    def value(self, node: Any) -> Any:
        """The concrete value of a node; `AWS::NoValue` takes its key or its place in a list away."""
        if isinstance(node, list):
            return [value for item in node if (value := self.value(item)) is not _REMOVED]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((function, argument),) = node.items()
            if function == "Ref":
                return self._ref(argument)
            if function == "Condition" and isinstance(argument, str):
                return self.condition(argument)
            if str(function).startswith("Fn::"):
                return self._call(function, argument)
        return {key: value for key, item in node.items() if (value := self.value(item)) is not _REMOVED}

    def _ref(self, name: str) -> Any:
        place = self.place
        pseudo = {
            "AWS::Partition": place.partition,
            "AWS::Region": place.region,
            "AWS::AccountId": ACCOUNT,
            "AWS::StackName": place.stack,
            "AWS::StackId": f"arn:{place.partition}:cloudformation:{place.region}:{ACCOUNT}:stack/{place.stack}/{place.stack_id}",
            "AWS::URLSuffix": URL_SUFFIX,
            "AWS::NoValue": _REMOVED,
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.values:
            declared = self.template.parameters[name]["Type"]
            if "List" in declared:
                return [item.strip() for item in self.values[name].split(",") if item.strip()]
            return self.values[name]
        kind = self.template.resources[name]["Type"]
        if kind == "AWS::SQS::Queue":
            return f"https://sqs.{place.region}.{URL_SUFFIX}/{ACCOUNT}/{self.name(name)}"
        return self.arn(name) if kind in REF_IS_THE_ARN else self.name(name)

    def _attribute(self, name: str, attribute: str) -> str:
        if attribute == "Arn" or attribute.endswith("Arn"):
            return self.arn(name)
        if attribute.endswith("Name"):
            return self.name(name)
        if attribute == "FunctionUrl":
            return f"https://{'0' * 32}.lambda-url.{self.place.region}.on.aws/"
        return f"{name}.{attribute}"  # a revision: nothing here looks into it

    def _call(self, function: str, argument: Any) -> Any:
        match function:
            case "Fn::GetAtt":
                return self._attribute(*argument)
            case "Fn::If":
                condition, yes, no = argument
                return self.value(yes if self.condition(condition) else no)
            case "Fn::Sub":
                text, given = argument if isinstance(argument, list) else (argument, {})
                return re.sub(r"\$\{([^!}][^}]*)\}", lambda match: self._substitute(match[1], given), text).replace(
                    "${!", "${"
                )
            case "Fn::Join":
                separator, parts = argument
                return separator.join(map(str, self.value(parts)))
            case "Fn::Split":
                separator, text = argument
                return str(self.value(text)).split(separator)
            case "Fn::Select":
                index, items = argument
                return self.value(items)[int(index)]
            case "Fn::Equals":
                left, right = self.value(argument)
                return str(left) == str(right)
            case "Fn::Not":
                return not self.value(argument)[0]
            case "Fn::And":
                return all(self.value(argument))
            case "Fn::Or":
                return any(self.value(argument))
            case _:
                raise NotImplementedError(f"{function} is unknown to this reader")

    def _substitute(self, name: str, given: Mapping[str, Any]) -> str:
        if name in given:
            return str(self.value(given[name]))
        if "." in name:
            return self._attribute(*name.split(".", 1))
        return str(self._ref(name))


def _strings(node: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict):
        for key, item in node.items():
            yield from _strings(item, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list):
        for number, item in enumerate(node):
            yield from _strings(item, f"{path}.{number}")
