"""AWS has no room for a training at first, does not find what was just made, throttles; the model is promoted all the same."""

from __future__ import annotations

from tests.stack.loop import Loop
from tests.stack.moments import serving
from tests.stack.teams import TRAIN, job_request, new_run

LIMIT = (
    "The account-level service limit 'ml.m5.large for training job usage' is 0 Instances, with current utilization of 0 "
    "Instances and a request delta of 1 Instances."
)
NO_INSTANCES = "Unable to provision requested ML compute capacity. Please retry using a different ML instance type."


def test_a_training_that_meets_a_quota_and_then_no_instances_trains_and_is_promoted(loop: Loop) -> None:
    model = loop.model(policy={"training": {"target": "training-job", "request": job_request(loop, TRAIN)}})
    name, first = new_run(loop, model)
    sagemaker = loop.aws.client("sagemaker")
    loop.aws.fail_next(
        "sagemaker", "CreateTrainingJob", code="ResourceLimitExceeded", message=LIMIT, times=2, matching=model
    )
    loop.aws.fail_next("sagemaker", "ProvisionInstances", code="CapacityError", message=NO_INSTANCES, matching=first)
    # The SDK tries a few times itself before the hand hears of a throttled call.
    loop.aws.fail_next("sagemaker", "CreateModel", code="ThrottlingException", times=4, matching=model)
    for action in ("CreateEndpointConfig", "UpdateEndpoint"):
        missing = f'Could not find what "{model}" was given a moment ago.'
        loop.aws.fail_next("sagemaker", action, code="ValidationException", message=missing, matching=model)

    ended = loop.ended(loop.start(loop.drift(model), name=name))

    assert ended.output["outcome"] == "PROMOTED", ended
    assert loop.aws.faults_left() == []
    assert loop.statuses(name).count("TRAINING_WAITING") == 1
    jobs = sagemaker.list_training_jobs(SortBy="CreationTime", SortOrder="Ascending")["TrainingJobSummaries"]
    mine = [
        sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
        for job in jobs
        if model in str(sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"])
    ]
    assert [job["TrainingJobStatus"] for job in mine] == ["Failed", "Completed"]
    assert mine[0]["TrainingJobName"] == first
    assert mine[0]["FailureReason"] == f"CapacityError: {NO_INSTANCES}"
    assert serving(loop, model) != f"{model}-first"
