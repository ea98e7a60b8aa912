"""Questions about SageMaker: what the loop makes, moves and hears."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ops.aws_questions.account import PATIENCE_SECONDS
from ops.aws_questions.question import DOCS, Answer, Question
from ops.change_sets import until
from ops.stack import OperatorError
from orchestration.actions.resume import SUBJECTS
from orchestration.domain.contracts import ENDPOINT_STATE_CHANGE, TRAINING_JOB_STATE_CHANGE
from orchestration.domain.fence import EndpointSight
from orchestration.domain.policy import Promotion, PromotionKind
from orchestration.domain.promotion import EndpointPlan, plan_promotion
from orchestration.domain.serving import differing, make_up
from orchestration.domain.training_output import TrainingOutput
from orchestration.stores.sagemaker_changes import SageMakerChanges
from orchestration.stores.sagemaker_reading import SageMaker
from orchestration.stores.service_answers import Answer as Said
from orchestration.stores.service_answers import asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.aws_questions.account import Account
    from orchestration.domain.serving import Champion
    from orchestration.stores.service_answers import Taken

PROCESSING_EVENT = "SageMaker Processing Job State Change"
INSTANCES = 2
"""Live count of the variant; its config says 1."""

SHOWN_SECONDS = 60.0
"""How long what was just created may not be described."""

TRIES = 10
"""How often an update is asked for, 4.5 s apart: what was just created is there after seconds."""


def _plan(
    account: Account,
    champion: Champion,
    *,
    alarms: tuple[str, ...] = (),
    package: tuple[str, dict[str, Any]] | None = None,
) -> EndpointPlan:
    """The loop's own plan for a candidate that is the champion's artifact again."""
    output = TrainingOutput(model_data_uri=champion.model_data_url)
    if package:
        output = TrainingOutput(model_package_arn=package[0])
    run = account.name("run")
    plan = plan_promotion(
        Promotion(PromotionKind.ENDPOINT, endpoint=champion.endpoint, alarms=alarms),
        output,
        champion,
        model=account.state.run,
        name=run,
        tags={"retraining:model": account.state.run, "retraining:run": run},
        package=package and package[1],
    )
    if not isinstance(plan, EndpointPlan):
        raise OperatorError(f"No plan: {plan}")
    return plan


def _make(account: Account, changes: SageMakerChanges, plan: EndpointPlan) -> tuple[Taken, Taken]:
    """What SageMaker says to the plan's model and to its config."""
    account.noted("model", plan.wanted_config)
    account.noted("endpoint-config", plan.wanted_config)
    model, config = _requests(plan)
    return changes.create_model(model), changes.create_endpoint_config(config)


