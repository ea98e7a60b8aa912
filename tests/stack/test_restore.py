"""A table that was lost, and a Region: history made, every item gone, restored from the bucket, and the loop goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.embedded_aws import EmbeddedAws
from ops import cli, destination
from orchestration.domain.chain import Head
from orchestration.stores.history_table import HistoryTable
from tests.stack.loop import Loop, deployed
from tests.stack.moments import outcome, parked, pause, run_of, serving, stop

ELSEWHERE = "eu-central-1"
"""The Region that is left when the stack's own is lost."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """A stack of its own: no other story looks at a table that is emptied."""
    with EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": "0.1"}) as embedded:
        made = deployed(embedded, tmp_path_factory.mktemp("packaged"))
        yield made
        assert made.unpublished() == {}


@pytest.fixture
def administrator(own: Loop, monkeypatch: pytest.MonkeyPatch) -> Loop:
    """The environment of an administrator."""
    for name, value in own.aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RETRAINING_STACK", own.stack)
    monkeypatch.setenv("COLUMNS", "20000")  # no sentence is broken
    return own


def items(loop: Loop) -> list[dict[str, Any]]:
    """Every item of the table."""
    pages = loop.aws.client("dynamodb").get_paginator("scan").paginate(TableName=loop.table)
    return [item for page in pages for item in page["Items"]]


def lose_table(loop: Loop) -> None:
    """Take every item away."""
    for item in items(loop):
        loop.aws.client("dynamodb").delete_item(TableName=loop.table, Key={"pk": item["pk"], "sk": item["sk"]})
    assert items(loop) == []


def heads(loop: Loop) -> list[Head]:
    """Where the chains end."""
    return list(HistoryTable(loop.aws.client("dynamodb"), loop.table).chain_heads())


