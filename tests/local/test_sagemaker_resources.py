"""Endpoints over time, model servers, the registry, pipelines and schedules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from orchestration.domain.copied_fields import CONFIG_FIELDS

if TYPE_CHECKING:
    from tests.local.conftest import Account

ROLE = "arn:aws:iam::000000000000:role/service-role"
INFERENCE = """
def model_fn(model_dir):
    return int(open(model_dir + "/factor.txt").read())

def predict_fn(data, model):
    return data * model
"""


def serve(account: Account, factor: int) -> str:
    """Create a model that multiplies, with its endpoint configuration, and give their name."""
    name = f"times-{factor}"
    url = account.put_archive(f"{name}.tar.gz", factor_dot_txt=str(factor), code__inference_dot_py=INFERENCE)
    account.sagemaker.create_model(
        ModelName=name, PrimaryContainer={"Image": "i", "ModelDataUrl": url}, ExecutionRoleArn=ROLE
    )
    account.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        ],
    )
    return name


def settled(account: Account) -> Any:
    return account.until(
        lambda: account.sagemaker.describe_endpoint(EndpointName="e"),
        lambda e: e["EndpointStatus"] in ("InService", "Failed"),
    )


def predicted(account: Account) -> Any:
    answer = account.aws.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="e", ContentType="text/csv", Body="1,2\n3,4"
    )
    return json.loads(answer["Body"].read())


@pytest.fixture
def endpoint(account: Account) -> str:
    """Give an endpoint in service that multiplies by one, and a configuration that multiplies by two."""
    account.sagemaker.create_endpoint(EndpointName="e", EndpointConfigName=serve(account, 1))
    serve(account, 2)
    settled(account)
    return "e"


def test_an_update_keeps_the_old_configuration_until_it_is_done(account: Account, endpoint: str) -> None:
    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="times-2")

    described = account.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("Updating", "times-1")
    pending = described["PendingDeploymentSummary"]
    assert (pending["EndpointConfigName"], pending["ProductionVariants"][0]["VariantName"]) == ("times-2", "AllTraffic")
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="times-2")
    done = settled(account)
    assert (done["EndpointConfigName"], "PendingDeploymentSummary" in done) == ("times-2", False)


def test_a_roll_back_names_the_old_configuration_and_no_candidate(account: Account, endpoint: str) -> None:
    account.aws.tell_endpoint(endpoint, "roll_back")
    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="times-2")

    described = account.until(
        lambda: account.sagemaker.describe_endpoint(EndpointName=endpoint),
        lambda e: e["EndpointStatus"] == "RollingBack",
    )
    done = settled(account)

    for found in (described, done):
        assert (found["EndpointConfigName"], "PendingDeploymentSummary" in found) == ("times-1", False)
        assert "rolled back" in found["FailureReason"]


def scaled(account: Account, endpoint: str, instances: int, weight: float) -> None:
    wish = {"VariantName": "AllTraffic", "DesiredInstanceCount": instances, "DesiredWeight": weight}
    account.sagemaker.update_endpoint_weights_and_capacities(EndpointName=endpoint, DesiredWeightsAndCapacities=[wish])
    settled(account)


def capacity(variant: dict[str, Any]) -> tuple[int, int, float, float]:
    return (
        variant["CurrentInstanceCount"],
        variant["DesiredInstanceCount"],
        variant["CurrentWeight"],
        variant["DesiredWeight"],
    )


def test_an_endpoint_that_scales_is_busy_with_no_deployment(account: Account, endpoint: str) -> None:
    wish = {"VariantName": "AllTraffic", "DesiredInstanceCount": 3}
    account.sagemaker.update_endpoint_weights_and_capacities(EndpointName=endpoint, DesiredWeightsAndCapacities=[wish])

    busy = account.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert (busy["EndpointStatus"], "PendingDeploymentSummary" in busy) == ("Updating", False)
    assert capacity(busy["ProductionVariants"][0]) == (1, 3, 1.0, 1.0)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="times-2")
    done = settled(account)
    assert (done["EndpointStatus"], done["EndpointConfigName"]) == ("InService", "times-1")
    assert capacity(done["ProductionVariants"][0]) == (3, 3, 1.0, 1.0)
    with pytest.raises(ClientError, match="Could not find variants"):
        account.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "none", "DesiredWeight": 1}]
        )


@pytest.mark.parametrize(
    ("retained", "expected"),
    [
        ({}, (1, 1, 1.0, 1.0)),
        ({"RetainAllVariantProperties": True}, (4, 4, 0.5, 0.5)),
        (
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
            },
            (4, 4, 1.0, 1.0),
        ),
    ],
)
def test_an_update_resets_the_capacity_unless_it_retains_it(
    account: Account, endpoint: str, retained: dict[str, Any], expected: tuple[int, int, float, float]
) -> None:
    scaled(account, endpoint, 4, 0.5)

    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="times-2", **retained)

    pending = account.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert capacity(pending["ProductionVariants"][0]) == (4, 4, 0.5, 0.5)
    assert capacity(pending["PendingDeploymentSummary"]["ProductionVariants"][0]) == expected
    assert capacity(settled(account)["ProductionVariants"][0]) == expected


def test_an_update_may_reuse_the_last_deployments_alarms(account: Account, endpoint: str) -> None:
    cloudwatch = account.aws.client("cloudwatch")
    cloudwatch.put_composite_alarm(AlarmName="any", AlarmRule="FALSE")
    traffic = {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}}
    deployment = {"BlueGreenUpdatePolicy": traffic, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "any"}]}}
    update = account.sagemaker.update_endpoint
    update(EndpointName=endpoint, EndpointConfigName="times-2", DeploymentConfig=deployment)
    settled(account)
    cloudwatch.set_alarm_state(AlarmName="any", StateValue="ALARM", StateReason="errors")

    update(EndpointName=endpoint, EndpointConfigName="times-1", RetainDeploymentConfig=True)

    assert settled(account)["EndpointConfigName"] == "times-2"


@pytest.mark.parametrize(
    "tags", [[{"Key": "team", "Value": "a"}, {"Key": "team", "Value": "b"}], [{"Key": "AWS:team", "Value": "a"}]]
)
def test_tags_are_unique_and_not_awss_own(account: Account, endpoint: str, tags: list[dict[str, str]]) -> None:
    sagemaker = account.sagemaker
    arn = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointArn"]
    url = account.put_archive("tagged.tar.gz", factor_dot_txt="1")
    model = {"PrimaryContainer": {"Image": "i", "ModelDataUrl": url}, "ExecutionRoleArn": ROLE}
    variant = {"VariantName": "A", "ModelName": "times-1", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    calls: list[Any] = [
        lambda: sagemaker.create_model(ModelName="m", Tags=tags, **model),
        lambda: sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant], Tags=tags),
        lambda: sagemaker.create_endpoint(EndpointName="f", EndpointConfigName="times-2", Tags=tags),
        lambda: sagemaker.create_training_job(**account.training_request("t", "", Tags=tags)),
        lambda: sagemaker.add_tags(ResourceArn=arn, Tags=tags),
    ]

    for call in calls:
        with pytest.raises(ClientError, match="Tag keys must") as refused:
            call()
        assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_configuration_and_a_model_are_described_with_every_field_they_were_given(account: Account) -> None:
    """A promotion copies them, so what is not described is lost where a story would show it kept."""
    name = serve(account, 3)
    variant = {"ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    network = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    run = {"ExecutionRoleArn": ROLE, "VpcConfig": network, "EnableNetworkIsolation": True}
    config: dict[str, Any] = {
        "EndpointConfigName": "every-field",
        "ProductionVariants": [{"VariantName": "A", **variant}],
        "ShadowProductionVariants": [{"VariantName": "B", **variant}],
        "DataCaptureConfig": {
            "EnableCapture": True,
            "InitialSamplingPercentage": 10,
            "DestinationS3Uri": "s3://data/capture",
            "CaptureOptions": [{"CaptureMode": "Input"}],
        },
        "KmsKeyId": "alias/endpoint",
        "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://data/out"}},
        "ExplainerConfig": {"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": "1,2"}}}},
        "MetricsConfig": {"EnableEnhancedMetrics": True},
        **run,
    }
    assert config.keys() == CONFIG_FIELDS.keys()
    account.sagemaker.create_endpoint_config(**config, Tags=[{"Key": "team", "Value": "a"}])
    described = account.sagemaker.describe_endpoint_config(EndpointConfigName="every-field")
    assert described.items() >= config.items()
    assert "Tags" not in described

    container = {"Image": "i", "Environment": {"A": "b"}, "ImageConfig": {"RepositoryAccessMode": "Vpc"}}
    account.sagemaker.create_model(ModelName="isolated", PrimaryContainer=container, **run)
    model = account.sagemaker.describe_model(ModelName="isolated")
    whole = {**container, "Mode": "SingleModel"}
    assert model.items() >= {"ModelName": "isolated", "PrimaryContainer": whole, **run}.items()


def test_a_model_is_described_with_what_is_meant_where_nobody_asked_for_it(account: Account) -> None:
    account.s3.put_object(Bucket="data", Key="model.tar.gz", Body=b"1")
    containers: Any = [
        {"Image": "i", "ModelDataUrl": "s3://data/model.tar.gz", "ContainerHostname": "first"},
        {"Image": "j", "ContainerHostname": "second"},
    ]
    account.sagemaker.create_model(ModelName="two", Containers=containers, ExecutionRoleArn=ROLE)
    model = account.sagemaker.describe_model(ModelName="two")
    source = {"S3Uri": "s3://data/model.tar.gz", "S3DataType": "S3Object", "CompressionType": "Gzip"}
    assert model["Containers"] == [
        {**containers[0], "Mode": "SingleModel", "ModelDataSource": {"S3DataSource": source}},
        {**containers[1], "Mode": "SingleModel"},
    ]
    assert (model["InferenceExecutionConfig"], model["EnableNetworkIsolation"]) == ({"Mode": "Serial"}, False)


def test_a_value_of_more_lines_is_refused_where_the_pattern_has_a_dot(account: Account) -> None:
    with pytest.raises(ClientError, match=r"regular expression pattern: \.\*"):
        account.sagemaker.create_training_job(**account.training_request("t", "", HyperParameters={"a": "b\n"}))


def test_the_endpoint_answers_with_the_model_it_holds(account: Account, endpoint: str) -> None:
    before = predicted(account)
    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="times-2")
    settled(account)

    assert (before, predicted(account)) == ([[1, 2], [3, 4]], [[2, 4], [6, 8]])


def test_what_serves_may_be_deleted_and_serves_on_but_cannot_be_gone_back_to(account: Account, endpoint: str) -> None:
    """AWS only warns: "You must not delete an EndpointConfig in use" (SageMaker API, DeleteEndpointConfig)."""
    sagemaker = account.sagemaker
    for _ in range(2):
        sagemaker.delete_endpoint_config(EndpointConfigName="times-1")
        sagemaker.delete_model(ModelName="times-1")
        assert predicted(account) == [[1, 2], [3, 4]]
        with pytest.raises(ClientError, match="Could not find"):
            sagemaker.describe_endpoint_config(EndpointConfigName="times-1")
        with pytest.raises(ClientError, match="Could not find"):
            sagemaker.delete_endpoint_config(EndpointConfigName="times-1")
        with pytest.raises(ClientError, match="Could not find"):
            sagemaker.delete_model(ModelName="times-1")
        with pytest.raises(ClientError, match="Could not find"):
            sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="times-1")
        assert sagemaker.list_endpoints()["Endpoints"][0]["EndpointName"] == endpoint
        # A name is free again, and what is made under it is new.
        serve(account, 1)
        arn = sagemaker.describe_model(ModelName="times-1")["ModelArn"]
        assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])


def test_status_events_shout(account: Account, endpoint: str) -> None:
    url = account.listen({"source": ["aws.sagemaker"], "detail-type": ["SageMaker Endpoint State Change"]})
    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="times-2")

    heard = [(e["detail"]["EndpointStatus"], e["detail"]["EndpointConfigName"]) for e in account.heard(url, 2)]

    assert heard == [("UPDATING", "times-1"), ("IN_SERVICE", "times-2")]


def test_an_update_can_be_made_to_roll_back(account: Account, endpoint: str) -> None:
    account.aws.tell_endpoint(endpoint, "roll_back")
    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="times-2")

    assert settled(account)["EndpointConfigName"] == "times-1"
    assert predicted(account) == [[1, 2], [3, 4]]


def test_an_update_can_be_made_to_fail(account: Account, endpoint: str) -> None:
    account.aws.tell_endpoint(endpoint, "fail")
    account.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="times-2")

    assert settled(account)["EndpointStatus"] == "Failed"


def test_an_alarm_of_the_deployment_rolls_it_back(account: Account, endpoint: str) -> None:
    cloudwatch = account.aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="fraud-5xx",
        Namespace="N",
        MetricName="M",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.set_alarm_state(AlarmName="fraud-5xx", StateValue="ALARM", StateReason="errors")
    traffic = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    account.sagemaker.update_endpoint(
        EndpointName=endpoint,
        EndpointConfigName="times-2",
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": traffic},
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "fraud-5xx"}]},
        },
    )

    assert settled(account)["EndpointConfigName"] == "times-1"


def test_unknown_and_taken_names_are_refused(account: Account, endpoint: str) -> None:
    sagemaker = account.sagemaker
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="none")
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName="times-2")
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        serve(account, 2)
    with pytest.raises(ClientError, match="Could not find model data"):
        sagemaker.create_model(
            ModelName="m", PrimaryContainer={"Image": "i", "ModelDataUrl": "s3://data/none"}, ExecutionRoleArn=ROLE
        )


def test_a_script_that_raises_is_a_model_error(account: Account, endpoint: str) -> None:
    runtime = account.aws.client("sagemaker-runtime")

    with pytest.raises(runtime.exceptions.ModelError):
        runtime.invoke_endpoint(EndpointName=endpoint, ContentType="image/png", Body=b"x")
    with pytest.raises(runtime.exceptions.ValidationError):
        runtime.invoke_endpoint(EndpointName="none", ContentType="text/csv", Body=b"1")


def test_an_approval_tells_itself_from_other_edits(account: Account) -> None:
    url = account.listen({"source": ["aws.sagemaker"], "detail-type": ["SageMaker Model Package State Change"]})
    account.sagemaker.create_model_package_group(ModelPackageGroupName="fraud")
    package = account.sagemaker.create_model_package(
        ModelPackageGroupName="fraud",
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [{"Image": "i", "ModelDataUrl": "s3://data/m.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    model: Any = {
        "ModelName": "of-package",
        "PrimaryContainer": {"ModelPackageName": package},
        "ExecutionRoleArn": ROLE,
    }
    with pytest.raises(ClientError, match="fraud/1 is PendingManualApproval, not Approved"):
        account.sagemaker.create_model(**model)
    account.sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")
    account.sagemaker.create_model(**model)

    _, approved = account.heard(url, 2)

    assert package.endswith(":model-package/fraud/1")
    assert approved["detail"]["UpdatedModelPackageFields"] == ["ModelApprovalStatus"]
    assert approved["detail"]["ModelApprovalStatus"] == "Approved"
    with pytest.raises(ClientError, match="ResourceNotFound"):
        account.sagemaker.create_model_package(ModelPackageGroupName="none")


def pipeline_definition(account: Account, script: str) -> str:
    request = account.training_request("unused", script)
    del request["TrainingJobName"]
    request["HyperParameters"]["depth"] = {"Get": "Parameters.Depth"}
    request["OutputDataConfig"] = {
        "S3OutputPath": {
            "Std:Join": {"On": "/", "Values": ["s3://data/runs", {"Get": "Execution.PipelineExecutionId"}]}
        }
    }
    evaluate = {
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
        },
        "RoleArn": ROLE,
        "AppSpecification": {
            "ImageUri": "i",
            "ContainerEntrypoint": ["python3", "-c", "import sys; assert sys.argv[1].endswith('model.tar.gz')"],
            "ContainerArguments": [{"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}],
        },
    }
    return json.dumps(
        {
            "Version": "2020-12-01",
            "Parameters": [{"Name": "Depth", "Type": "String", "DefaultValue": "1"}],
            "Steps": [
                {"Name": "Evaluate", "Type": "Processing", "Arguments": evaluate},
                {"Name": "Train", "Type": "Training", "Arguments": request},
            ],
        }
    )


def start_pipeline(account: Account, script: str, **more: Any) -> str:
    account.sagemaker.create_pipeline(
        PipelineName="p",
        PipelineDefinition=pipeline_definition(account, script),
        RoleArn=ROLE,
        ClientRequestToken="c" * 32,
    )
    answer = account.sagemaker.start_pipeline_execution(PipelineName="p", ClientRequestToken="t" * 32, **more)
    return str(answer["PipelineExecutionArn"])


def finished(account: Account, execution: str) -> Any:
    return account.until(
        lambda: account.sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution),
        lambda e: e["PipelineExecutionStatus"] in ("Succeeded", "Failed", "Stopped"),
    )


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ({}, "Failed"),
        ({"FailOnViolation": False}, "Succeeded"),
        ({"SkipCheck": {"Get": "Parameters.Skip"}}, "Succeeded"),
    ],
)
@pytest.mark.parametrize("kind", ["QualityCheck", "ClarifyCheck"])
def test_a_check_step_lists_its_job_and_fails_by_what_it_found(
    kind: str, step: dict[str, Any], status: str, account: Account
) -> None:
    write = "import os, pathlib; pathlib.Path(os.environ['OPT_ML'], 'output/message').write_text('CompletedWithViolations: 1')"
    arguments = {
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
        },
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": "i", "ContainerEntrypoint": ["python3", "-c", write]},
    }
    definition = {
        "Version": "2020-12-01",
        "Parameters": [{"Name": "Skip", "Type": "Boolean", "DefaultValue": True}],
        "Steps": [{"Name": "Check", "Type": kind, "CheckType": "DATA_QUALITY", "Arguments": arguments, **step}],
    }
    sagemaker = account.sagemaker
    sagemaker.create_pipeline(
        PipelineName="p", PipelineDefinition=json.dumps(definition), RoleArn=ROLE, ClientRequestToken="c" * 32
    )
    execution = sagemaker.start_pipeline_execution(PipelineName="p", ClientRequestToken="t" * 32)[
        "PipelineExecutionArn"
    ]

    assert finished(account, execution)["PipelineExecutionStatus"] == status
    (shown,) = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
    check = shown["Metadata"][kind]
    assert (check["CheckType"], check.get("SkipCheck", False)) == ("DATA_QUALITY", "SkipCheck" in step)
    job = check["CheckJobArn"]
    assert {"Key": "sagemaker:pipeline-execution-arn", "Value": execution} in sagemaker.list_tags(ResourceArn=job)[
        "Tags"
    ]


def test_a_pipeline_runs_its_steps_in_the_order_of_their_references(account: Account) -> None:
    url = account.listen({"detail-type": ["SageMaker Model Building Pipeline Execution Status Change"]})
    script = "import sys\nassert sys.argv[1:] == ['--depth', '7'], sys.argv\n"
    execution = start_pipeline(account, script, PipelineParameters=[{"Name": "Depth", "Value": "7"}])

    ended = finished(account, execution)

    assert ended["PipelineExecutionStatus"] == "Succeeded", ended.get("FailureReason")
    steps = account.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution, SortOrder="Ascending")
    assert [step["StepName"] for step in steps["PipelineExecutionSteps"]] == ["Train", "Evaluate"]
    last = account.heard(url, 2)[-1]["detail"]
    assert (last["previousPipelineExecutionStatus"], last["currentPipelineExecutionStatus"]) == (
        "Executing",
        "Succeeded",
    )


def test_a_failed_step_fails_the_pipeline(account: Account) -> None:
    ended = finished(account, start_pipeline(account, "raise SystemExit(2)\n"))

    assert ended["PipelineExecutionStatus"] == "Failed"
    assert "Train: AlgorithmError" in ended["FailureReason"]


def test_a_pipeline_can_be_stopped_and_a_token_starts_it_once(account: Account) -> None:
    execution = start_pipeline(account, "import time\ntime.sleep(60)\n")
    again = account.sagemaker.start_pipeline_execution(PipelineName="p", ClientRequestToken="t" * 32)
    assert again["PipelineExecutionArn"] == execution

    account.sagemaker.stop_pipeline_execution(PipelineExecutionArn=execution, ClientRequestToken="s" * 32)

    assert finished(account, execution)["PipelineExecutionStatus"] == "Stopped"


def test_unknown_pipeline_parameters_are_refused(account: Account) -> None:
    with pytest.raises(ClientError, match="Width"):
        start_pipeline(account, "", PipelineParameters=[{"Name": "Width", "Value": "7"}])


def test_a_schedule_can_be_given_a_new_baseline(account: Account) -> None:
    def config(uri: str) -> dict[str, Any]:
        return {
            "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
            "MonitoringJobDefinition": {
                "BaselineConfig": {"ConstraintsResource": {"S3Uri": uri}},
                "MonitoringInputs": [
                    {"EndpointInput": {"EndpointName": "fraud", "LocalPath": "/opt/ml/processing/input"}}
                ],
                "MonitoringOutputConfig": {
                    "MonitoringOutputs": [
                        {"S3Output": {"S3Uri": "s3://data/o", "LocalPath": "/opt/ml/processing/output"}}
                    ]
                },
                "MonitoringResources": {
                    "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
                },
                "MonitoringAppSpecification": {"ImageUri": "i"},
                "RoleArn": ROLE,
            },
        }

    sagemaker = account.sagemaker
    sagemaker.create_monitoring_schedule(MonitoringScheduleName="s", MonitoringScheduleConfig=config("s3://data/1"))
    sagemaker.update_monitoring_schedule(MonitoringScheduleName="s", MonitoringScheduleConfig=config("s3://data/2"))

    described = sagemaker.describe_monitoring_schedule(MonitoringScheduleName="s")

    definition = described["MonitoringScheduleConfig"]["MonitoringJobDefinition"]
    assert definition["BaselineConfig"]["ConstraintsResource"]["S3Uri"] == "s3://data/2"
    assert described["EndpointName"] == "fraud"
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_monitoring_schedule(MonitoringScheduleName="none")


def test_a_package_group_goes_once_its_versions_are_gone(account: Account) -> None:
    sagemaker, name = account.sagemaker, {"ModelPackageGroupName": "short-lived"}
    sagemaker.create_model_package_group(**name)
    version = sagemaker.create_model_package(
        **name,
        InferenceSpecification={
            "Containers": [{"Image": "i", "ModelDataUrl": "s3://data/m.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]

    with pytest.raises(ClientError, match="ConflictException"):
        sagemaker.delete_model_package_group(**name)
    sagemaker.delete_model_package(ModelPackageName=version)
    sagemaker.delete_model_package_group(**name)

    assert sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"] == []
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.delete_model_package_group(**name)
    sagemaker.create_model_package_group(**name)
    assert len(sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]) == 1