def _requests(plan: EndpointPlan) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a promotion makes its model and its config by."""
    if plan.create_model is None or plan.create_endpoint_config is None:
        raise OperatorError(f"The plan makes nothing: {plan}")
    return plan.create_model, plan.create_endpoint_config


def _alarms(account: Account) -> tuple[str, str]:
    """An alarm that has no data, and a composite one over it."""
    cloudwatch = account.client("cloudwatch")
    alarm = account.noted("alarm", account.name("errors"))
    composite = account.noted("composite alarm", account.name("any"))
    cloudwatch.put_metric_alarm(
        AlarmName=alarm,
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    cloudwatch.put_composite_alarm(AlarmName=composite, AlarmRule=f'ALARM("{alarm}")')
    return alarm, composite


def _promotion(account: Account) -> dict[str, Any]:
    """Two instances serve; promote as the loop does, and look at each step. Once in a run, unless no update was taken."""
    seen = dict(account.seen("promotion", lambda: _promoted(account)))
    if "after" not in seen:
        account.state.seen.pop("promotion", None)
    return seen


def _promoted(account: Account) -> dict[str, Any]:
    world, sagemaker = account.world(), account.client("sagemaker")
    endpoint, reading, changes = world["endpoint"], SageMaker(sagemaker), SageMakerChanges(sagemaker)
    # Who was stopped during an update goes on here.
    account.in_service(endpoint)
    variant = sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"][0]
    if variant["DesiredInstanceCount"] != INSTANCES:
        account.say("  two instances (some minutes)")
        sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=endpoint,
            DesiredWeightsAndCapacities=[{"VariantName": variant["VariantName"], "DesiredInstanceCount": INSTANCES}],
        )
        account.in_service(endpoint)
    champion = _champion(reading, endpoint)
    alarm, composite = _alarms(account)
    plan = _plan(account, champion, alarms=(composite,))
    model, config = _make(account, changes, plan)
    differ = [*_differ(reading, plan), *_several_differ(account, reading, changes, _requests(plan)[0])]
    tries = [changes.update_endpoint(plan.update_endpoint)]
    while tries[-1].answer in {Said.NOT_YET, Said.LATE} and len(tries) < TRIES:
        time.sleep(account.spread / 20)
        tries.append(changes.update_endpoint(plan.update_endpoint))
    if "ResourceLimit" in tries[-1].sentence:
        raise OperatorError(f"A quota is in the way of the update, which needs four instances: {tries[-1].sentence}")
    if tries[-1].answer is not Said.TAKEN:
        return {"updates": [_said(each) for each in tries], "differ": differ}
    during = EndpointSight.of(reading.endpoint(endpoint))
    busy = changes.update_endpoint(plan.update_endpoint)
    account.say("  an update of the endpoint (some minutes)")
    after = account.in_service(endpoint)
    second = _plan(account, _champion(reading, endpoint))
    second_model, second_config = _make(account, changes, second)
    _, config_request = _requests(second)
    tag = config_request["Tags"][0]
    twice = account.noted("endpoint-config", account.name("twice"))
    tagged_twice = changes.create_endpoint_config({**config_request, "EndpointConfigName": twice, "Tags": [tag, tag]})
    return {
        "model": _said(model),
        "config": _said(config),
        "differ": differ,
        "updates": [_said(each) for each in tries],
        "during": asdict(during),
        "wanted": plan.wanted_config,
        "busy": _said(busy),
        "after": {
            "config": after["EndpointConfigName"],
            "count": after["ProductionVariants"][0].get("CurrentInstanceCount"),
            "reason": after.get("FailureReason"),
        },
        "second": [_said(second_model), _said(second_config)],
        "twice": _said(tagged_twice),
        "tags": config_request["Tags"],
        "alarm": alarm,
        "composite": composite,
    }


def _differ(reading: SageMaker, plan: EndpointPlan) -> list[str]:
    """Where the model and the config that were just made are described otherwise than they were asked for."""
    name, (model, config) = plan.wanted_config, _requests(plan)
    made = (
        until(lambda: reading.config(name), within=SHOWN_SECONDS),
        until(lambda: reading.model(name), within=SHOWN_SECONDS),
    )
    return differing(make_up(config, {name: model}), make_up(made[0] or {}, {name: made[1] or {}}))


def _several_differ(
    account: Account, reading: SageMaker, changes: SageMakerChanges, model: dict[str, Any]
) -> list[str]:
    """The same of a model of two containers, as a package may have them."""
    name, container = account.noted("model", account.name("two")), model["PrimaryContainer"]
    two = {
        "ModelName": name,
        "Containers": [{**container, "ContainerHostname": each} for each in ("first", "second")],
        "ExecutionRoleArn": model["ExecutionRoleArn"],
    }
    taken = changes.create_model(two)
    if taken.answer not in {Said.TAKEN, Said.EXISTS}:
        raise OperatorError(taken.sentence)
    made = until(lambda: reading.model(name), within=SHOWN_SECONDS)
    return differing(make_up({}, {name: two}), make_up({}, {name: made or {}}))


def _champion(reading: SageMaker, endpoint: str) -> Champion:
    champion = reading.champion(endpoint)
    if champion is None:
        raise OperatorError(f"Endpoint {endpoint} is gone.")
    return champion


def _said(taken: Taken) -> dict[str, str]:
    return {"answer": str(taken.answer), "sentence": taken.sentence}


def _text(said: dict[str, str]) -> str:
    return said["sentence"] or said["answer"]


def _moved(account: Account) -> dict[str, Any]:
    """What was seen of a promotion that came about.

    Raises:
        OperatorError: SageMaker took no update.
    """
    seen = _promotion(account)
    if "after" not in seen:
        raise OperatorError(f"SageMaker took no update of the endpoint: {_text(seen['updates'][-1])}.")
    return seen


def just_created(account: Account) -> Answer:
    """The config of a moment ago is found, or said not to be in words that are tried again."""
    seen = _promotion(account)
    tries = seen["updates"]
    sagemaker, endpoint = account.client("sagemaker"), account.world()["endpoint"]
    missing = SageMakerChanges(sagemaker).update_endpoint(
        {"EndpointName": endpoint, "EndpointConfigName": account.name("missing")}
    )
    absent = [
        _absent(lambda: SageMaker(sagemaker).endpoint(account.name("missing"))),
        _absent(lambda: SageMaker(sagemaker).training_job(account.name("missing"))),
    ]
    return Answer(
        tries[-1]["answer"] == Said.TAKEN and missing.answer.later and all(each == "read" for each in absent),
        f"UpdateEndpoint right after CreateEndpointConfig: {'; '.join(map(_text, tries))}. Of a config that is not there: "
        f"{missing.sentence or missing.answer}. A missing endpoint, a missing job: {', '.join(absent)}.",
    )


def _absent(read: Callable[[], dict[str, Any] | None]) -> str:
    """``read`` where what is not there is read as that."""
    found = asked(read, "Describe")
    return "read" if found.answer is Said.TAKEN and not found.returned else found.sentence


def read_back(account: Account) -> Answer:
    """Model and config are described as they were asked for."""
    differ = _promotion(account)["differ"]
    return Answer(not differ, f"Otherwise than asked for: {', '.join(differ) or 'nothing'}.")


def busy(account: Account) -> Answer:
    """A second update during an update is refused in words that are tried again."""
    said = _moved(account)["busy"]
    return Answer(said["answer"] == Said.NOT_YET, f"The second UpdateEndpoint: {_text(said)}.")


def scaling(account: Account) -> Answer:
    """An update while the variant's weight or count changes is refused in words that are tried again, or taken."""
    world, sagemaker = account.world(), account.client("sagemaker")
    reading, changes = SageMaker(sagemaker), SageMakerChanges(sagemaker)
    variant = account.in_service(world["endpoint"])["ProductionVariants"][0]
    plan = _plan(account, _champion(reading, world["endpoint"]))
    _make(account, changes, plan)
    weight = 1.0 if variant.get("DesiredWeight") == 2.0 else 2.0  # noqa: PLR2004 - any other than it has
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=world["endpoint"],
        DesiredWeightsAndCapacities=[{"VariantName": variant["VariantName"], "DesiredWeight": weight}],
    )
    during = EndpointSight.of(reading.endpoint(world["endpoint"]))
    said = changes.update_endpoint(plan.update_endpoint)
    account.in_service(world["endpoint"])
    return Answer(
        said.answer in {Said.NOT_YET, Said.TAKEN},
        f"While the weight changes the endpoint is {during.status}, and UpdateEndpoint: {said.sentence or said.answer}.",
    )


