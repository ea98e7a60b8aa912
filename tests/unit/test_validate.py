"""``retraining validate``: everything wrong with a file at once, never valid what the loop refuses, and what only the account shows."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops import cli, validate
from ops.given_files import FileKind, Given, recognised
from ops.stack_checks import Check, Outcome
from orchestration.domain.ownership import Resource
from orchestration.domain.policy import read_policy, rule_findings, validate_policy
from tests.unit import stories
from tests.unit.commands import signed_in
from tests.unit.fake_services import ENDPOINT_ARN, ROLE, Endpoint, client_error
from tests.unit.fakes import EVENTS, TRAINING, World
from tests.unit.stories import ALARM, ENDPOINT, POLICY

GROUP: Final = "binary_classification_metrics"
RICH: Final[dict[str, Any]] = {
    **POLICY,
    "severity": {"warning": 1.0, "critical": 2.0},
    "voters": ["ana*"],
    "breaker": {"fruitless_runs": 3},
    "evaluation": {"metric": "auc", "minimum": 0.7, "guards": [{"metric": "recall"}, {"metric": "f1", "minimum": 0.5}]},
    "approval": {"training": "never", "remind_hours": 1, "expire_hours": 9},
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of a name and give its path."""

    def written(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return written


def said(findings: Any) -> list[str]:
    """Findings as a person reads them."""
    return [str(finding) for finding in findings]


def test_everything_that_is_wrong_with_a_policy_is_told_at_once_each_with_its_place(write: Any) -> None:
    document = {
        "schema_version": 1,
        "model": "fraud",
        "mode": "actve",
        "cooldown_hours": "24",
        "breaker": {"fruitles_runs": 3},
        "training": {"target": "training-job"},
        "evaluation": {"metric": "lift", "guards": [{"metric": "recall", "max_regression": -1}, {"metic": "f1"}]},
        "approval": {"remind_hours": 9, "escalate_hours": 3},
        "promotion": {"kind": "pipeline", "bake_minutes": 1441},
        "severity": {"warning": 3},
        "endpoint": "fraud-prod",
    }
    assert [finding.partition(": ") for finding in said(validate.findings_of(write("fraud.json", document)))] == [
        (place, ": ", sentence)
        for place, sentence in [
            ("$.breaker.fruitles_runs", "is not read: did you mean fruitless_runs?"),
            ("$.cooldown_hours", 'must be a number, and is "24".'),
            (
                "$.endpoint",
                "is not read. Read are, besides those given: actions, budget, data_quality, decision_file, monitoring, voters.",
            ),
            ("$.evaluation.guards[0].max_regression", "must be at least 0, and is -1."),
            ("$.evaluation.guards[1].metic", "is not read: did you mean metric?"),
            ("$.mode", 'must be one of "active", "shadow", and is "actve". Did you mean active?'),
            ("$.promotion.bake_minutes", "must be at most 1440, and is 1441."),
            ("$.severity", "warning must not be greater than critical (defaults 1.0 and 2.0)."),
            ("$.training.request", "is needed for the target 'training-job'."),
            ("$.promotion.target", "must be the ARN of a state machine for kind 'pipeline'."),
            (
                "$.evaluation.metric",
                "is lift, which docs/metrics.md does not know: set lower_is_better beside it.",
            ),
            ("$.approval", "remind_hours, escalate_hours and expire_hours must not decrease."),
        ]
    ]


def test_the_rules_are_told_all_at_once_of_what_the_schema_takes() -> None:
    """A decision stops at the first kind of them; whoever writes a policy wants all."""
    document = stories.policy(
        training={"target": "training-job", "request": {"AlgorithmName": 1}, "parameters": {"a": "b"}},
        severity={"warning": 3, "critical": 2},
        promotion={"kind": "none", "input": {"seed": 2**60 + 1}},
    )
    told = list(rule_findings(document))
    assert told[: len(validate_policy(document))] == list(validate_policy(document))
    assert [
        place for place in ("$.severity: ", "$.training.request.AlgorithmName: ") if place not in " ".join(told)
    ] == []
    assert list(rule_findings(POLICY)) == []
    assert list(rule_findings(stories.policy(training={"target": "training-job"}))) == [
        "$.training.request: is needed for the target 'training-job'."
    ]


def test_what_stands_under_a_mistyped_name_is_not_called_missing_as_well(write: Any) -> None:
    document = {key: value for key, value in POLICY.items() if key != "evaluation"} | {
        "evalution": POLICY["evaluation"]
    }
    assert said(validate.findings_of(write("fraud.json", document))) == [
        "$.evalution: is not read: did you mean evaluation?"
    ]


def test_a_file_that_is_no_json_is_told_and_so_is_one_that_is_not_there(write: Any, tmp_path: Path) -> None:
    assert said(validate.findings_of(write("x.json", "{"))) == [
        "$: is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)."
    ]
    assert said(validate.findings_of(tmp_path / "none.json")) == [
        "$: cannot be read: No such file or directory. Name a file that is there."
    ]
    # NaN is taken in a report, and in a policy it is not.
    assert (
        "NaN, which is not a JSON number" in said(validate.findings_of(write("p.json", '{"schema_version": NaN}')))[0]
    )


def test_a_policy_and_its_file_have_one_name(write: Any) -> None:
    assert said(validate.findings_of(write("spam.json", POLICY))) == [
        (
            "$.model: is 'fraud', but the file is named spam.json: its name in policies/ has to be fraud.json, "
            "and here that or policy.json."
        )
    ]
    assert validate.findings_of(write("policy.json", POLICY)) == ()


def keys_of(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Places in a document."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, member in members for found in ((*place, key), *keys_of(member, (*place, key)))]


VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, -1, 0, 1, 1.0, 1.5, 3, 99999, 2**60 + 1, "", "x", "fraud\n", "never", "always", "\0", "lift"),
    *("endpoint", "pipeline", "observe", "approve", "training-job", [], ["x"], [{}], {}, {"a": 1}, "a" * 70_000),
)


