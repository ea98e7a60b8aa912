"""What a policy names, looked up in the account with the rights of whoever asks: each check passes, fails, or is not known."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from ops.refusals import refusal
from ops.stack_reading import function_of, reading_client
from orchestration.domain.boundary import Boundary
from orchestration.domain.documents import Unreadable
from orchestration.domain.json_values import mapping, model_name, text
from orchestration.domain.origins import Origins
from orchestration.domain.ownership import Kind, Resource, resources_of, source_findings, unqualified
from orchestration.domain.policy import PromotionKind, TargetKind
from orchestration.domain.promotion import not_promotable
from orchestration.domain.signal import Rejection
from orchestration.domain.signals.decision_file import decision_uri, parse_decision
from orchestration.steps.artifacts import champion_of
from orchestration.steps.ownership import not_own
from orchestration.steps.policies import effective_policy, model_of_endpoint
from orchestration.stores.service_errors import Meaning, meaning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ops.stack import Stack
    from orchestration.domain.policy import Policy
    from orchestration.domain.serving import Champion
    from orchestration.ports import Ports


class Outcome(StrEnum):
    """What came of a check; the words of the command."""

    PASSED = "passes"
    FAILED = "fails"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what came of it, and why."""

    name: str
    outcome: Outcome
    sentence: str


@dataclass(frozen=True, slots=True)
class _Wrong:
    """Why a check fails, or why it cannot be made."""

    sentence: str
    outcome: Outcome = Outcome.FAILED


class Account(Protocol):
    """What the stack's ports do not ask, since the loop never does."""

    def there(self, resource: Resource) -> bool:
        """Whether a target, an endpoint, a schedule or a package group exists.

        Raises:
            ClientError: it may not be looked at.
        """

    def may_pass(self, role_arn: str) -> bool:
        """Whether the stack's hand may give SageMaker a role.

        Raises:
            ClientError: IAM does not tell whoever asks.
        """


