"""The package answers under AWS's own runtime client, with only Lambda's libraries beside it."""

from __future__ import annotations

import dataclasses
import json
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from ops import package_zip
from orchestration.settings import ApprovalSettings, Settings

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform != "linux":
    pytest.skip("Lambda's runtime client has wheels for Linux only", allow_module_level=True)

from tests.contract.lambda_runtime import LambdaRuntime
from tests.contract.template import Template


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real package, built and unpacked once, so that only its first start compiles it."""
    folder = tmp_path_factory.mktemp("package")
    with zipfile.ZipFile(package_zip.build(folder / "orchestration.zip")) as archive:
        archive.extractall(folder / "task")
    return folder / "task"


@pytest.fixture
def tiny_zip(tmp_path: Path) -> Path:
    """Return a package with handlers that show the ways an invocation can end."""
    code = """
import json, logging, os, sys, time

def echo(event, context):
    logging.getLogger("tiny").warning("seen", extra={"run_id": event["run_id"]})
    return {"event": event, "name": os.environ["NAME"], "left": context.get_remaining_time_in_millis()}

def sdk(event, context):
    import boto3
    return sorted({name.split(".")[0] for name in sys.modules} & {"boto3", "botocore", "moto", "ministack"})

def importable(event, context):
    import importlib.util
    return [name for name in event if importlib.util.find_spec(name)]

def fail(event, context):
    raise LookupError("no such model")

def leave(event, context):
    os._exit(3)

def sleep(event, context):
    time.sleep(60)
"""
    path = tmp_path / "tiny.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny.py", code)
        archive.writestr("hungry.py", "import fastjsonschema\ndef handle(event, context): return 1\n")
    return path


def call(path: Path, handler: str, event: Any, **environment: str) -> Any:
    with LambdaRuntime(path, handler, environment, timeout_seconds=15) as function:
        return function.invoke(event)


def test_a_package_whose_dependency_is_missing_fails_at_start_as_in_lambda(tiny_zip: Path) -> None:
    answer = call(tiny_zip, "hungry.handle", {})

    assert answer["errorType"] == "Runtime.ImportModuleError"
    assert "No module named 'fastjsonschema'" in answer["errorMessage"]


def test_one_process_answers_several_events_and_logs_json_with_the_extra_fields(tiny_zip: Path) -> None:
    with LambdaRuntime(tiny_zip, "tiny.echo", {"NAME": "fraud"}) as function:
        first, second = (function.invoke({"run_id": run_id}) for run_id in ("run-1", "run-2"))
        logs = function.logs

    assert (first["event"], second["event"]) == ({"run_id": "run-1"}, {"run_id": "run-2"})
    assert first["name"] == "fraud"
    assert 0 < second["left"] <= 15_000
    assert '"run_id": "run-2"' in logs


def test_the_sdk_is_there_and_the_tools_of_this_environment_are_not(tiny_zip: Path) -> None:
    assert call(tiny_zip, "tiny.sdk", {}) == ["boto3", "botocore"]
    tools = ["boto3", "fastjsonschema", "yaml", "moto", "ministack", "pytest", "requests", "ops", "orchestration"]
    assert call(tiny_zip, "tiny.importable", tools) == ["boto3"]


def test_an_exception_comes_back_as_lambdas_error_document(tiny_zip: Path) -> None:
    answer = call(tiny_zip, "tiny.fail", {})

    assert (answer["errorType"], answer["errorMessage"]) == ("LookupError", "no such model")
    assert answer["stackTrace"]


def test_a_process_that_ends_itself_is_reported_and_not_waited_for(tiny_zip: Path) -> None:
    answer = call(tiny_zip, "tiny.leave", {})

    assert answer["errorType"] == "Runtime.ExitError"
    assert "status 3" in answer["errorMessage"]


def test_a_function_that_takes_too_long_is_ended_and_says_so(tiny_zip: Path) -> None:
    with LambdaRuntime(tiny_zip, "tiny.sleep", timeout_seconds=1) as function:
        assert function.invoke({})["errorType"] == "Sandbox.Timedout"


PAGE = "orchestration.approval_handler.review"
BUTTONS = "orchestration.slack_handler.press"
APPROVALS = {field.name.upper(): "1" for field in dataclasses.fields(ApprovalSettings)}
HANDLERS = [
    "orchestration.handler.orchestrate",
    "orchestration.promotion_handler.promote",
    "orchestration.operator_handler.operate",
    "orchestration.approval_handler.vote",
]


@pytest.mark.parametrize("handler", HANDLERS)
def test_the_real_package_starts_and_answers_an_unknown_action_with_a_clear_error(handler: str, package: Path) -> None:
    environment = {**{field.name.upper(): "1" for field in dataclasses.fields(Settings)}, "APPROVAL_ACCESS": "IAM"}

    answer = call(package, handler, {"action": "make_coffee"}, **environment)

    assert answer["errorType"] == "InvalidRequestError"
    assert "make_coffee" in answer["errorMessage"]


@pytest.mark.parametrize("handler", HANDLERS)
def test_the_real_package_names_the_environment_variable_that_it_misses(handler: str, package: Path) -> None:
    answer = call(package, handler, {"action": "admit"})

    assert answer["errorType"] == "SettingsError"
    assert "AUTOMATION_BUCKET" in answer["errorMessage"]


def test_every_handler_of_the_template_is_started_here() -> None:
    functions = Template.read().of_type("AWS::Lambda::Function").values()

    assert {function["Properties"]["Handler"] for function in functions} == {*HANDLERS, PAGE, BUTTONS}


def test_the_buttons_answer_with_a_sentence_and_log_nothing_of_the_request(package: Path) -> None:
    environment = {**APPROVALS, "APPROVAL_ACCESS": "IAM", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}

    with LambdaRuntime(package, BUTTONS, environment, timeout_seconds=60) as function:
        refused = function.invoke({"action": "make_coffee"})
        failed = function.invoke({"approve": "run-1." + "SECRET".ljust(43, "A")})
        logs = function.logs

    assert str(refused).startswith("This is none of the buttons")
    assert failed["errorType"] == "OrchestrationError"
    assert failed["errorMessage"].startswith("The button failed. Press it again")
    assert "SlackPressFailed" in logs
    assert "SECRET" not in logs + json.dumps(failed)


def test_the_review_page_answers_and_logs_nothing_of_the_request(package: Path) -> None:
    environment = {**APPROVALS, "APPROVAL_ACCESS": "LINK", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    event = {
        "version": "2.0",
        "rawPath": "/",
        "rawQueryString": "run=r1&nonce=" + "SECRET".ljust(43, "A"),
        "requestContext": {"http": {"method": "PUT"}},
    }

    with LambdaRuntime(package, PAGE, environment, timeout_seconds=60) as function:
        refused = function.invoke(event)
        failed = function.invoke({**event, "requestContext": {"http": {"method": "GET"}}})
        logs = function.logs

    assert (refused["statusCode"], failed["statusCode"]) == (405, 500)
    assert "ApprovalPageFailed" in logs
    assert "SECRET" not in logs
    assert "SECRET" not in failed["body"]