def shows_update(account: Account) -> Answer:
    """The description shows the update as soon as it was accepted."""
    seen = _moved(account)
    during = seen["during"]
    return Answer(
        during["status"] == "Updating" and during["pending"] == seen["wanted"],
        f"DescribeEndpoint right after UpdateEndpoint: {during['status']}, pending {during['pending']}.",
    )


def retained(account: Account) -> Answer:
    """The count that serves survives a promotion, though the config says another."""
    after = _moved(account)["after"]
    return Answer(
        after["count"] == INSTANCES,
        f"With {INSTANCES} instances before and 1 in the config, {after['count']} serve after the update.",
    )


def second_config(account: Account) -> Answer:
    """The config of a second promotion, whose tags hold those of the first by key, is accepted."""
    seen = _moved(account)
    return Answer(
        all(each["answer"] == Said.TAKEN for each in (seen["model"], seen["config"], *seen["second"])),
        f"Model and config of the first promotion: {_text(seen['model'])}, {_text(seen['config'])}; of the second: "
        f"{', '.join(map(_text, seen['second']))}, with the tags {sorted(tag['Key'] for tag in seen['tags'])}. A tag key that is "
        f"there twice: {_text(seen['twice'])}.",
    )


def composite_alarm(account: Account) -> Answer:
    """An update rolled back by a composite alarm is accepted, though the model's own role may not describe alarms."""
    seen = _promotion(account)
    last = seen["updates"][-1]
    if last["answer"] != Said.TAKEN:
        return Answer(False, f"UpdateEndpoint with a composite alarm: {_text(last)}.")
    found = account.client("cloudwatch").describe_alarms(AlarmNames=[seen["composite"]], AlarmTypes=["CompositeAlarm"])[
        "CompositeAlarms"
    ]
    return Answer(
        seen["after"]["config"] == seen["wanted"] and len(found) == 1,
        f"UpdateEndpoint with a composite alarm, the model's role without cloudwatch:DescribeAlarms: {_text(last)}; then "
        f"{'the new' if seen['after']['config'] == seen['wanted'] else 'the old'} config serves"
        f"{' (' + seen['after']['reason'] + ')' if seen['after']['reason'] else ''}; DescribeAlarms knows {len(found)}.",
    )


