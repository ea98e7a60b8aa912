"""Days after a promotion the champion before serves again; what is older than the kept promotions is gone by then."""

from __future__ import annotations

import pytest

from ops import cli
from ops.report import model_life, run_pages
from ops.stack import Stack
from orchestration.domain.records import report_key
from tests.stack.loop import Loop
from tests.stack.moments import SWEEP


@pytest.fixture(autouse=True)
def signed_in(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of an operator who is signed in to the stack's account."""
    for name, value in loop.aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RETRAINING_STACK", loop.stack)


@pytest.fixture
def small_account(loop: Loop) -> None:
    """The endpoints of other stories are gone: in an account of more than 200 nothing old is removed."""
    sagemaker = loop.aws.client("sagemaker")
    pages = sagemaker.get_paginator("list_endpoints").paginate()
    for name in [each["EndpointName"] for page in pages for each in page["Endpoints"]]:
        sagemaker.delete_endpoint(EndpointName=name)


def made(loop: Loop, model: str) -> tuple[set[str], set[str]]:
    """Names of the configs and the models that are there of a model."""
    sagemaker = loop.aws.client("sagemaker")
    configs = sagemaker.list_endpoint_configs(NameContains=model, MaxResults=100)["EndpointConfigs"]
    pages = sagemaker.get_paginator("list_models").paginate()
    # moto's list knows no NameContains.
    models = {each["ModelName"] for page in pages for each in page["Models"] if model in each["ModelName"]}
    return {each["EndpointConfigName"] for each in configs}, models


@pytest.mark.usefixtures("small_account")
def test_a_champion_of_the_past_serves_again_and_what_is_older_is_gone(
    loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    model = loop.model(cooldown_hours=0, breaker={"drift_again_hours": 0})
    endpoint = f"{model}-prod"
    served = [loop.endpoint_config(endpoint)]
    for observed in (0.9, 1.0, 1.1):
        ended = loop.run(loop.drift(model, observed=observed))
        assert ended.output["outcome"] == "PROMOTED", ended
        served.append(loop.endpoint_config(endpoint))
    kept = {served[0], served[2], served[3]}

    def only_kept() -> bool:
        loop.invoke(SWEEP)
        return made(loop, model) == (kept, kept)

    loop.until(only_kept)

    wanted = ["rollback", "--model", model, "--reason", "chargebacks doubled"]
    with loop.listening(loop.outputs["OperationsTopicArn"]) as messages:
        assert cli.main(wanted) == 0
        assert "ROLL_BACK" in capsys.readouterr().out
        # The command sees the decision in the table, maybe before its record is in the bucket.
        record = loop.until(
            lambda: next((each for each in loop.decisions(model) if each["decision"] == "ROLL_BACK"), None)
        )
        ended = loop.ended(loop.execution_arn(record["run_id"]))
        subjects = [message["Subject"] for message in messages(4, model)]
    assert ended.output["outcome"] == "PROMOTED", ended
    assert "EvaluateCandidate" not in loop.states(ended.arn)
    assert loop.endpoint_config(endpoint) == served[2]
    assert loop.statuses(ended.name) == ["ROLLBACK_DECIDED", "PROMOTION_STARTED", "PROMOTION_BAKED", "PROMOTED"]
    assert subjects[0] == f"[{model}] Rollback begins, as a person asked"
    assert [each["kind"] for each in loop.chain(model)[-5:]] == [
        "decision",
        "manifest",
        "verdict",
        "verification",
        "outcome",
    ]
    assert loop.report(model, ended.name)["goes_back"]
    life = model_life(Stack(loop.stack), model)
    assert [served.ended_by and served.ended_by.split()[0] for served in life.served] == [
        None,
        "rollback",
        *["promotion"] * 2,
    ]
    assert run_pages(Stack(loop.stack), ended.name)["html"] == loop.read_bytes(report_key(model, ended.name, "html"))
    assert cli.main(["history", "--model", model]) == 0
    assert "PROMOTED (rollback)" in capsys.readouterr().out
    assert cli.main(["explain", ended.name]) == 0
    assert "way_back" in capsys.readouterr().out

    # One step further back the model is gone, and whoever asks is told so.
    assert cli.main(wanted) == 1
    assert "more than KeepChampions promotions came after it" in capsys.readouterr().out.replace("\n", " ")
    assert loop.endpoint_config(endpoint) == served[2]
