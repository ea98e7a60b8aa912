"""Every call is authorised: of functions, people and sessions over HTTP, of state machines and rules where they make theirs.

ministack, with ``AUTH``, gives functions a session of their role, checks signatures and the trust of roles that are assumed.
What a call needs says ``iam_calls``, what the policies say to it ``iam_policies``; here the two meet who calls. Whoever signs
with the default key, or with an account's number, is an administrator and asked for nothing.
"""

from __future__ import annotations

import contextvars
import functools
import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.core.router import extract_access_key_id

from local.api_calls import ApiCall
from local.iam_calls import Call, Place, UnmappedCallError, followed, needed
from local.iam_policies import Caller, Statements, decided, lets_in
from local.seam import Repair, app, cloudformation, dynamodb, iam, iam_actions, iam_evaluator, sns, sqs, tagging
from local.seam import stepfunctions as sfn
from local.step_functions_executions import machine_of_token, role_of_task
from local.step_functions_limits import require_small

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from local.call_log import CallLog
    from local.sagemaker_records import Document
    from local.sagemaker_service import SageMaker

    Handler = Callable[[str, str, Any, bytes, Any], Awaitable[Any]]

logger = logging.getLogger(__name__)

_INTEGRATION = "arn:aws:states:::"
_OPTIMIZED_ERRORS = {
    "lambda": "Lambda.AWSLambdaException",
    "sns": "SNS.AuthorizationErrorException",
    "sagemaker": "SageMaker.AmazonSageMakerException",
    "states": "StepFunctions.AWSStepFunctionsException",
    "dynamodb": "DynamoDB.AmazonDynamoDBException",
    "sqs": "SQS.AmazonSQSException",
    "events": "EventBridge.AmazonEventBridgeException",
}
"""How a refused call of an optimized integration fails. Of those, documentation and executions show the first three."""
_SDK_SERVICES = {"sfn": "states", "cloudwatchlogs": "logs", "eventbridge": "events", "sagemakerruntime": "sagemaker"}


AUTHORITY = Repair(
    "authorisation",
    alone="with `AUTH`, a role is asked about one action and one resource of a request, in some services; partitions of a table, "
    "sources of events, SageMaker, state machines, rules and alarms are not known to it",
    aws="every call is authorised by the policies of its caller and of its resource, permissions boundaries, conditions and policy "
    "variables: each item of a transaction by its partition, `iam:PassRole` and `sagemaker:AddTags` besides what takes a role "
    "or tags, a missing object as 403 to those who may not list the bucket, what `.sync` needs to follow what it starts. A call "
    "that the service authorization reference does not tell anything about is refused",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html",
)