def pending_package(account: Account) -> Answer:
    """A model of a pending package's own containers is accepted; what is said to the package itself is noted."""
    world, sagemaker = account.world(), account.client("sagemaker")
    reading, changes = SageMaker(sagemaker), SageMakerChanges(sagemaker)
    champion = _champion(reading, world["endpoint"])
    container = champion.model["PrimaryContainer"]
    group = account.noted("model-package-group", account.name("group"))
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    arn = sagemaker.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [
                {key: container[key] for key in ("Image", "ModelDataUrl", "Environment") if container.get(key)}
            ],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]
    account.noted("model-package", arn)
    package = reading.model_package(arn) or {}
    plan = _plan(account, champion, package=(arn, package))
    account.noted("model", plan.wanted_config)
    made = changes.create_model(_requests(plan)[0])
    named = account.noted("model", account.name("named"))
    direct = changes.create_model(
        {"ModelName": named, "PrimaryContainer": {"ModelPackageName": arn}, "ExecutionRoleArn": world["role_arn"]}
    )
    return Answer(
        made.answer is Said.TAKEN and package.get("ModelApprovalStatus") == "PendingManualApproval",
        f"A model of the package's containers: {made.sentence or made.answer}. One that names the package: "
        f"{direct.sentence or direct.answer}.",
    )


def deleted_config(account: Account) -> Answer:
    """A config deleted under its endpoint is read as deleted, and made again under its name."""
    world, sagemaker = account.world(), account.client("sagemaker")
    reading, endpoint = SageMaker(sagemaker), world["endpoint"]
    # Noted first: who is stopped in between makes it again.
    before = account.seen("deleted config", lambda: _kept_config(_champion(reading, endpoint)))
    name = before["EndpointConfigName"]
    if reading.config(name) is not None:
        gone = asked(lambda: sagemaker.delete_endpoint_config(EndpointConfigName=name), "DeleteEndpointConfig")
        if gone.answer is Said.REFUSED and gone.code == "ValidationException":
            return Answer(True, f"{gone.sentence}, so the case cannot come about.")
        if gone.answer is not Said.TAKEN:
            raise OperatorError(gone.sentence)
    seen = asked(lambda: {"config": _champion(reading, endpoint).config}, "DescribeEndpoint")
    status = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"]
    again = SageMakerChanges(sagemaker).create_endpoint_config(before)
    if again.answer is Said.TAKEN:
        account.state.seen.pop("deleted config")
    read = seen.returned == {"config": {}}
    return Answer(
        read and again.answer is Said.TAKEN,
        f"The config was deleted and the endpoint is {status}; it is {'read as deleted' if read else f'not: {seen.sentence}'}; "
        f"made again under its name: {again.sentence or again.answer}.",
    )


def _kept_config(champion: Champion) -> dict[str, Any]:
    """The request that makes a champion's config again."""
    return {
        "EndpointConfigName": champion.config_name,
        "ProductionVariants": champion.config["ProductionVariants"],
        **({"Tags": champion.tags} if champion.tags else {}),
    }