@settings(max_examples=500)
@given(
    place=st.sampled_from(keys_of(RICH)),
    how=st.sampled_from(["remove", "rename", "replace", "add"]),
    value=st.sampled_from(VALUES),
)
def test_the_command_and_the_loop_agree_on_every_mutation_of_a_good_policy(
    place: tuple[Any, ...], how: str, value: Any
) -> None:
    document = json.loads(json.dumps(RICH))
    part = document
    for key in place[:-1]:
        part = part[key]
    key = place[-1]
    if how == "replace":
        part[key] = value
    elif isinstance(part, list):
        part.append(value) if how == "add" else part.pop(key)
    elif how == "remove":
        del part[key]
    elif how == "rename":
        part[f"{key}s"] = part.pop(key)
    else:
        part["another"] = value
    body = json.dumps(document).encode()
    name = document["model"] if isinstance(document.get("model"), str) and "/" not in document["model"] else "fraud"
    found = validate.policy_findings(f"{name.strip()}.json", body)
    assert (found == ()) == isinstance(read_policy(body), dict), said(found)


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200)
@given(
    document=st.dictionaries(
        st.sampled_from([*RICH, GROUP, "champion", "slices", "observed", "violations", "environment", "detail-type"]),
        JSON | st.sampled_from([*RICH.values()]),
        max_size=6,
    )
)
def test_whatever_a_file_holds_it_is_recognised_and_told_of(document: dict[str, Any]) -> None:
    """An event that is none of ours is refused with a sentence; nothing else stops the command."""
    body = json.dumps(document).encode()
    found = recognised("x.json", body)
    assert isinstance(found, Given)
    if found.kind is FileKind.EVENT:
        return
    told = validate._given_findings(found)
    assert all(str(finding).startswith("$") for finding in told)
    assert validate.policy_findings("x.json", body) or isinstance(read_policy(body), dict)


