"""What SageMaker would not take of a policy is found in the file, with its path, before anything is trained for it."""

from __future__ import annotations

import difflib
import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any, Final

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from ops import cli
from ops.service_shapes import PARTS, ShapeError, _kept, _reached, python_pattern
from orchestration.actions.admit import admit
from orchestration.domain.policy import TargetKind, Training, parse_policy, validate_policy
from orchestration.domain.service_shapes import part_findings
from orchestration.domain.training_target import target_request
from tests.unit import stories
from tests.unit.fakes import SETTINGS, World, drift, request

JOB: Final[dict[str, Any]] = {
    "RoleArn": "arn:aws:iam::111122223333:role/training",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5},
}
PIPELINE: Final = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/fraud"
SERVED: Final = {"endpoint": "fraud-prod", "bake_minutes": 30}
ROLLING: Final = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 0}
KNOWS: Final = f"botocore {botocore.__version__} knows "

GROUPS: Final = [{"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": "a"}]
TAG: Final = {"Key": "team", "Value": "fraud"}


def of_job(**changes: Any) -> dict[str, Any]:
    return stories.policy(training={"target": "training-job", "request": {**JOB, **changes}})


def of_resources(**changes: Any) -> dict[str, Any]:
    return of_job(ResourceConfig={**JOB["ResourceConfig"], **changes})


def of_parameters(target: str, **parameters: str) -> dict[str, Any]:
    request = {"request": JOB} if target == "training-job" else {}
    return stories.policy(training={"target": target, "parameters": parameters, **request})


def of_deployment(**deployment: Any) -> dict[str, Any]:
    return stories.policy(promotion={**SERVED, "deployment": deployment})