def training_event(account: Account) -> Answer:
    """The end of a training job is told by an event that names it where the loop looks."""
    return _told(account, TRAINING_JOB_STATE_CHANGE, account.world()["name"], "TrainingJobStatus", {"Completed"})


def endpoint_event(account: Account) -> Answer:
    """An endpoint that serves again is told by an event that names it where the loop looks."""
    return _told(account, ENDPOINT_STATE_CHANGE, account.world()["endpoint"], "EndpointStatus", set())


def _told(account: Account, kind: str, name: str, field: str, statuses: set[str]) -> Answer:
    arn = name.lower()

    def about() -> list[dict[str, Any]]:
        found = _about(account, arn)
        over = not statuses or any(each.get("detail", {}).get(field) in statuses for each in found)
        return found if over else []

    # Where the awaited status never comes, what did come is judged.
    heard = until(about, within=PATIENCE_SECONDS) or _about(account, arn)
    of_kind = [each for each in heard if each.get("detail-type") == kind]
    named = [each for each in of_kind if each["detail"].get(SUBJECTS[kind][1]) == name]
    spelled = sorted({str(each["detail"].get(field)) for each in of_kind})
    return Answer(
        bool(named) and len(named) == len(of_kind),
        f"{len(heard)} event(s), {len(of_kind)} of them {kind}, {len(named)} with the name in {SUBJECTS[kind][1]}; {field} is "
        f"spelled {', '.join(spelled)}.",
    )


def _about(account: Account, name: str) -> list[dict[str, Any]]:
    """Events whose resource is of this name."""
    return [each for each in account.events() if any(str(of).endswith(f"/{name}") for of in each.get("resources", []))]


