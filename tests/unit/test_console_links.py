"""Addresses of the console: one domain for each partition, everything foreign encoded."""

from __future__ import annotations

import pytest

from orchestration.domain.console_links import Console

ARN = "arn:{}:states:{}:111122223333:execution:stack-retraining:run-1"


@pytest.mark.parametrize(
    ("partition", "region", "domain"),
    [
        ("aws", "eu-west-1", "console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "console.amazonaws-us-gov.com"),
    ],
)
def test_each_partition_has_its_own_console(partition: str, region: str, domain: str) -> None:
    arn = ARN.format(partition, region)
    console = Console.of(arn)

    assert console.execution(arn) == f"https://{domain}/states/home?region={region}#/v2/executions/details/{arn}"
    assert console.training_job("job-1") == f"https://{domain}/sagemaker/home?region={region}#/jobs/job-1"
    assert console.endpoint("fraud-prod") == f"https://{domain}/sagemaker/home?region={region}#/endpoints/fraud-prod"
    assert console.s3_object("b", "k/l.json") == f"https://{domain}/s3/object/b?region={region}&prefix=k%2Fl.json"
    assert (
        console.quick_create("a=b") == f"https://{domain}/cloudformation/home?region={region}#/stacks/quickcreate?a=b"
    )


def test_a_partition_whose_console_nobody_knows_has_no_links() -> None:
    console = Console.of(ARN.format("aws-other", "xx-east-1"))

    assert console.execution(ARN) is None
    assert console.training_job("job") is None
    assert console.endpoint("endpoint") is None
    assert console.s3_object("b", "k") is None


@pytest.mark.parametrize("arn", ["", "nothing", "arn:aws", "arn:aws:states"])
def test_what_is_no_arn_has_no_region(arn: str) -> None:
    assert Console.of(arn).region == ""
    assert Console.of("").execution("x") is None


def test_a_name_that_utf_8_does_not_write_hinders_no_page() -> None:
    assert str(Console("aws", "eu-west-1").endpoint("a\ud800")).endswith("/endpoints/a%3F")


def test_a_name_cannot_leave_its_place_in_an_address() -> None:
    console = Console("aws", "eu-west-1")
    evil = "a/../b?c#d&e=f g\n\"'<>"

    for address in (console.training_job(evil), console.endpoint(evil), console.s3_object("b", evil)):
        assert address is not None
        assert not set(address.rsplit("b?c", 1)[-1]) & set(" \n\"'<>")
        assert address.count("#") <= 1
        assert address.count("?") == 1
    assert str(console.execution("arn:aws:states:eu-west-1:1:execution:m:a#b c")).endswith(":a%23b%20c")
