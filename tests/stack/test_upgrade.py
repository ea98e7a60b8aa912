"""A stack of an earlier release is updated while a run waits in each of its waits: nothing is lost and nothing goes on alone."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from local.embedded_aws import EmbeddedAws
from ops import package_zip
from ops.project import ROOT, TEMPLATE
from ops.stack_deployment import DeploymentError, deploy, package
from tests.stack.loop import Loop, teams_role
from tests.stack.moments import SWEEP, holders, outcome, parked, run_of, serving
from tests.stack.teams import HANG, Held, alarm, held_training, job_request, sagemaker_pipeline, set_alarm

RELEASES = {"0.1.0": "1d3284b"}
"""The last commit of each release that this one is updated from: its template, workflow and functions are built from git,
never kept as a copy. A release gets its line when the next one begins."""

STATES = {
    "0.1.0": {
        "approval:training": "RequestTrainingApproval",
        "state machine": "TriggerTrainingPipeline",
        "pipeline": "AwaitSageMakerPipeline",
        "job": "RunTrainingJob",
        "slot": "AcquireTrainingSlot",
        "approval:promotion": "RequestPromotionApproval",
        "promotion": "AwaitPromotion",
        "bake": "AwaitBake",
        "rollback": "AwaitRollback",
    }
}
"""The state in which a run waits, by release and wait."""

pytestmark = pytest.mark.timeout(300)
"""Of the fixture, which parks nine runs and updates twice."""

BEGINS = ("approval:training", "slot")
"""Waits of runs that did not train yet."""

TRAINS = ("state machine", "pipeline", "job")
"""Waits with a training that goes on; each holds a slot."""

CHANGES = ("promotion", "bake", "rollback")
"""Waits in which the endpoint has changed and nobody knows yet what came of it."""


@dataclass
class Upgraded:
    """A stack of an earlier release with a run in each of its waits, updated once in vain and once for good."""

    loop: Loop
    held: Held
    models: dict[str, str]
    runs: dict[str, str]
    """Executions by wait."""
    coalesced: str
    """The model that got a second signal while it trained."""
    decisions: dict[str, int]
    """How many decisions each model had before the update."""
    paged: list[str]
    """What the escalation topic heard of the sweep after the update."""


def built(release: str, folder: Path) -> Path:
    """Put template, workflow and zip of a release into a folder; gives the template."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so the release before cannot be built")
    found = subprocess.run(  # noqa: S603 - git itself
        [git, "archive", RELEASES[release], "src", "statemachine.asl.json", TEMPLATE.name],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if found.returncode:
        pytest.skip("the clone's history does not reach back to the release before")
    with tarfile.open(fileobj=BytesIO(found.stdout)) as archive:
        # Not as an argument, which Python before 3.11.4 does not take; it has no filters either.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202 - filtered where Python can
    with pytest.MonkeyPatch.context() as patch:
        # Its functions use boto3, which the runtime brings as well, and a library that its package held.
        patch.setattr(package_zip, "SDK", package_zip.SDK | {"boto3", "fastjsonschema"})
        package = package_zip.build(folder / "build" / "orchestration.zip", folder / "src")
    library = Path(fastjsonschema.__file__).parent
    with zipfile.ZipFile(package, "a") as archive:
        for module in library.glob("*.py"):
            archive.write(module, module.relative_to(library.parent))
    return folder / TEMPLATE.name


def waiting(loop: Loop, release: str) -> tuple[Held, dict[str, str], dict[str, str]]:
    """Begin a run for each wait of a release and await that it waits there: the held training, models, executions."""
    held, watched = held_training(loop), alarm(loop)
    never = {"training": "never", "promotion": "never"}
    trainings: dict[str, dict[str, Any]] = {
        "state machine": {"target": held.arn},
        "pipeline": {"target": sagemaker_pipeline(loop, HANG), "parameters": {"OutputUri": "output_uri"}},
        "job": {"target": "training-job", "request": job_request(loop, HANG)},
    }
    models, runs = {}, {}
    # The trainings that stand still hold their slots, so they begin last but for the run that finds none.
    for wait in sorted(STATES[release], key=lambda wait: (wait == "slot", wait in TRAINS)):
        before, _, subject = wait.partition(":")
        approval = never | ({subject: "always"} if before == "approval" else {})
        policy = {"training": trainings[wait]} if wait in TRAINS else {}
        model = models[wait] = loop.model(approval=approval, policy=policy)
        if wait in CHANGES:
            document = loop.read(f"policies/{model}.json")
            document["promotion"] |= (
                {"bake_minutes": 60, "alarms": [watched]} if wait == "rollback" else {"bake_minutes": 60}
            )
            loop.put(f"policies/{model}.json", document, bucket=loop.bucket)
        if wait == "promotion":
            loop.aws.tell_endpoint(f"{model}-prod", None, seconds=600)
        arn = runs[wait] = loop.start(loop.drift(model))
        if wait == "rollback":
            loop.until(lambda arn=arn: loop.states(arn)[-1:] == ["AwaitBake"])  # type: ignore[misc] # mypy infers no default
            loop.aws.tell_endpoint(f"{model}-prod", None, seconds=600)
            set_alarm(loop, watched, "ALARM")
        loop.until(lambda arn=arn, wait=wait: loop.states(arn)[-1:] == [STATES[release][wait]])  # type: ignore[misc] # same
    held.until_it_runs()
    loop.until(lambda: loop.aws.functions_running() == 0)
    return held, models, runs


def swept(loop: Loop, arn: str) -> bool:
    """Sweep, and say whether a run has its outcome."""
    loop.invoke(SWEEP)
    return bool((loop.item(f"RUN#{run_of(arn)}", "RUN") or {}).get("outcome"))


@pytest.fixture(scope="module", params=RELEASES)
def upgraded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """The stack after its update and the sweep that follows it."""
    release = str(request.param)
    before = built(release, tmp_path_factory.mktemp("release-before"))
    packaged = tmp_path_factory.mktemp("packaged")
    with EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.1"}) as aws:
        s3 = aws.client("s3")
        s3.create_bucket(Bucket="artifacts")
        s3.create_bucket(Bucket="team-data")
        for name in ("candidate", "champion"):
            s3.put_object(Bucket="team-data", Key=f"models/{name}.tar.gz", Body=name.encode())
        role = teams_role(aws, "team")

        def made(template: Path, name: str) -> Path:
            return package(template, "artifacts", packaged / name, environment=aws.environment)

        def deployed(release: Path, **more: str) -> dict[str, str]:
            parameters = {"SageMakerExecutionRoleArn": role, "MaxConcurrentTrainings": str(len(TRAINS)), **more}
            return deploy(release, "upgraded", parameters, bucket="artifacts", environment=aws.environment)

        # The role of 0.1.0 starts only what its teams have given to it by a tag.
        given = {"retraining:target": "true"}
        outputs = deployed(made(before, "before.yaml"))
        loop = Loop(aws, outputs, "team-data", role, stack="upgraded", pipeline_tags=given)
        # Its rules have a role for the function and no resource policy, which one of AWS's pages takes and this AWS does not.
        function = {"FunctionName": loop.outputs["OrchestrationFunctionName"], "StatementId": "as-by-its-role"}
        rules = {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"}
        aws.client("lambda").add_permission(**function, **rules)
        # Its workflow's role reads alarms one by one, which is less than CloudWatch asks for composite ones.
        reads = {"Effect": "Allow", "Action": "cloudwatch:DescribeAlarms", "Resource": "*"}
        machine = aws.client("stepfunctions").describe_state_machine(stateMachineArn=loop.machine)
        aws.client("iam").put_role_policy(
            RoleName=machine["roleArn"].rsplit("/", 1)[-1],
            PolicyName="reads-alarms",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [reads]}),
        )
        held, models, runs = waiting(loop, release)
        coalesced = models["state machine"]
        assert loop.run(loop.drift(coalesced, observed=1.2)).output["outcome"] == "COALESCE"
        decisions = {model: len(loop.decisions(model)) for model in models.values()}
        aws.client("lambda").remove_permission(**function)
        package_zip.build()
        after = made(TEMPLATE, "after.yaml")

        # Passes the form's pattern; EventBridge alone knows that one of the two days must be a question mark.
        with pytest.raises(DeploymentError):
            deployed(after, ScheduleExpression="cron(0 3 * * MON *)")
        found = aws.client("cloudformation").describe_stacks(StackName="upgraded")["Stacks"][0]["StackStatus"]
        assert found == "UPDATE_ROLLBACK_COMPLETE"
        # Nothing was lost by it: each run waits as before, and the functions of before decide.
        assert {loop.states(arn)[-1] for arn in runs.values()} == set(STATES[release].values())
        assert loop.run(loop.drift(models["job"], observed=0.1)).status == "SUCCEEDED"
        decisions[models["job"]] += 1

        loop.outputs = deployed(after)
        with loop.listening(loop.outputs["EscalationTopicArn"]) as messages:
            # A piece that meets another at the same moment is put off to the next sweep.
            for arn in runs.values():
                loop.until(functools.partial(swept, loop, arn))
            loop.invoke(SWEEP)
            # One for each run that was stopped, and one for each model that was frozen; beside them people are asked.
            stopped = len(STATES[release]) - len(BEGINS) + len(CHANGES)
            paged = [message["Message"] for message in messages(stopped, "ESCALATION")]
        yield Upgraded(loop, held, models, runs, coalesced, decisions, paged)