class StackAccount:
    """The account of a deployed stack, with the rights of whoever asks."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def there(self, resource: Resource) -> bool:
        """By the description of its kind."""
        service, operation, field = {
            Kind.STATE_MACHINE: ("stepfunctions", "describe_state_machine", "stateMachineArn"),
            Kind.PIPELINE: ("sagemaker", "describe_pipeline", "PipelineName"),
            Kind.ENDPOINT: ("sagemaker", "describe_endpoint", "EndpointName"),
            Kind.SCHEDULE: ("sagemaker", "describe_monitoring_schedule", "MonitoringScheduleName"),
            Kind.PACKAGE_GROUP: ("sagemaker", "describe_model_package_group", "ModelPackageGroupName"),
        }[resource.kind]
        name = resource.name
        if resource.kind is Kind.STATE_MACHINE:
            name = unqualified(name)
        elif resource.name.startswith("arn:"):
            name = name.rpartition("/")[2]
        try:
            getattr(reading_client(self._stack, service), operation)(**{field: name})
        except ClientError as error:
            if _absent(error, resource.kind):
                return False
            raise
        return True

    def may_pass(self, role_arn: str) -> bool:
        """By SimulatePrincipalPolicy of the role of PromotionFunction, which makes every model and training job."""
        hand = function_of(self._stack, "PromotionFunctionName")["Role"]
        answer = reading_client(self._stack, "iam").simulate_principal_policy(
            PolicySourceArn=hand,
            ActionNames=["iam:PassRole"],
            ResourceArns=[role_arn],
            ContextEntries=[
                {
                    "ContextKeyName": "iam:PassedToService",
                    "ContextKeyValues": ["sagemaker.amazonaws.com"],
                    "ContextKeyType": "string",
                }
            ],
        )
        return all(result["EvalDecision"] == "allowed" for result in answer["EvaluationResults"])


def _absent(error: ClientError, kind: Kind) -> bool:
    """Whether a description says that there is no such thing, in the words of a question that the loop itself asks."""
    asked = "ListTagsForResource" if kind is Kind.STATE_MACHINE else "DescribeEndpoint"
    return meaning(error, asked) is Meaning.ABSENT


def policy_checks(ports: Ports, account: Account, policy: Policy) -> tuple[Check, ...]:
    """Everything that a valid policy names, looked up: what is there, whose it is, and whether the loop may use it."""
    return tuple(_checked(name, look) for name, look in _looks(ports, account, policy))


def _checked(name: str, look: Callable[[], str | _Wrong]) -> Check:
    try:
        found = look()
    except (BotoCoreError, ClientError) as error:
        return Check(name, Outcome.UNKNOWN, f"not checked: {refusal(error)}")
    if isinstance(found, _Wrong):
        return Check(name, found.outcome, found.sentence)
    return Check(name, Outcome.PASSED, found)


def _looks(ports: Ports, account: Account, policy: Policy) -> Iterator[tuple[str, Callable[[], str | _Wrong]]]:
    training, promotion = policy.training, policy.promotion
    if training.kind is None:
        yield (
            "training target",
            lambda: _Wrong("Neither the policy nor TrainingPipelineArn names one: signals are held."),
        )
    for resource in resources_of(policy):
        yield str(resource), functools.partial(_resource, ports, account, resource, policy.model)
    yield "places of data and images", lambda: _places(ports, policy)
    if promotion.endpoint:
        yield f"serving of {promotion.endpoint}", lambda: _serving(ports, policy)
    if training.kind is TargetKind.TRAINING_JOB:
        yield "role of the training job", lambda: _passed(account, str(training.request.get("RoleArn")))
    if promotion.kind is PromotionKind.ENDPOINT:
        yield "role of the champion's model", lambda: _champions_role(ports, account, policy)
    if promotion.alarms:
        yield "promotion.alarms", lambda: _alarms(ports, policy)
    if policy.model == ports.settings.default_model:
        yield "decision file", lambda: _decision_file(ports)


def _resource(ports: Ports, account: Account, resource: Resource, model: str) -> str | _Wrong:
    finding = not_own(ports, resource, model)
    # What is told of another account's is not asked for, and what another model owns is there.
    if finding is None and not account.there(resource):
        return _Wrong(f"There is no {resource}.")
    return f"is there, and is {model}'s to use." if finding is None else _Wrong(finding)


def _places(ports: Ports, policy: Policy) -> str | _Wrong:
    champion = _champion(ports, policy)
    origins = Origins.of(Boundary.of(ports.settings), policy.model, champion.as_record() if champion else None)
    findings = list(source_findings(policy, origins))
    return (
        _Wrong(" ".join(findings)) if findings else "all that the policy names lies where the model may take it from."
    )


def _serving(ports: Ports, policy: Policy) -> str | _Wrong:
    endpoint = str(policy.promotion.endpoint)
    described = ports.sagemaker.endpoint(endpoint)
    if described is None:
        return _Wrong(f"There is no endpoint {endpoint}: create it first, its first model is the first champion.")
    if (status := described.get("EndpointStatus")) != "InService":
        return _Wrong(f"Endpoint {endpoint} is {text(status, 40)}, and only one that is InService is updated.")
    champion = _champion(ports, policy)
    if champion is None:
        return _Wrong(f"Endpoint {endpoint} names no config.")
    if policy.promotion.kind is PromotionKind.ENDPOINT and (why := not_promotable(policy.promotion, champion)):
        return _Wrong(why)
    return f"InService with config {champion.config_name}."


def _champion(ports: Ports, policy: Policy) -> Champion | None:
    return champion_of(ports, policy.promotion.endpoint, policy.model)


def _champions_role(ports: Ports, account: Account, policy: Policy) -> str | _Wrong:
    champion = _champion(ports, policy)
    role = text(champion.model.get("ExecutionRoleArn"), 2048) if champion else None
    if role is None:
        return _Wrong("No model serves whose role a candidate could have.")
    return _passed(account, role)


def _passed(account: Account, role: str) -> str | _Wrong:
    if account.may_pass(role):
        return f"PromotionFunction may pass {role} to SageMaker."
    return _Wrong(
        f"PromotionFunction may not pass {role} to SageMaker: name it as SageMakerExecutionRoleArn, or take that one."
    )


def _alarms(ports: Ports, policy: Policy) -> str | _Wrong:
    seen = ports.alarms.watch(policy.promotion.alarms, since=ports.now())
    missing = [alarm.name for alarm in seen if not alarm.exists]
    if missing:
        return _Wrong(f"There is no alarm {', '.join(missing)}.")
    return f"all {len(seen)} are there: {', '.join(f'{alarm.name} is {alarm.state}' for alarm in seen)}."


def _decision_file(ports: Ports) -> str | _Wrong:
    document = ports.bucket.read(decision_uri(ports.settings))
    if document.unreadable is Unreadable.MISSING:
        return f"none lies at {document.uri}; only the schedule, an event of it and an execution with {{}} read one."
    if document.unreadable is Unreadable.ACCESS_DENIED:
        return _Wrong(f"not checked: {document.uri} may not be read by you.", Outcome.UNKNOWN)
    word = parse_decision(document)
    if isinstance(word, Rejection):
        return _Wrong(word.sentence)
    return f"{document.uri} says {word}."


def model_checks(ports: Ports, event: dict[str, Any]) -> tuple[Check, ...]:
    """Whether a stack knows the model that a drift report or a request is of."""
    detail = mapping(event.get("detail"))

    def look() -> str | _Wrong:
        model = model_name(detail.get("model") or detail.get("model_name"))
        endpoint = model_name(detail.get("endpoint") or detail.get("endpoint_name"))
        if model is None:
            model = model_of_endpoint(ports, endpoint) if endpoint else ports.settings.default_model
        if model is None:
            return _Wrong(f"No tag and no policy says whose endpoint {endpoint} is.")
        loaded = effective_policy(ports, model)
        if loaded is None:
            return _Wrong(f"The stack does not know {model}: upload policies/{model}.json to the AutomationBucket.")
        if loaded.unreadable:
            return _Wrong(f"not checked: the policy of {model} may not be read by you.", Outcome.UNKNOWN)
        wrong = (
            f"The newest policy file of {model} is not valid: {' '.join(loaded.findings)}" if loaded.findings else ""
        )
        if wrong and loaded.policy.version == "defaults":
            return _Wrong(f"{wrong} There is no good version, so every signal is held.")
        known = f"{model} is known; version {loaded.policy.version} of its policy is in force."
        return f"{known} {wrong}".strip()

    return (_checked("model", look),)