REFUSED: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "a number below the range": (
        of_resources(InstanceCount=-1),
        "$.training.request.ResourceConfig.InstanceCount: is -1; SageMaker takes 0 or more.",
    ),
    "a number above the range": (
        of_resources(KeepAlivePeriodInSeconds=21601),
        "$.training.request.ResourceConfig.KeepAlivePeriodInSeconds: is 21601; SageMaker takes 21600 at most.",
    ),
    "a number of more than 32 bits": (
        of_resources(InstanceCount=2**31),
        "$.training.request.ResourceConfig.InstanceCount: is 2147483648; SageMaker takes 2147483647 at most.",
    ),
    "a text for a seed": (
        of_job(InputDataConfig=[{"ChannelName": "a", "DataSource": {}, "ShuffleConfig": {"Seed": "1"}}]),
        '$.training.request.InputDataConfig[0].ShuffleConfig.Seed: is "1"; SageMaker takes a whole number.',
    ),
    "a text for a number": (
        of_resources(InstanceCount="2"),
        '$.training.request.ResourceConfig.InstanceCount: is "2"; SageMaker takes a whole number.',
    ),
    "half an instance": (
        of_resources(InstanceCount=1.5),
        "$.training.request.ResourceConfig.InstanceCount: is 1.5; SageMaker takes a whole number.",
    ),
    "true for a number": (
        of_resources(InstanceCount=True),
        "$.training.request.ResourceConfig.InstanceCount: is true; SageMaker takes a whole number.",
    ),
    "a number for true": (
        of_job(EnableNetworkIsolation=1),
        "$.training.request.EnableNetworkIsolation: is 1; SageMaker takes true or false.",
    ),
    "nothing at all": (of_job(Environment=None), "$.training.request.Environment: is null; SageMaker takes an object."),
    "an array for an object": (
        of_job(ResourceConfig=[]),
        "$.training.request.ResourceConfig: is an array; SageMaker takes an object.",
    ),
    "an object for an array": (
        of_job(InputDataConfig={}),
        "$.training.request.InputDataConfig: is an object; SageMaker takes an array.",
    ),
    "a number for a text in a map": (
        of_job(HyperParameters={"epochs": 3}),
        "$.training.request.HyperParameters.epochs: is 3; SageMaker takes a text.",
    ),
    "a misspelt value": (
        of_resources(InstanceType="ml.m5.lrage"),
        (
            '$.training.request.ResourceConfig.InstanceType: is "ml.m5.lrage", which SageMaker does not take there; '
            f"{KNOWS}ml.m5.large, "
        ),
    ),
    "a value in another language": (
        of_resources(InstanceType="größer"),
        '$.training.request.ResourceConfig.InstanceType: is "größer", which SageMaker does not take there; ',
    ),
    "a value of few": (
        of_job(AlgorithmSpecification={"TrainingInputMode": "Files"}),
        (
            '$.training.request.AlgorithmSpecification.TrainingInputMode: is "Files", which SageMaker does not take there; '
            f"{KNOWS}File, FastFile, Pipe."
        ),
    ),
    "a misspelt field": (
        of_job(Enviroment={}),
        f"$.training.request.Enviroment: is no field that SageMaker takes there; {KNOWS}Environment, ",
    ),
    "a misspelt field further down": (
        of_resources(Count=1),
        f"$.training.request.ResourceConfig.Count: is no field that SageMaker takes there; {KNOWS}InstanceCount, ",
    ),
    "a field that is needed": (
        of_job(AlgorithmSpecification={}),
        "$.training.request.AlgorithmSpecification.TrainingInputMode: is missing; SageMaker needs it.",
    ),
    "a text that is too short": (
        of_job(RoleArn="x"),
        "$.training.request.RoleArn: has 1 character; SageMaker takes 20 or more.",
    ),
    "a text that is too long": (
        of_job(Environment={"A": "x" * 513}),
        "$.training.request.Environment.A: has 513 characters; SageMaker takes 512 at most.",
    ),
    "a text of another form": (
        of_job(RoleArn="role of our team, for training"),
        "$.training.request.RoleArn: is not of the form that SageMaker takes, arn:aws",
    ),
    "a text whose beginning has the form": (
        of_job(ExperimentConfig={"ExperimentName": "my_experiment"}),
        "$.training.request.ExperimentConfig.ExperimentName: is not of the form that SageMaker takes, [a-zA-Z0-9]",
    ),
    "a name of another form": (
        of_job(Environment={"1A": ""}),
        "$.training.request.Environment.1A: has a name that is not of the form that SageMaker takes, [a-zA-Z_]",
    ),
    "too many members of a map": (
        of_job(Environment={f"A{number}": "" for number in range(101)}),
        "$.training.request.Environment: has 101 members; SageMaker takes 100 at most.",
    ),
    "too few of a list": (
        of_job(VpcConfig={"SecurityGroupIds": [], "Subnets": ["subnet-1"]}),
        "$.training.request.VpcConfig.SecurityGroupIds: has 0 members; SageMaker takes 1 or more.",
    ),
    "a name for the job": (
        of_job(TrainingJobName="my_job"),  # which SageMaker would not take either, but that is not told
        "$.training.request.TrainingJobName: is the loop's to say: leave it out",
    ),
    "a place for the model": (
        of_job(OutputDataConfig={"S3OutputPath": "mine/out"}),
        "$.training.request.OutputDataConfig.S3OutputPath: is the loop's to say: leave it out",
    ),
    "a text for where the model goes": (
        of_job(OutputDataConfig="s3://mine/out"),
        '$.training.request.OutputDataConfig: is "s3://mine/out"; SageMaker takes an object.',
    ),
    "a misspelt way of writing the model": (
        of_job(OutputDataConfig={"CompressionType": "ZIP"}),
        (
            '$.training.request.OutputDataConfig.CompressionType: is "ZIP", which SageMaker does not take there; '
            f"{KNOWS}GZIP, NONE."
        ),
    ),
    "a tag of the loop's": (
        of_job(Tags=[TAG, {"Key": "retraining:model", "Value": "spam"}]),
        "$.training.request.Tags[1].Key: is retraining:model, a tag that is the loop's to set: leave it out.",
    ),
    "the loop's other tag": (
        of_job(Tags=[{"Key": "retraining:run", "Value": "1"}]),
        "$.training.request.Tags[0].Key: is retraining:run, a tag",
    ),
    "a tag that is none": (of_job(Tags=["team"]), '$.training.request.Tags[0]: is "team"; SageMaker takes an object.'),
    "a tag whose key is an object": (
        of_job(Tags=[{"Key": {}, "Value": ""}]),
        "$.training.request.Tags[0].Key: is an object; SageMaker takes a text.",
    ),
    "a tag of signs that no tag has": (
        of_job(Tags=[{"Key": "team?", "Value": ""}]),
        "$.training.request.Tags[0].Key: is not of the form that SageMaker takes, ([\\w ",
    ),
    "tags that leave none for the loop": (
        of_job(Tags=[{"Key": f"a{number}", "Value": ""} for number in range(49)]),
        "$.training.request.Tags with the loop's own two: has 51 members; SageMaker takes 50 at most.",
    ),
    "a hyperparameter of a long name": (
        of_parameters("training-job", **{"a" * 257: "1"}),
        f"$.training.parameters.{'a' * 178}: has a name that has 257 characters; SageMaker takes 256 at most.",
    ),
    "hyperparameters that are too many together": (
        stories.policy(
            training={
                "target": "training-job",
                "parameters": {f"a{number}": "" for number in range(51)},
                "request": {**JOB, "HyperParameters": {f"b{number}": "" for number in range(50)}},
            }
        ),
        "$.training.request.HyperParameters with training.parameters: has 101 members; SageMaker takes 100 at most.",
    ),
    "a parameter of a pipeline with a dot": (
        of_parameters(PIPELINE, **{"a.b": "1"}),
        "$.training.parameters.a.b: has a name that is not of the form that SageMaker takes, [A-Za-z0-9\\-_]*.",
    ),
    "parameters of a pipeline that are too many": (
        of_parameters(PIPELINE, **{f"a{number}": "" for number in range(201)}),
        "$.training.parameters: has 201 members; SageMaker takes 200 at most.",
    ),
    "a misspelt deployment": (
        of_deployment(RollingUpdatePolicy={**ROLLING, "WaitInterval": 5}),
        (
            "$.promotion.deployment.RollingUpdatePolicy.WaitInterval: is no field that SageMaker takes there; "
            f"{KNOWS}WaitIntervalInSeconds, "
        ),
    ),
    "half a deployment": (
        of_deployment(BlueGreenUpdatePolicy={}),
        "$.promotion.deployment.BlueGreenUpdatePolicy.TrafficRoutingConfiguration: is missing; SageMaker needs it.",
    ),
    "an alarm without a name": (
        of_deployment(AutoRollbackConfiguration={"Alarms": [{"AlarmName": " "}]}),
        "$.promotion.deployment.AutoRollbackConfiguration.Alarms[0].AlarmName: is not of the form that SageMaker takes",
    ),
}