def processing_event(account: Account) -> Answer:
    """The end of a processing job is told with the status that DriftRule asks for."""
    world, sagemaker = account.world(), account.client("sagemaker")

    def run() -> str:
        name = account.name("job")
        sagemaker.create_processing_job(
            ProcessingJobName=name,
            RoleArn=world["role_arn"],
            AppSpecification={"ImageUri": world["image"], "ContainerEntrypoint": ["python3", "-c", "print()"]},
            ProcessingResources={
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
            },
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        return name

    name = account.seen("processing job", run)
    account.say("  a processing job (some minutes)")

    def over() -> list[dict[str, Any]]:
        going_on = {"InProgress", "Stopping"}
        heard = _about(account, name)
        return [each for each in heard if each.get("detail", {}).get("ProcessingJobStatus") not in going_on]

    heard = until(over, within=PATIENCE_SECONDS)
    if not heard:
        return Answer(False, f"{PATIENCE_SECONDS:.0f} s after it was made, no event says that {name} ended.")
    last = heard[-1]
    detail = last.get("detail", {})
    return Answer(
        last.get("detail-type") == PROCESSING_EVENT
        and detail.get("ProcessingJobStatus") == "Completed"
        and detail.get("ProcessingJobName") == name,
        f"{last.get('detail-type')}: ProcessingJobStatus {detail.get('ProcessingJobStatus')}, of the fields ExitMessage, "
        f"Environment, MonitoringScheduleArn it has "
        f"{[field for field in ('ExitMessage', 'Environment', 'MonitoringScheduleArn') if field in detail]}.",
    )


_EVENTS = f"{DOCS}/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html"

QUESTIONS = (
    Question(
        name="training-event",
        asks="The end of a training job is told by an event that names it in TrainingJobName.",
        document=_EVENTS,
        open="its sample is no event that was sent: numbers and texts differ between the kinds",
        built_on="rule WaitRule; src/orchestration/actions/resume.py",
        look=training_event,
    ),
    Question(
        name="endpoint-event",
        asks="An endpoint that changes its status is told by an event that names it in EndpointName.",
        document=_EVENTS,
        open="its sample spells the status IN_SERVICE, the API InService; the loop reads the name only, and then the API",
        built_on="rule WaitRule; src/orchestration/actions/resume.py",
        look=endpoint_event,
    ),
    Question(
        name="processing-event",
        asks="A processing job that ended is told with ProcessingJobStatus Completed or Failed.",
        document=_EVENTS,
        open="whether ExitMessage, Environment and MonitoringScheduleArn are in it: the sample has none",
        built_on="rule DriftRule; docs/signals.md",
        look=processing_event,
    ),
    Question(
        name="just-created-is-found",
        asks="What was just created is found by the next call, or is said not to be there in words that are tried again.",
        document=f"{DOCS}/sagemaker/latest/APIReference/API_CreateEndpoint.html",
        open="the text of the error, and whether UpdateEndpoint reads as CreateEndpoint does",
        built_on="UNSEEN in src/orchestration/stores/service_errors.py",
        look=just_created,
    ),
    Question(
        name="made-reads-back",
        asks="A model and a config are described as they were asked for, but for the fields that mean nothing.",
        document=f"{DOCS}/sagemaker/latest/APIReference/API_DescribeModel.html",
        open="which fields that nobody asked for are filled in",
        built_on="make_up in src/orchestration/domain/serving.py: what stands under a run's name, what an endpoint goes back to",
        look=read_back,
    ),
    Question(
        name="update-during-an-update",
        asks="An update of an endpoint that is being updated is refused in words that are tried again.",
        document=f"{DOCS}/sagemaker/latest/APIReference/API_UpdateEndpoint.html",
        open="code and text of the error",
        built_on="MOVES in src/orchestration/stores/service_errors.py",
        look=busy,
    ),
    Question(
        name="update-while-it-scales",
        asks="An update while autoscaling changes the endpoint is taken, or refused in words that are tried again.",
        document=f"{DOCS}/sagemaker/latest/dg/endpoint-scaling.html",
        open="which of the two, and in which words",
        built_on="MOVES in src/orchestration/stores/service_errors.py; docs/decisions/0012-known-limits.md, point 2",
        look=scaling,
    ),
    Question(
        name="update-is-shown",
        asks="DescribeEndpoint says Updating, with the candidate's config, as soon as UpdateEndpoint was accepted.",
        document=f"{DOCS}/sagemaker/latest/APIReference/API_DescribeEndpoint.html",
        open="how soon",
        built_on="src/orchestration/domain/fence.py; docs/decisions/0012-known-limits.md, point 3",
        look=shows_update,
    ),
    Question(
        name="capacity-is-retained",
        asks="RetainAllVariantProperties keeps the count that serves, together with a DeploymentConfig.",
        document=f"{DOCS}/sagemaker/latest/dg/endpoint-scaling.html",
        open="whether it holds in a blue/green update",
        built_on="docs/promotion.md, instances and weights",
        look=retained,
    ),
    Question(
        name="second-promotion",
        asks="The config of a second promotion is accepted: tags are merged by key.",
        document=f"{DOCS}/sagemaker/latest/APIReference/API_Tag.html",
        open="what a tag key that is there twice would do",
        built_on="src/orchestration/domain/promotion.py",
        look=second_config,
    ),
    Question(
        name="composite-alarm",
        asks="A composite alarm may roll an update back, and the caller's permission to describe it is enough.",
        document=f"{DOCS}/sagemaker/latest/dg/deployment-guardrails-configuration.html",
        open='whose the "IAM execution role" is that needs cloudwatch:DescribeAlarms',
        built_on="docs/promotion.md, alarms that roll an update back; statement NameRollbackAlarms",
        look=composite_alarm,
    ),
    Question(
        name="pending-package",
        asks="A model made of the containers of a package in PendingManualApproval is accepted.",
        document=f"{DOCS}/sagemaker/latest/dg/model-registry-deploy.html",
        open="what CreateModel says to such a package by its name",
        built_on="docs/promotion.md, what the model is made of; docs/decisions/0012-known-limits.md, point 1",
        look=pending_package,
    ),
    Question(
        name="config-deleted-while-it-serves",
        asks="A config deleted under a serving endpoint is read as deleted, and can be made again under its name.",
        document=f"{DOCS}/sagemaker/latest/APIReference/API_DeleteEndpointConfig.html",
        open="it asks not to, and does not say what is answered then",
        built_on="docs/promotion.md, kinds of endpoint; not_promotable in src/orchestration/domain/promotion.py",
        look=deleted_config,
    ),
)