class Authority:
    """Who may do what.

    Args:
        sagemaker: What knows the tags of its resources.
        calls: What notes the calls that are allowed.
    """

    def __init__(self, sagemaker: SageMaker, calls: CallLog) -> None:
        self._sagemaker = sagemaker
        self._calls = calls

    def install(self) -> None:
        """Stand before every service, and before the integrations of state machines."""
        AUTHORITY.replaces(iam_evaluator, "enforce")(self._enforced)
        for service in app.SERVICE_HANDLERS:
            AUTHORITY.wraps(app, "SERVICE_HANDLERS", service)(functools.partial(self._asked_first, service))

        @AUTHORITY.wraps(sfn, "_invoke_resource")
        def invoke_if_allowed(original: Callable[[str, Any], Any], resource: str, input_data: Any) -> Any:
            self._judge_task(resource, input_data)
            require_small(json.dumps(input_data), resource)
            return original(resource, input_data)

    def guarded(self, service: str, handler: Handler) -> Handler:
        """A service's handler behind the policies."""
        return functools.partial(self._asked_first, service, handler)

    def refusal(self, caller: Caller, call: Call) -> str | None:
        """The sentence that refuses a call, None when it is allowed."""
        service = call.action.partition(":")[0]
        found = _resource_policy(service, call.resource)
        required = service in iam_evaluator.POLICY_REQUIRED
        decision = decided(caller, call, region=get_region(), resource_policy=found, required=required)
        if decision.sid is not None:
            return None
        logger.warning("%s", decision.refusal)
        return decision.refusal

    def place(self, caller: Caller) -> Place:
        """Where the current request is made. Tags are looked up for a caller with a condition on them."""
        by_tags = iam_evaluator.names_condition_key(caller.policies, "aws:resourcetag/")
        return Place(
            get_account_id(),
            get_region(),
            partition_key=_partition_key,
            tags_of=self._tags_of if by_tags else lambda _: {},
            machine_of=machine_of_token,
            arn_of=_stack_arn,
        )

    # ------------------------------------------------------------------ over HTTP

    async def _asked_first(
        self,
        service: str,
        handler: Handler,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query_params: Mapping[str, list[str]],
    ) -> Any:
        key = extract_access_key_id(headers, query_params)
        if service == "sts" or iam_evaluator.is_root_access_key(key):
            return await handler(method, path, headers, body, query_params)
        caller = _caller(key)
        call = ApiCall.of(method, path, headers, query_params, body)
        if refused := self._refused(caller, call):
            return _denied(service, headers, *refused)
        answer = await self._calls.answered(
            call, body, lambda asked: handler(method, path, headers, asked, query_params)
        )
        if answer[0] == HTTPStatus.NOT_FOUND and call.action in ("GetObject", "HeadObject"):
            # S3 tells that an object is missing only to those who may list the bucket.
            listing = Call("s3:ListBucket", f"arn:aws:s3:::{call.parameters['Bucket']}")
            if sentence := self.refusal(caller, listing):
                return _denied(service, headers, listing.action, sentence)
        return answer

    def _refused(self, caller: Caller, call: ApiCall) -> tuple[str, str] | None:
        """The action that is not allowed, and the sentence."""
        try:
            for each in needed(call.service, call.action, call.parameters, self.place(caller)):
                if sentence := self.refusal(caller, each):
                    return each.action, sentence
        except UnmappedCallError as error:
            return str(
                error
            ), f"The embedded AWS does not know which permissions {error} needs, so it refuses the call."
        return None

    def _enforced(
        self,
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: Any = None,
    ) -> Any:
        """What ministack asks where a request reaches no service's handler: the address of a function."""
        del service, region
        key, keys = access_key_id, tuple((service_context or {}).items())
        calls = [Call(iam_action, resource_arn, keys)]
        if iam_action == "lambda:InvokeFunctionUrl":
            # Lambda Developer Guide, "Control access to Lambda function URLs": an address made since October 2025 takes both.
            calls.append(Call("lambda:InvokeFunction", resource_arn, (*keys, ("lambda:InvokedViaFunctionUrl", "true"))))
        checked = iam_evaluator.authenticate(key, get_account_id())
        if isinstance(checked, iam_evaluator.AuthError):
            return checked
        if not key:
            policy, _ = _resource_policy("lambda", resource_arn) or ({}, None)
            allowed = all(lets_in(policy, call, "", get_region()) for call in calls)
            return None if allowed else iam_evaluator.EvalResult("ImplicitDeny", "anonymous")
        if iam_evaluator.is_root_access_key(key):
            return None
        caller = _caller(key)
        if any(self.refusal(caller, call) for call in calls):
            return iam_evaluator.EvalResult("ImplicitDeny", caller.arn)
        return None

    # ------------------------------------------------------------------ of state machines

    def _judge_task(self, resource: str, given: Any) -> None:
        """Refuse what the machine's role may not do.

        Raises:
            stepfunctions._ExecutionError: With the name Step Functions gives to a refused call.
        """
        machine, role = role_of_task()
        if not resource.startswith(_INTEGRATION) or not role:
            return
        integration = resource.removeprefix(_INTEGRATION).removesuffix(".waitForTaskToken")
        *sdk, service, action = integration.partition(".")[0].split(":")
        error = f"{_sdk_prefix(service)}.{_sdk_prefix(service)}Exception" if sdk else _OPTIMIZED_ERRORS.get(service)
        service = _SDK_SERVICES.get(service, service) if sdk else service
        caller = caller_of_role(role, new_uuid().replace("-", ""))
        place = self.place(caller)
        if not trusts(role, "states.amazonaws.com", machine):
            problem: str | None = (
                "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume "
                "the provided role."
            )
        else:
            problem = self._problem(caller, place, integration, (service, action[:1].upper() + action[1:]), given)
        if problem is not None:
            cause = f"{problem} (Service: {service}, Status Code: 403, Request ID: {new_uuid()})"
            raise sfn.ExecutionError(error or "States.TaskFailed", cause)

    def _problem(
        self, caller: Caller, place: Place, integration: str, operation: tuple[str, str], given: Any
    ) -> str | None:
        try:
            calls = [*needed(*operation, given or {}, place)]
        except UnmappedCallError as error:
            return f"The embedded AWS does not know which permissions {error} needs."
        calls += followed(integration, [call.resource for call in calls if call.action == ":".join(operation)], place)
        return next((sentence for call in calls if (sentence := self.refusal(caller, call))), None)

    def _tags_of(self, arn: str) -> Mapping[str, str]:
        service = arn.split(":")[2:3]
        if service == ["sagemaker"]:
            return self._sagemaker.tags_of(arn)
        if service == ["states"]:
            return {tag["key"]: tag["value"] for tag in sfn.tags.get(arn) or []}
        return tagging.resource_tags(arn) or {}