TAKEN: Final[dict[str, dict[str, Any]]] = {
    "a training job": of_job(),
    "no instances, but groups of them": of_job(ResourceConfig={"InstanceCount": 0, "InstanceGroups": GROUPS}),
    "the least and the most": of_resources(InstanceCount=2**31 - 1, KeepAlivePeriodInSeconds=21600, VolumeSizeInGB=0),
    "true": of_job(EnableNetworkIsolation=True, EnableManagedSpotTraining=False),
    "seeds of more than 32 bits": of_job(
        InputDataConfig=[
            {"ChannelName": "a", "DataSource": {}, "ShuffleConfig": {"Seed": seed}} for seed in (-(2**40), 2**40)
        ]
    ),
    "a key for what is written": of_job(OutputDataConfig={"KmsKeyId": "alias/training"}),
    "texts of any signs": of_job(
        Environment={"A": "x" * 512, "B": "one\ntwo"}, Tags=[{"Key": "équipe 1", "Value": ""}]
    ),
    "tags beside the loop's": of_job(Tags=[{"Key": f"a{number}", "Value": ""} for number in range(48)]),
    "hyperparameters of two places": stories.policy(
        training={
            "target": "training-job",
            "parameters": {f"a{number}": "output_uri" for number in range(51)},
            "request": {**JOB, "HyperParameters": {f"a{number}": "" for number in range(100)}},
        }
    ),
    "parameters of a pipeline": of_parameters(
        PIPELINE, **{"Out-1_x": "output_uri", **{f"a{n}": "" for n in range(199)}}
    ),
    "parameters that no request has": of_parameters(stories.POLICY["training"]["target"], **{"a.b": "1"}),
    "a rolling deployment": of_deployment(RollingUpdatePolicy=ROLLING),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_sagemaker_would_not_take_is_found_in_the_file_with_its_path(what: str) -> None:
    document, said = REFUSED[what]
    findings = validate_policy(document)
    assert len(findings) == 1, findings
    assert findings[0].startswith(said)


@pytest.mark.parametrize("what", TAKEN)
def test_what_sagemaker_takes_is_taken(what: str) -> None:
    assert validate_policy(TAKEN[what]) == ()


@pytest.mark.parametrize("what", [what for what in TAKEN if "training-job" in TAKEN[what]["training"].values()])
def test_a_policy_that_is_taken_makes_a_request_that_is_legal_by_sagemakers_model(what: str) -> None:
    policy = parse_policy("fraud", json.dumps(TAKEN[what]).encode(), version="v1", settings=SETTINGS)
    given = {"idempotency_token": "1" * 64, "output_uri": "s3://automation/runs/fraud/run-1/"}
    request = target_request(policy.training, given, {"retraining:model": "fraud", "retraining:run": "run-1"})
    service = botocore.session.get_session().get_service_model("sagemaker")
    shape = service.operation_model("CreateTrainingJob").input_shape
    assert shape is not None
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    assert [*part_findings("CreateTrainingJob", request, "")] == []


def test_what_a_policy_may_not_say_of_a_job_is_what_the_loop_says() -> None:
    asked = {"TrainingJobName": "mine", "OutputDataConfig": {"S3OutputPath": "s3://mine/out"}, "Tags": []}
    given = {"idempotency_token": "1" * 64, "output_uri": "s3://automation/runs/fraud/run-1/"}
    training = Training(TargetKind.TRAINING_JOB, "training-job", request=asked)
    request = target_request(training, given, {"retraining:model": "fraud", "retraining:run": "run-1"})
    assert request["TrainingJobName"].startswith("retraining-")
    assert request["OutputDataConfig"] == {"S3OutputPath": given["output_uri"]}
    assert len(request["Tags"]) == 2
    assert all(validate_policy(of_job(**{name: asked[name]})) for name in ("TrainingJobName", "OutputDataConfig"))


def test_a_file_is_told_of_ten_faults_at_once_and_of_no_more() -> None:
    document = of_job(**{f"A{number}": 1 for number in range(30)})
    findings = validate_policy(document)
    assert [finding.partition(":")[0] for finding in findings] == [f"$.training.request.A{n}" for n in range(10)]


def test_thousands_of_faults_cost_no_more_than_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing names is what takes long: 30 fields for each that is unknown."""
    compared: list[str] = []

    def compare(name: str, *_: Any) -> list[str]:
        compared.append(name)
        return []

    monkeypatch.setattr(difflib, "get_close_matches", compare)
    assert len(validate_policy(of_job(**{f"A{number}": 1 for number in range(3000)}))) == 10
    assert len(compared) == 10


def test_faults_of_every_part_are_told_at_once() -> None:
    document = of_job(Enviroment={}, RoleArn="x")
    document["training"]["parameters"] = {"a" * 257: ""}
    document["promotion"] = {**SERVED, "deployment": {"Colour": "blue"}}
    assert [finding.partition(": ")[0].rpartition(".")[2][:10] for finding in validate_policy(document)] == [
        "RoleArn",
        "Enviroment",
        "aaaaaaaaaa",
        "Colour",
    ]


def test_a_large_value_is_told_of_in_part() -> None:
    (finding,) = validate_policy(of_resources(InstanceType="x" * 5000))
    assert finding.startswith(f'$.training.request.ResourceConfig.InstanceType: is "{"x" * 59}, which')
    assert len(finding) < 600
    (finding,) = validate_policy(of_resources(InstanceCount={"secret": "x"}))
    assert finding == "$.training.request.ResourceConfig.InstanceCount: is an object; SageMaker takes a whole number."


def test_names_that_would_be_right_are_told_nearest_first_with_how_many_more_there_are() -> None:
    (finding,) = validate_policy(of_resources(instancetype="ml.m5.large"))
    assert finding.endswith(
        f"{KNOWS}InstanceType, InstanceCount, SelectedInstanceType, InstanceGroups, InstancePlacementConfig, "
        "InstancePreferences and 5 more."
    ), finding


def test_validate_refuses_what_a_signal_would_be_refused_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fraud.json"
    path.write_text(json.dumps(of_resources(InstanceCount=-1)))
    assert cli.main(["validate", str(path)]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "$.training.request.ResourceConfig.InstanceCount: is -1; SageMaker takes 0 or more." in printed


def test_a_signal_is_decided_by_the_last_good_policy_and_people_are_told_once(world: World) -> None:
    world.put("policies/fraud.json", stories.policy(promotion={"kind": "none"}))
    admit(request(drift(model="fraud", observed=0.1, dedupe_key="a"), "run-1"), world.ports)
    world.put("policies/fraud.json", of_resources(InstanceCount=-1))
    for run in ("run-2", "run-3"):
        answer = admit(request(drift(model="fraud", dedupe_key=run), run), world.ports)
        assert answer["decision"] != "HOLD"
    guards = {guard["guard"]: guard for guard in world.chain("fraud")[1]["guards"]}
    assert guards["policy"]["reason"] == "LAST_GOOD_POLICY"
    assert "InstanceCount: is -1; SageMaker takes 0 or more." in guards["policy"]["sentence"]
    (told,) = world.told("POLICY_INVALID")
    assert "InstanceCount: is -1; SageMaker takes 0 or more." in told.sentence


def test_a_signal_is_held_when_there_never_was_a_policy_that_sagemaker_takes(world: World) -> None:
    world.put("policies/fraud.json", of_resources(InstanceCount=-1))
    answer = admit(request(drift(model="fraud")), world.ports)
    assert answer["decision"] == "HOLD"
    assert "InstanceCount: is -1; SageMaker takes 0 or more." in answer["output"]["reason"]


# The data file.


def test_a_start_reads_no_shapes_and_the_first_request_does() -> None:
    script = (
        "import orchestration.handler, sys\n"
        "from orchestration.domain import service_shapes as shapes\n"
        "assert shapes._model.cache_info().currsize == 0\n"
        "assert 'difflib' not in sys.modules\n"
        "list(shapes.part_findings('UpdateEndpoint.DeploymentConfig', {}, '$'))\n"
        "assert shapes._model.cache_info().currsize == 1\n"
        "list(shapes.part_findings('UpdateEndpoint.DeploymentConfig', {}, '$'))\n"
        "assert shapes._model.cache_info().misses == 1\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2] / "src")  # noqa: S603 - itself


@pytest.mark.parametrize(
    ("java", "legal", "illegal"),
    [
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "équipe ½_Ⅷ\u2003a", "a?b"),
        (r"arn:[\p{Alnum}\-]+", "arn:aws-cn", "arn:é"),
        (r"\d{12}", "111122223333", "11112222333٣"),
        (".*", "x", "a\nb"),
    ],
)
def test_an_expression_of_the_model_takes_in_python_what_it_takes_in_java(java: str, legal: str, illegal: str) -> None:
    pattern = re.compile(python_pattern(java))
    assert pattern.fullmatch(legal)
    assert not pattern.fullmatch(illegal)


def test_a_tag_may_have_every_letter_number_and_separator_and_no_other_sign_but_those_named() -> None:
    pattern = re.compile(python_pattern(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"))
    wrong = [
        character
        for character in map(chr, range(0x30000))
        if bool(pattern.fullmatch(character))
        != (unicodedata.category(character)[0] in "LZN" or character in "_.:/=+-@")
    ]
    assert wrong == []


def test_an_expression_that_python_has_not_is_not_generated() -> None:
    with pytest.raises(ShapeError, match=r"\\p\{Lu\}\*: bad escape"):
        python_pattern(r"\p{Lu}*")


def test_a_shape_that_cannot_be_checked_is_not_generated() -> None:
    with pytest.raises(ShapeError, match="When is a timestamp"):
        _kept("When", {"When": {"type": "timestamp"}})
    with pytest.raises(ShapeError, match="Tree holds itself"):
        list(_reached("Tree", {"Tree": {"type": "list", "member": {"shape": "Tree"}}}))


# Any value.

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150)
@given(st.sampled_from(PARTS), st.sampled_from([None, *JOB]), json_values)
def test_every_value_is_taken_or_has_findings_with_its_path(part: str, member: str | None, value: Any) -> None:
    given = value if member is None else {**JOB, member: value}
    for path, rule in part_findings(part, given, "$"):
        assert path.startswith("$")
        assert rule
