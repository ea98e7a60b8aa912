"""A policy of one model names what is another's, on the deployed stack: nothing of it is reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops import cli
from tests.stack.loop import BETTER, CHAMPION, Loop
from tests.stack.moments import serving
from tests.stack.teams import approval_of, model_package, sagemaker_pipeline


@pytest.mark.threat("foreign-endpoint")
def test_a_policy_reaches_nothing_of_another_models(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the decision holds, ``make validate STACK=`` says before; and nothing was started or changed."""
    victim, pipeline = loop.model(), sagemaker_pipeline(loop)
    deployment = loop.pipeline({"Deploy": {"Type": "Pass", "End": True}}, "Deploy", of=victim)
    loop.own(victim, pipeline)
    attacker = loop.model()
    document = {
        **loop.read(f"policies/{attacker}.json"),
        "training": {"target": pipeline, "input": {"image": "evil.example/serve:1", "model_data_url": "s3://evil/m"}},
        "promotion": {"kind": "pipeline", "target": deployment, "endpoint": f"{victim}-prod"},
    }
    loop.put(f"policies/{attacker}.json", document, bucket=loop.bucket)
    before = loop.aws.client("sagemaker").list_pipeline_executions(PipelineName=pipeline)

    ended = loop.run(loop.drift(attacker))

    assert ended.output["outcome"] == "HOLD"
    (held,) = loop.decisions(attacker)
    assert held["reason"] == "FOREIGN_RESOURCE"
    named = (pipeline, deployment, f"Endpoint {victim}-prod", "evil.example/serve:1", "s3://evil/m")
    assert [name for name in named if name not in held["sentence"]] == []
    assert (
        loop.aws.client("sagemaker").list_pipeline_executions(PipelineName=pipeline)["PipelineExecutionSummaries"]
        == (before["PipelineExecutionSummaries"])
    )
    assert serving(loop, victim) == f"{victim}-first"

    path = tmp_path / f"{attacker}.json"
    path.write_text(json.dumps(document))
    for name, value in loop.aws.environment.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["validate", str(path), "--stack", loop.stack]) == 1
    said = capsys.readouterr().out.replace("\n", " ")
    assert [name for name in named if name not in said] == []


@pytest.mark.threat("foreign-package")
def test_a_training_that_hands_back_another_models_package_leaves_it_as_it_is(loop: Loop) -> None:
    package = model_package(loop)
    loop.own(loop.model(), package)
    attacker = loop.model(
        training=loop.training(loop.evaluation(BETTER, CHAMPION), model_package_arn=package),
        promotion={"kind": "registry"},
    )

    ended = loop.run(loop.drift(attacker))

    assert ended.output["outcome"] == "CANDIDATE_REJECTED"
    assert "belongs to" in ended.output["reason"]
    assert approval_of(loop, package) == "PendingManualApproval"