def restored(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command; give its exit status and report."""
    capsys.readouterr()
    status = cli.main(["restore-history", "--json", *arguments])
    return status, json.loads(capsys.readouterr().out)


def lasting(loop: Loop) -> list[dict[str, Any]]:
    """The table without its due list, which is worked off meanwhile."""
    return [item for item in items(loop) if not item["pk"]["S"].startswith("DUE#")]


def replicate(loop: Loop, bucket: str, prefixes: tuple[str, ...]) -> None:
    """Have a bucket in the other Region with the objects of the stack's, as a replication of S3 leaves them."""
    here, there = loop.aws.client("s3"), loop.aws.client("s3", ELSEWHERE)
    there.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": ELSEWHERE})
    there.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in (key for prefix in prefixes for key in loop.keys(prefix)):
        there.put_object(Bucket=bucket, Key=key, Body=here.get_object(Bucket=loop.bucket, Key=key)["Body"].read())


def test_a_lost_table_comes_back_from_the_bucket_and_the_loop_goes_on(
    administrator: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = administrator
    promoted, paused = loop.model(), loop.model()
    asked = loop.model(approval={"training": "always", "promotion": "never"})
    first = loop.drift(promoted)
    done = loop.run(first, within=90)
    assert done.output["outcome"] == "PROMOTED"
    pause(loop, f"model:{paused}")
    waiting = loop.start(loop.drift(asked))
    parked(loop, waiting, "approval:training")
    state, before = loop.item(f"MODEL#{promoted}", "STATE"), heads(loop)
    kept = lasting(loop)

    # A table that is not lost is left alone.
    assert cli.main(["restore-history"]) == 1
    assert "not empty" in capsys.readouterr().err
    assert lasting(loop) == kept

    lose_table(loop)
    status, planned = restored(capsys)
    assert (status, planned["written"], items(loop)) == (0, None, []), [
        chain["findings"] for chain in planned["chains"]
    ]
    assert {chain["chain"] for chain in planned["chains"]} == {head.chain for head in before}
    assert cli.main(["restore-history"]) == 2
    assert "no terminal to ask on" in capsys.readouterr().err
    assert items(loop) == []

    assert cli.main(["restore-history", "--yes"]) == 0
    told = capsys.readouterr().out
    assert f"{planned['items']} items written" in told
    assert f"stop-execution --execution-arn {waiting}" in told
    assert heads(loop) == before
    assert loop.item(f"MODEL#{promoted}", "STATE") == state

    # Again, as after an interruption: the table has to be named, and nothing is written twice.
    assert cli.main(["restore-history", "--yes"]) == 1
    status, again = restored(capsys, "--yes", "--table", loop.table)
    assert (status, again["written"]) == (0, {"written": 0, "there": planned["items"]})
    assert cli.main(["verify-audit"]) == 0, capsys.readouterr().out

    # The loop goes on: cooldown, duplicate, switch, and the run that waited ends.
    config = serving(loop, promoted)
    assert loop.run(loop.drift(promoted)).output["outcome"] == "COALESCE"
    assert loop.decisions(promoted)[-1]["reason"] == "COOLDOWN"
    assert "changes nothing" in loop.run(first).output["reason"]
    assert loop.run(loop.drift(paused)).output["outcome"] == "HOLD"
    assert loop.decisions(paused)[-1]["reason"] == "PAUSED"
    stop(loop, waiting)
    assert outcome(loop, waiting) == "STOPPED"
    assert serving(loop, promoted) == config
    loop.until(lambda: f"evidence/{asked}/{run_of(waiting)}/outcome.json" in loop.keys(f"evidence/{asked}/"))
    assert [len(loop.chain(model)) for model in (promoted, paused)] == [6, 2]
    loop.until(lambda: cli.main(["verify-audit"]) == 0)


def test_a_lost_region_goes_on_in_another_one_from_a_replicated_bucket(
    administrator: Loop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loop = administrator
    promoted, paused = loop.model(), loop.model()
    done = loop.run(event := loop.drift(promoted), within=90)
    assert done.output["outcome"] == "PROMOTED"
    pause(loop, f"model:{paused}")
    asked = loop.model(approval={"training": "always", "promotion": "never"})
    waiting = loop.start(loop.drift(asked))
    parked(loop, waiting, "approval:training")
    loop.until(lambda: cli.main(["verify-audit"]) == 0)
    state, head = loop.item(f"MODEL#{promoted}", "STATE"), {each.chain: each for each in heads(loop)}[promoted]
    replicate(loop, "replica", ("decisions/", "manifests/", "evidence/", "rejected/", "policies/", "artifacts/"))

    # Nothing of the lost Region is read from here on.
    monkeypatch.setattr(loop.aws, "region", ELSEWHERE)
    monkeypatch.setattr(destination, "REMEMBERED", tmp_path / "deployed.json")
    monkeypatch.setenv("RETRAINING_STACK", "second")
    for name in ("RETRAINING_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, ELSEWHERE)
    assert cli.main(["import", "--yes", "--resources", "AutomationBucket=replica"]) == 0, capsys.readouterr()
    assert cli.main(["restore-history", "--yes"]) == 0, capsys.readouterr()
    assert f"{run_of(waiting)}, since" in (told := capsys.readouterr().out)
    assert "the first sweep here ends it" in told
    assert cli.main(["verify-audit"]) == 0, capsys.readouterr()

    made = loop.aws.client("cloudformation").describe_stacks(StackName="second")["Stacks"][0]["Outputs"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in made}
    second = Loop(loop.aws, outputs, loop.data_bucket, loop.role_arn, stack="second")
    assert second.bucket == "replica"
    assert second.item(f"MODEL#{promoted}", "STATE") == state
    assert head in heads(second)
    assert "changes nothing" in second.run(event).output["reason"]
    # What serves is not replicated: until there is an endpoint, nothing is trained for one.
    assert second.run(second.drift(promoted)).output["outcome"] == "HOLD"
    assert second.decisions(promoted)[-1]["reason"] == "NO_ENDPOINT"
    second.champion(promoted)
    assert second.run(second.drift(promoted)).output["outcome"] == "COALESCE"
    assert second.decisions(promoted)[-1]["reason"] == "COOLDOWN"
    assert second.run(second.drift(paused)).output["outcome"] == "HOLD"
    assert second.decisions(paused)[-1]["reason"] == "PAUSED"
    # A run that was open is of a workflow that is gone, so it ends.
    second.operate({"action": "sweep", "ahead_seconds": 600})
    assert second.until(lambda: outcome(second, waiting)) == "STOPPED"
    second.until(lambda: cli.main(["verify-audit"]) == 0)


def test_a_chain_that_was_edited_ends_before_the_edit_and_its_model_is_paused(
    administrator: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = administrator
    model = loop.model()
    run_id = loop.run(loop.drift(model)).name
    key = f"evidence/{model}/{run_id}/evaluation.json"
    kept = loop.read_bytes(key)
    lose_table(loop)
    loop.put(key, kept.replace(b"gates passed", b"gates failed"), bucket=loop.bucket)

    status, report = restored(capsys, "--yes")

    assert status == 1
    (chain,) = [chain for chain in report["chains"] if chain["findings"]]
    assert (chain["chain"], chain["records"]) == (model, 2)
    assert any(key in finding for finding in chain["findings"])
    assert [run["run_id"] for run in report["open_runs"] if run["model"] == model] == [run_id]
    assert loop.run(loop.drift(model)).output["outcome"] == "HOLD"
    loop.put(key, kept, bucket=loop.bucket)