def caller_of_role(role_arn: str, session: str) -> Caller:
    """A service that acts under a role."""
    account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    return Caller(
        arn=f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
        principal=role_arn,
        account=account,
        policies=iam_evaluator.gather_role_policies(name, account),
        limits=iam_evaluator.permissions_boundary(iam.roles, name, account),
    )


def trusts(role_arn: str, service: str, source_arn: str) -> bool:
    """Whether a role exists and lets a service assume it on behalf of a resource of this account."""
    account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    role = iam.roles.get_scoped(account, None, name)
    if role is None:
        return False
    keys = (("aws:SourceArn", source_arn), ("aws:SourceAccount", get_account_id()))
    return lets_in(role["AssumeRolePolicyDocument"], Call("sts:AssumeRole", role_arn, keys), service)


def _caller(key: str) -> Caller:
    found = iam_evaluator.resolve_principal(key, get_account_id())
    if isinstance(found, iam_evaluator.AuthError):
        # ministack has refused the key by now, unless it was taken away in this moment.
        return Caller("anonymous", "anonymous", "", [])
    return Caller(found.arn, _principal(found), found.account, found.policies or [], found.limits, found.keys)


# ministack's own reading of requests knows no SageMaker, no partitions and no sources of events; it checks who signs.
@AUTHORITY.replaces(iam_actions, "extract_iam_action")
def _no_action(service: str, method: str, path: str, headers: Document, body: bytes, query_params: Document) -> None:
    del service, method, path, headers, body, query_params


# Nobody here speaks TLS; on AWS everybody does.
@AUTHORITY.replaces(app, "pin_request_origin")
def _no_origin(source_ip: str, secure_transport: bool) -> None:
    del source_ip, secure_transport


AUTHORITY.replaces(iam_evaluator, "_request_origin")(contextvars.ContextVar("origin", default=("127.0.0.1", True)))


# Its policies are among those a caller is judged by, and an administrator is by none; so it is with topics.
@AUTHORITY.replaces(sqs, "_enforce_queue_policy")
def _no_queue_policy(q: Document, iam_action: str) -> None:
    del q, iam_action


@AUTHORITY.replaces(sns, "_enforce_topic_policy")
def _no_topic_policy(topic: Document, iam_action: str) -> None:
    del topic, iam_action


@AUTHORITY.replaces(iam_evaluator, "pin_request_caller")
def _pin_caller(headers: Mapping[str, str], query_params: Mapping[str, list[str]] | None = None) -> None:
    """Remember who calls, for the policies ministack's services look at; it gathers the caller's own to find the ARN."""
    found = iam_evaluator.resolve_credential(extract_access_key_id(headers, query_params), get_account_id())
    unknown = isinstance(found, iam_evaluator.CredentialResolutionError)
    iam_evaluator.request_caller_arn.set(f"arn:aws:iam::{get_account_id()}:root" if unknown else found.principal_arn)


def _principal(found: Any) -> str:
    """What aws:PrincipalArn is. Source: IAM User Guide, "AWS global condition context keys"."""
    if found.type != "AssumedRole":
        return str(found.arn)
    name = iam_evaluator.role_name_from_assumed_arn(found.arn)
    role = iam.roles.get_scoped(found.account, None, name) or {}
    return str(role.get("Arn") or f"arn:aws:iam::{found.account}:role/{name}")


def _denied(service: str, headers: Mapping[str, str], action: str, sentence: str) -> Any:
    return iam_actions.access_denied_response(service, action, "", new_uuid(), headers=headers, message=sentence)


@AUTHORITY.wraps(iam_evaluator, "parse_policy_document")
def _parse(original: Callable[[Any], Any], doc: str | Document) -> Statements:
    return _parsed(original, doc) if isinstance(doc, str) else Statements(original(doc))


@functools.lru_cache(maxsize=256)
def _parsed(parse: Callable[[str], Any], policy: str) -> Statements:
    """The statements of a policy's text, parsed once, however often its role calls."""
    return Statements(parse(policy))


def _resource_policy(service: str, arn: str) -> tuple[Document, str | None] | None:
    """The policy of a resource and the account that owns it; None where its kind has none."""
    found = iam_evaluator.resource_policy(service, arn)
    if found is None:
        return None
    policy, owner = found
    return _loaded(policy) if isinstance(policy, str) else policy, owner


@functools.lru_cache(maxsize=256)
def _loaded(policy: str) -> Document:
    found: Document = json.loads(policy or "{}")
    return found


def _partition_key(table: str) -> str:
    found: Document = dynamodb.tables.get(table.rsplit("/", 1)[-1]) or {}
    return str(found.get("pk_name") or "")


def _stack_arn(name: str) -> str:
    found = cloudformation.stacks.get(name)
    return str(found["StackId"]) if found else name


def _sdk_prefix(service: str) -> str:
    return str(sfn.AWS_SDK_ERROR_PREFIX.get(service, service[:1].upper() + service[1:]))