@pytest.mark.parametrize("wait", BEGINS)
def test_a_run_that_did_not_train_yet_is_decided_again(upgraded: Upgraded, wait: str) -> None:
    loop, model, arn = upgraded.loop, upgraded.models[wait], upgraded.runs[wait]

    assert loop.ended(arn).status == "SUCCEEDED"
    assert loop.states(arn)[-1] == "RetrainingStopped"
    assert outcome(loop, arn) == "SUPERSEDED"

    def again() -> Any:
        loop.invoke(SWEEP)
        return len(loop.decisions(model)) > upgraded.decisions[model] and loop.decisions(model)[-1]

    record = loop.until(again)
    assert record["decision"] == "RETRAIN"
    if wait == "approval:training":
        arn = loop.execution_arn(record["run_id"])
        parked(loop, arn, wait)
        loop.approve(record["run_id"])
        assert loop.ended(arn).output["outcome"] == "PROMOTED"


@pytest.mark.parametrize("wait", [*TRAINS, "approval:promotion", *CHANGES])
def test_a_run_past_its_slot_is_stopped_and_what_it_may_have_changed_is_frozen(upgraded: Upgraded, wait: str) -> None:
    loop, model, arn = upgraded.loop, upgraded.models[wait], upgraded.runs[wait]

    assert outcome(loop, arn) == "STOPPED"
    frozen = (loop.item(f"MODEL#{model}", "STATE") or {}).get("frozen_reason")
    assert bool(frozen) == (wait in CHANGES), frozen
    paged = [message for message in upgraded.paged if model in message]
    assert len(paged) == 1 + (wait in CHANGES)
    assert "the new release cannot go on with it" in paged[0]
    if wait == "approval:promotion":
        assert loop.ended(arn).status == "SUCCEEDED"
        assert serving(loop, model) == f"{model}-first"


def test_no_slot_is_held_by_a_run_that_is_over(upgraded: Upgraded) -> None:
    loop = upgraded.loop

    assert not {run_of(arn) for arn in upgraded.runs.values()} & set(holders(loop))

    # The workflow of a training that nobody stopped waits for it, and asks the new functions in the old way.
    upgraded.held.let_go()
    assert loop.ended(upgraded.runs["state machine"]).status == "FAILED"
    assert outcome(loop, upgraded.runs["state machine"]) == "STOPPED"


def test_a_signal_that_waits_for_a_run_is_decided_after_it(upgraded: Upgraded) -> None:
    loop, model = upgraded.loop, upgraded.coalesced
    loop.end_cooldown(model)

    def again() -> bool:
        loop.invoke({"action": "sweep", "ahead_seconds": 100_000})
        return len(loop.decisions(model)) > upgraded.decisions[model]

    loop.until(again)
    # And the release after reads what the release before wrote.
    assert loop.statuses(run_of(upgraded.runs["state machine"]))[0] == "RETRAINING_DECIDED"