@pytest.mark.parametrize(
    ("name", "content", "read_as", "findings"),
    [
        ("r.json", {"model": "fraud", "observed": 0.4, "threshold": 0.2}, "drift report", []),
        (
            "entries.json",
            [
                {
                    "Source": "mlops.drift",
                    "DetailType": "Drift Detected",
                    "Detail": '{"model": "fraud", "observed": 0.4, "threshold": 0.2, "severty": "x"}',
                }
            ],
            "event 'Drift Detected'",
            ["$.detail.severty: is not read: did you mean severity?"],
        ),
        (
            "entries.json",
            {"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": {"model": "fraud"}},
            "nothing that is known",
            ["$: is an entry of put-events whose Detail is no text: put-events takes a JSON object written as a text."],
        ),
        (
            "entries.json",
            [{"Source": "mlops.drift", "DetailType": "Drift Detected", "Detail": "{}"}] * 2,
            "nothing that is known",
            ["$: holds 2 entries of put-events; one is looked at: write each into a file of its own."],
        ),
        (
            "list.json",
            [1],
            "nothing that is known",
            ["$: holds a list of 1; one JSON object is looked at: write each into a file of its own."],
        ),
        (
            "r.json",
            {"model": "fraud", "observed": 0.4, "treshold": 0.2, "severty": "bad"},
            "drift report",
            [
                (
                    "$: must be a report that says what was measured: observed and threshold as numbers, a severity, "
                    "drift_detected, an error, a report of a library, a report_uri of a drift_report.json, or one of the shapes of others."
                ),
                "$.severty: is not read: did you mean severity?",
                "$.treshold: is not read: did you mean threshold?",
            ],
        ),
        (
            "e.json",
            {"source": "mlops.drift", "detail-type": "drift detected", "detail": {"model": "a b", "observed": "x"}},
            "event 'drift detected'",
            [
                (
                    "$.detail: must be a report that says what was measured: observed and threshold as numbers, a severity, "
                    "drift_detected, an error, a report of a library, a report_uri of a drift_report.json, or one of the shapes of others."
                ),
                '$.detail.model: must be 1 to 63 letters, digits and inner hyphens, and is "a b".',
                '$.detail.observed: must be a number, or a text that is one, and is "x".',
            ],
        ),
        (
            "e.json",
            {
                "source": "mlops.drift",
                "detail-type": "Retraining requested",
                "detail": {"model": "fraud", "reason": "x"},
            },
            "event 'Retraining requested'",
            ["$.detail.requested_by: is missing."],
        ),
        (
            "e.json",
            {"source": "mlops.drift", "detail-type": "Drift", "detail": {"model": "fraud", "severity": "info"}},
            "event 'Drift'",
            [
                (
                    "$.detail: Nothing here understands an event from source 'mlops.drift' with detail-type 'Drift'. Send source "
                    "'mlops.drift' with detail-type 'Drift Detected' or 'Retraining Requested'."
                )
            ],
        ),
        # An alert without numbers is a warning, as the loop reads it.
        ("r.json", {"model": "fraud", "drift_share": None}, "drift report", []),
        (
            "r.json",
            {"model": "fraud", "drift_share": [1]},
            "drift report",
            ["$.drift_share: must be a number, or a text that is one, and is a list of 1."],
        ),
        ("q.json", {"model": "fraud", "reason": "x", "requested_by": "ana"}, "retraining request", []),
        ("q.json", {"model": "fraud", "reason": "x"}, "retraining request", ["$.requested_by: is missing."]),
        (
            "o.json",
            {"model_data_url": "s3://data/m", "environment": {"A": "x" * 40_000}},
            "output of a training",
            [
                (
                    "$: The output has an environment of 40001 bytes; SageMaker takes 32768. Put what is large into the model's "
                    "archive."
                )
            ],
        ),
        (
            "v.json",
            {
                GROUP: {"auc": {"value": 2}, "recall": 0.9, "own": 7},
                "champion": {GROUP: {"auc": 0.8}, "slices": {"DE": {GROUP: {"f1": -1}}}},
                "slice": {},
            },
            "evaluation report",
            [
                "$.slice: is not read: did you mean slices?",
                f"$.{GROUP}.auc: is 2, and no auc is above 1; such a value fails its gate.",
                f"$.champion.slices.DE.{GROUP}.f1: is -1, and no f1 is below 0; such a value fails its gate.",
            ],
        ),
        (
            "v.json",
            {
                GROUP: {
                    "auc": {"value": 0.8996, "lower": 0.89, "upper": 0.91, "confidence": 95},
                    "recall": 0.9,
                    "RECALL": 0.7,
                },
                "champion": {GROUP: {"AUC": 0.9, "f1": {"value": 0.5, "lower": 0.5, "upper": 0.5, "confidence": 0.9}}},
                "difference": {
                    GROUP: {
                        "auc": {"value": 0.0004, "lower": 0.0001, "upper": 0.0007, "confidence": 0.95},
                        "f1": {"lower": -0.1},
                    },
                    "slices": {"DE": {GROUP: {"auc": 0.2}}},
                },
                "slices": {"DE": {GROUP: {"auc": 0.9}}},
            },
            "evaluation report",
            [
                f"$.{GROUP}.RECALL: is there more than once, with different numbers, and so counts as missing.",
                f"$.{GROUP}.auc: has bounds of confidence 95; a confidence is below 1, 0.95 for 95 %; a gate with a confidence fails by it.",
                (
                    f"$.champion.{GROUP}.f1: has 0.5 as both bounds: samples that agree do not say that others would; a gate with "
                    "a confidence fails by it."
                ),
                (
                    f"$.difference.{GROUP}.f1: has no number for each of value, lower, upper and confidence; a gate with a "
                    "confidence fails by it."
                ),
                (
                    f"$.difference.{GROUP}.auc: is 0.0004, and the difference of its two numbers is -0.0004; a gate with a "
                    "confidence fails by it."
                ),
            ],
        ),
        (
            "v.json",
            {
                GROUP: {"auc": 0.9},
                "champion": {GROUP: {"auc": "NaN"}},
                "difference": {GROUP: {}, "slices": {"DE": {GROUP: {"auc": 0.3}}}},
                "slices": {"DE": {GROUP: {"auc": 0.9}}},
            },
            "evaluation report",
            [
                "$.champion: has no number, which fails each comparison; null says that there is none.",
                "$.difference: has no number, which fails each comparison under a policy's confidence; null says that there is none.",
            ],
        ),
        ("v.json", {GROUP: {"auc": 0.9}, "champion": {}, "difference": None}, "evaluation report", []),
        ("v.json", {"violations": []}, "violations of a monitor", []),
        ("d.csv", "decision\nYES\n", "decision file", []),
        (
            "d.csv",
            "decision\nperhaps\n",
            "decision file",
            ["$: The decision file d.csv says 'PERHAPS' in its first data row, first column. Write YES or NO."],
        ),
    ],
)
def test_a_file_of_any_kind_is_recognised_and_told_all_of(
    name: str, content: Any, read_as: str, findings: list[str], write: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(name, content)
    assert said(validate.findings_of(path)) == findings
    assert cli.main(["validate", str(path), "--json"]) == int(bool(findings))
    (told,) = json.loads(capsys.readouterr().out)["files"]
    assert (told["read_as"], told["valid"], told["status"]) == (read_as, not findings, int(bool(findings)))
    assert [f"{each['path']}: {each['sentence']}" for each in told["findings"]] == findings
    assert told["checks"] == []


def test_a_file_named_by_policy_is_a_policy_whatever_it_looks_like(
    write: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    path = write("fraud.json", {GROUP: {"auc": 0.9}})
    assert cli.main(["validate", str(path)]) == 0
    assert cli.main(["validate", "--policy", str(path)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "valid, read as evaluation report" in out
    assert f"NOT VALID, read as policy $.{GROUP}: is not read." in out


def test_what_aws_sends_is_tried_and_not_validated(capsys: Any) -> None:
    path = EVENTS / "alarm" / "metric.json"
    assert cli.main(["validate", str(path)]) == 2
    assert f"This says what comes of it: retraining try {path}" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["validate"]) == 2
    assert "Which file? Example: retraining validate policies/fraud.json" in capsys.readouterr().err
    assert cli.main(["validate", "policies/none.json"]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().out


def test_a_file_that_cannot_be_looked_at_keeps_no_other_from_being_judged(write: Any, capsys: Any) -> None:
    event, none, wrong = (
        EVENTS / "alarm" / "metric.json",
        "policies/none.json",
        write("fraud.json", {"schema_version": 1}),
    )
    right = write("report.json", {"model": "fraud", "observed": 0.4, "threshold": 0.2})
    assert cli.main(["validate", str(event), none, str(right), "--json"]) == 2
    assert [each["status"] for each in json.loads(capsys.readouterr().out)["files"]] == [2, 2, 0]
    assert cli.main(["validate", str(event), str(wrong), str(right), "--json"]) == 1
    assert [each["status"] for each in json.loads(capsys.readouterr().out)["files"]] == [2, 1, 0]


def test_two_policies_in_a_folder_do_not_promote_to_one_endpoint(write: Any) -> None:
    one, other = write("fraud.json", POLICY), write("churn.json", {**POLICY, "model": "churn"})
    write("report.json", {GROUP: {}})
    found = validate.shared_endpoints({one: one.read_bytes()})
    assert f"{ENDPOINT} is the endpoint of churn as well" in str(found[one.resolve()])
    assert cli.main(["validate", str(one)]) == 1
    other.unlink()
    assert cli.main(["validate", str(one)]) == 0


def test_what_lies_beside_a_policy_and_cannot_be_read_is_nothing_against_it(write: Any) -> None:
    one = write("fraud.json", POLICY)
    (one.parent / "archive.json").mkdir()
    (one.parent / "gone.json").symlink_to("nowhere")
    os.mkfifo(one.parent / "pipe.json")
    assert cli.main(["validate", str(one)]) == 0


def test_a_policy_may_come_through_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    end, begin = os.pipe()
    os.write(begin, json.dumps(POLICY).encode())
    os.close(begin)
    assert cli.main(["validate", "--policy", f"/dev/fd/{end}", "--json"]) == 1
    os.close(end)
    (found,) = json.loads(capsys.readouterr().out)["files"]
    assert found["read_as"] == "policy"
    assert [each["path"] for each in found["findings"]] == ["$.model"]  # a pipe has no name that could be the model's


@pytest.mark.parametrize("call", [("validate",), ("try",), ("report", "--run", "run-1", "--prices")], ids=" ".join)
def test_what_never_ends_is_read_to_an_end(
    call: tuple[str, ...], world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    signed_in(world, monkeypatch)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Nobody writes to the pipe, and the zeros have no end.
    assert cli.main([*call, str(pipe)]) in {1, 2}
    assert cli.main([*call, "/dev/zero"]) == 2


# With a stack.


class FakeAccount:
    """What is not there, and what IAM says of roles; an error is raised."""

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.refused: Exception | None = None
        self.passable = True

    def there(self, resource: Resource) -> bool:
        return resource.name not in self.missing

    def may_pass(self, role_arn: str) -> bool:
        assert role_arn == ROLE
        if self.refused is not None:
            raise self.refused
        return self.passable


@pytest.fixture
def account() -> FakeAccount:
    """Give an account in which everything is there."""
    return FakeAccount()


@pytest.fixture
def served(world: World) -> World:
    """Give a stack in which all that the policy names is there and its model's."""
    world.sagemaker.serve(ENDPOINT, stories.OLD)
    world.alarms.states[ALARM] = "OK"
    return world


def checks(world: World, account: FakeAccount, **changes: Any) -> dict[str, Check]:
    """The checks of a policy by name."""
    body = json.dumps(stories.policy(**changes)).encode()
    assert isinstance(read_policy(body), dict)
    found = validate.checks_of(Given(FileKind.POLICY, "fraud.json", body, {}), world.ports, account)
    return {check.name: check for check in found}


def failing(found: dict[str, Check]) -> dict[str, str]:
    """Those that do not pass."""
    return {name: check.sentence for name, check in found.items() if check.outcome is not Outcome.PASSED}


def test_a_policy_of_which_everything_is_there_passes_every_check(served: World, account: FakeAccount) -> None:
    found = checks(served, account, promotion={**POLICY["promotion"], "monitoring_schedule": "fraud-monitor"})
    assert failing(found) == {}
    assert {name: check.sentence for name, check in found.items()} == {
        f"State machine {TRAINING}": "is there, and is fraud's to use.",
        f"Endpoint {ENDPOINT}": "is there, and is fraud's to use.",
        "Monitoring schedule fraud-monitor": "is there, and is fraud's to use.",
        "places of data and images": "all that the policy names lies where the model may take it from.",
        f"serving of {ENDPOINT}": f"InService with config {stories.OLD}.",
        "role of the champion's model": f"PromotionFunction may pass {ROLE} to SageMaker.",
        "promotion.alarms": f"all 1 are there: {ALARM} is OK.",
    }


JOB: Final = {
    "target": "training-job",
    "request": {
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5},
    },
}


@pytest.mark.parametrize(
    ("break_it", "changes", "name", "sentence"),
    [
        (
            lambda _, a: a.missing.add(TRAINING),
            {},
            f"State machine {TRAINING}",
            f"There is no State machine {TRAINING}.",
        ),
        (
            lambda _, a: a.missing.add("fraud-monitor"),
            {"promotion": {**POLICY["promotion"], "monitoring_schedule": "fraud-monitor"}},
            "Monitoring schedule fraud-monitor",
            "There is no Monitoring schedule fraud-monitor.",
        ),
        (
            lambda w, _: w.sagemaker.tags.update({f"{ENDPOINT_ARN}/{ENDPOINT}": {"retraining:model": "spam"}}),
            {},
            f"Endpoint {ENDPOINT}",
            "belongs to spam",
        ),
        (
            lambda w, _: w.sagemaker.endpoints.update({ENDPOINT: Endpoint(stories.OLD, status="Updating")}),
            {},
            f"serving of {ENDPOINT}",
            "is Updating, and only one that is InService is updated",
        ),
        (
            lambda w, _: w.sagemaker.models[stories.OLD]["PrimaryContainer"].update(Mode="MultiModel"),
            {},
            f"serving of {ENDPOINT}",
            "holds many models in one container",
        ),
        (lambda w, _: w.alarms.states.clear(), {}, "promotion.alarms", f"There is no alarm {ALARM}."),
        (
            lambda _, a: setattr(a, "passable", False),
            {},
            "role of the champion's model",
            "may not pass",
        ),
        (
            lambda _, a: setattr(a, "passable", False),
            {"training": JOB, "promotion": {"kind": "registry"}},
            "role of the training job",
            "name it as SageMakerExecutionRoleArn",
        ),
        (
            lambda *_: None,
            {"training": {"target": TRAINING, "input": {"image": "evil.example/x"}}},
            "places of data and images",
            "ImagePrefixes",
        ),
    ],
)
def test_what_is_missing_or_not_the_models_fails_its_check_and_no_other(
    break_it: Any, changes: dict[str, Any], name: str, sentence: str, served: World, account: FakeAccount
) -> None:
    break_it(served, account)
    found = failing(checks(served, account, **changes))
    assert list(found) == [name]
    assert sentence in found[name]


def test_an_endpoint_that_is_not_there_fails_each_check_that_needs_it(world: World, account: FakeAccount) -> None:
    world.alarms.states[ALARM] = "OK"
    account.missing.add(ENDPOINT)
    found = failing(checks(world, account))
    assert list(found) == [f"Endpoint {ENDPOINT}", f"serving of {ENDPOINT}", "role of the champion's model"]
    assert "create it first" in found[f"serving of {ENDPOINT}"]


def test_what_the_asker_may_not_look_at_is_not_known_and_never_passed(served: World, account: FakeAccount) -> None:
    account.refused = client_error("AccessDenied", "not authorized to perform: iam:SimulatePrincipalPolicy", "Simulate")
    found = checks(served, account)
    assert {name for name, check in found.items() if check.outcome is Outcome.UNKNOWN} == {
        "role of the champion's model"
    }
    told = found["role of the champion's model"].sentence
    assert told.startswith("not checked: You may not do iam:SimulatePrincipalPolicy")
    checked = validate.Checked(Path("fraud.json"), "policy", (), tuple(found.values()))
    assert checked.status == 3
    worse = Check("x", Outcome.FAILED, "no")
    assert validate.Checked(Path("fraud.json"), "policy", (), (*checked.checks, worse)).status == 1


def test_without_a_target_of_its_own_or_the_stacks_there_is_nothing_to_train_with(account: FakeAccount) -> None:
    found = checks(World(training_pipeline_arn=""), account, training={}, promotion={}, evaluation={"metric": "auc"})
    assert failing(found) == {
        "training target": "Neither the policy nor TrainingPipelineArn names one: signals are held."
    }


@pytest.mark.parametrize(
    ("content", "outcome", "sentence"),
    [
        (None, Outcome.PASSED, "none lies at"),
        (b"d\nYES\n", Outcome.PASSED, "says YES"),
        (b"d\nyess\n", Outcome.FAILED, "Write YES or NO"),
        ("forbidden", Outcome.UNKNOWN, "may not be read by you"),
    ],
)
def test_the_decision_file_of_the_default_model_is_read(
    content: Any, outcome: Outcome, sentence: str, account: FakeAccount
) -> None:
    world = World(default_model="fraud")
    world.sagemaker.serve(ENDPOINT, stories.OLD)
    uri = f"s3://{world.settings.decision_bucket}/{world.settings.decision_key}"
    if content == "forbidden":
        world.bucket.forbidden.add(uri)
    elif content:
        world.bucket.put(uri, content)
    found = checks(world, account)["decision file"]
    assert found.outcome is outcome
    assert sentence in found.sentence


@pytest.mark.parametrize(
    ("detail", "outcome", "sentence"),
    [
        (
            {"model": "fraud", "severity": "info"},
            Outcome.PASSED,
            "fraud is known; version v1 of its policy is in force",
        ),
        ({"endpoint": ENDPOINT, "severity": "info"}, Outcome.PASSED, "fraud is known"),
        ({"model": "spam", "severity": "info"}, Outcome.FAILED, "upload policies/spam.json"),
        ({"endpoint": "other", "severity": "info"}, Outcome.FAILED, "whose endpoint other is"),
        ({"model": "broken", "severity": "info"}, Outcome.FAILED, "The newest policy file of broken is not valid"),
        ({"model": "closed", "severity": "info"}, Outcome.UNKNOWN, "the policy of closed may not be read by you"),
    ],
)
def test_of_a_report_a_stack_is_asked_whether_it_knows_the_model(
    detail: dict[str, Any], outcome: Outcome, sentence: str, served: World, account: FakeAccount
) -> None:
    served.put("policies/fraud.json", POLICY)
    served.put("policies/broken.json", {"model": "broken"})
    served.bucket.forbidden.add(served.bucket.uri("policies/closed.json"))
    (found,) = validate.checks_of(Given(FileKind.DRIFT_REPORT, "r.json", b"", detail), served.ports, account)
    assert found.outcome is outcome
    assert sentence in found.sentence
