"""A stack of the release before is updated while runs wait: they end well, and their signals are decided again."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from local.embedded_aws import EmbeddedAws
from ops import package_zip
from ops.stack_deployment import ROOT, TEMPLATE, deploy, package
from tests.stack.loop import Loop, teams_role
from tests.stack.moments import outcome, parked, run_of
from tests.stack.teams import held_training

BEFORE = "1d3284b"
"""The last commit of release 0.1.0: its template, workflow and functions are built from git, never kept as a copy."""


@pytest.fixture(scope="module")
def release_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Template, workflow and zip of the release before, in a folder."""
    folder = tmp_path_factory.mktemp("release-before")
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so the release before cannot be built")
    found = subprocess.run(  # noqa: S603 - git itself
        [git, "archive", BEFORE, "src", "statemachine.asl.json", TEMPLATE.name],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if found.returncode:
        pytest.skip("the clone's history does not reach back to the release before")
    with tarfile.open(fileobj=BytesIO(found.stdout)) as archive:
        archive.extractall(folder, filter="data")
    package_zip.build(folder / "build" / "orchestration.zip", folder / "src")
    return folder


@pytest.fixture(scope="module")
def world(release_before: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedAws, Loop, Any]]:
    """An embedded AWS with a stack of the release before, and what updates it."""
    packaged = tmp_path_factory.mktemp("packaged")
    with EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.1"}) as aws:
        s3 = aws.client("s3")
        s3.create_bucket(Bucket="artifacts")
        s3.create_bucket(Bucket="team-data")
        for name in ("candidate", "champion"):
            s3.put_object(Bucket="team-data", Key=f"models/{name}.tar.gz", Body=name.encode())
        role = teams_role(aws, "team")

        def deployed(template: Path, name: str) -> dict[str, str]:
            made = package(template, "artifacts", packaged / name, environment=aws.environment)
            parameters = {"SageMakerExecutionRoleArn": role, "MaxConcurrentTrainings": "1"}
            return deploy(made, "upgraded", parameters, bucket="artifacts", environment=aws.environment)

        outputs = deployed(release_before / TEMPLATE.name, "before.yaml")
        # Its role starts only what its teams have given to it by a tag.
        given = {"retraining:target": "true"}
        loop = Loop(aws, outputs, "team-data", role, stack="upgraded", pipeline_tags=given)

        # Its rules have a role for the function and no resource policy, which one of AWS's pages takes and this AWS does not.
        function = {"FunctionName": loop.outputs["OrchestrationFunctionName"], "StatementId": "as-by-its-role"}
        rules = {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"}
        aws.client("lambda").add_permission(**function, **rules)

        def update() -> None:
            aws.client("lambda").remove_permission(**function)
            package_zip.build()
            loop.outputs = deployed(TEMPLATE, "after.yaml")

        yield aws, loop, update


def test_runs_that_wait_are_taken_over_and_signals_decided_again(world: tuple[EmbeddedAws, Loop, Any]) -> None:
    _, loop, update = world
    held = held_training(loop)
    asks = loop.model(approval={"training": "always", "promotion": "never"})
    queued = loop.model()
    trains = loop.model(training=held.arn)
    first = loop.start(loop.drift(trains))
    held.until_it_runs()
    waiting = {asks: loop.start(loop.drift(asks)), queued: loop.start(loop.drift(queued))}
    loop.until(lambda: loop.item("APPROVALS", f"WAIT#{run_of(waiting[asks])}:approval:training"))
    loop.until(lambda: loop.item("WAITS", f"WAIT#{run_of(waiting[queued])}:slot:training"))
    assert loop.run(loop.drift(trains, observed=1.2)).output["outcome"] == "COALESCE"
    # Drained, as make deploy asks for: the run past its slot ends before the update.
    loop.aws.client("stepfunctions").stop_execution(executionArn=first)
    loop.until(lambda: (loop.item(f"RUN#{run_of(first)}", "RUN") or {}).get("outcome"))
    records = {model: len(loop.decisions(model)) for model in (asks, trains)}
    # Its slot went on to the run in the queue, which is past it now and ends by itself.
    assert loop.ended(waiting.pop(queued)).output["outcome"] == "PROMOTED"

    update()
    loop.invoke({"action": "sweep"})

    assert loop.ended(waiting[asks]).status == "SUCCEEDED"
    assert loop.states(waiting[asks])[-1] == "RetrainingStopped"
    assert outcome(loop, waiting[asks]) == "SUPERSEDED"

    def again() -> Any:
        loop.invoke({"action": "sweep", "ahead_seconds": 600})
        return len(loop.decisions(asks)) > records[asks] and loop.decisions(asks)[-1]

    record = loop.until(again)
    assert record["decision"] == "RETRAIN"
    arn = loop.execution_arn(record["run_id"])
    parked(loop, arn, "approval:training")
    loop.approve(record["run_id"])
    assert loop.ended(arn).output["outcome"] == "PROMOTED"
    # What was coalesced under the release before is not forgotten.
    loop.end_cooldown(trains)
    loop.invoke({"action": "sweep", "ahead_seconds": 100_000})
    loop.until(lambda: len(loop.decisions(trains)) > records[trains])
    # And the release after reads what the release before wrote.
    assert loop.statuses(run_of(first))[0] == "RETRAINING_DECIDED"
