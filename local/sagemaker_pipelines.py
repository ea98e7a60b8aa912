"""SageMaker Pipelines that run: Training, Processing, QualityCheck, ClarifyCheck and RegisterModel steps, one after another.

The order is that of DependsOn and of the references between steps. A step of another type fails the execution with a
reason that says so.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import string
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ministack.core.responses import get_account_id, get_region

from local import own_clients, sagemaker_events
from local.sagemaker_records import ApiError, Document, Records, arn, in_background, list_page, now, validation_error

logger = logging.getLogger(__name__)

_VERSION = "2020-12-01"
_ID_ALPHABET = string.ascii_lowercase + string.digits
_CHECKS = ("QualityCheck", "ClarifyCheck")
_JOBS = {"Training": "TrainingJob", "Processing": "ProcessingJob", **dict.fromkeys(_CHECKS, "ProcessingJob")}
_SAID = ("CheckType", "SkipCheck", "RegisterNewBaseline", "ModelPackageGroupName", "FailOnViolation")
_VIOLATIONS = "CompletedWithViolations"
_STEP_REFERENCE = re.compile(r"^Steps\.([A-Za-z0-9-]+)\.(.+)$")
_PATH_PART = re.compile(r"\['?([^\]']+)'?\]|([^.\[]+)")
_NAME_LENGTH = 63
_REASON_LENGTH = 1300
_Call = Callable[[str, Document], Document]


class _StepError(Exception):
    """A step ended otherwise than completed; the message is the execution's failure reason."""


@dataclass
class Execution:
    """One execution of a pipeline."""

    record: Document
    definition: Document
    steps: dict[str, Document] = field(default_factory=dict)
    outputs: dict[str, Document] = field(default_factory=dict)
    stop_requested: threading.Event = field(default_factory=threading.Event)
    running: tuple[str, str] | None = None


class Pipelines:
    """All pipelines of the server.

    Args:
        call: Calls another SageMaker action in process.
        job_ended: Gives the event that is set when the job of this kind and name has ended.
    """

    def __init__(self, call: _Call, job_ended: Callable[[str, str], threading.Event]) -> None:
        self._call = call
        self._job_ended = job_ended
        self.pipelines = Records()
        self.executions = Records()

    # ------------------------------------------------------------------ pipelines

    def create(self, request: Document) -> Document:
        """CreatePipeline."""
        name = request["PipelineName"]
        if self.pipelines.get(name):
            raise validation_error(
                "Pipeline names must be unique within an AWS account and region. "
                f"Pipeline with name ({name}) already exists."
            )
        definition = self._definition(request)
        created = now()
        record: Document = {
            "PipelineArn": arn("pipeline", name),
            "PipelineName": name,
            "PipelineDisplayName": request.get("PipelineDisplayName", name),
            "PipelineDefinition": definition,
            "PipelineDescription": request.get("PipelineDescription"),
            "RoleArn": request["RoleArn"],
            "PipelineStatus": "Active",
            "CreationTime": created,
            "LastModifiedTime": created,
        }
        self.pipelines.put(name, record)
        return {"PipelineArn": record["PipelineArn"]}

    def update(self, request: Document) -> Document:
        """UpdatePipeline."""
        record = self._pipeline(request["PipelineName"])
        if "PipelineDefinition" in request or "PipelineDefinitionS3Location" in request:
            record["PipelineDefinition"] = self._definition(request)
        for member in ("PipelineDisplayName", "PipelineDescription", "RoleArn"):
            if member in request:
                record[member] = request[member]
        record["LastModifiedTime"] = now()
        return {"PipelineArn": record["PipelineArn"]}

    def describe(self, request: Document) -> Document:
        """DescribePipeline."""
        return dict(self._pipeline(request["PipelineName"]))

    def delete(self, request: Document) -> Document:
        """DeletePipeline."""
        record = self._pipeline(request["PipelineName"])
        self.pipelines.remove(record["PipelineName"])
        return {"PipelineArn": record["PipelineArn"]}

    def list_pipelines(self, request: Document) -> Document:
        """ListPipelines."""
        prefix = request.get("PipelineNamePrefix", "")
        return list_page(
            [record for record in self.pipelines.all() if record["PipelineName"].startswith(prefix)],
            request,
            result_key="PipelineSummaries",
            name_key="PipelineName",
            status_key="PipelineStatus",
        )

    # ------------------------------------------------------------------ executions

    def start(self, request: Document) -> Document:
        """StartPipelineExecution; the same ClientRequestToken is the same execution."""
        pipeline = self._pipeline(request["PipelineName"])
        token = request["ClientRequestToken"]
        for execution in self.executions.all():
            known = execution.record
            if known["ClientRequestToken"] == token and known["PipelineArn"] == pipeline["PipelineArn"]:
                return {"PipelineExecutionArn": known["PipelineExecutionArn"]}
        definition = json.loads(pipeline["PipelineDefinition"])
        identifier = "".join(secrets.choice(_ID_ALPHABET) for _ in range(12))
        started = now()
        record: Document = {
            "PipelineArn": pipeline["PipelineArn"],
            "PipelineExecutionArn": f"{pipeline['PipelineArn']}/execution/{identifier}",
            "PipelineExecutionDisplayName": request.get(
                "PipelineExecutionDisplayName", f"execution-{int(started * 1000)}"
            ),
            "PipelineExecutionDescription": request.get("PipelineExecutionDescription", ""),
            "PipelineExecutionStatus": "Executing",
            "PipelineParameters": request.get("PipelineParameters", []),
            "StartTime": started,
            "CreationTime": started,
            "LastModifiedTime": started,
            "ClientRequestToken": token,
        }
        execution = Execution(record, definition)
        parameters = _parameters(definition, record["PipelineParameters"])
        self.executions.put(record["PipelineExecutionArn"], execution)
        sagemaker_events.pipeline_execution_changed(record, None)
        in_background(lambda: self._run(execution, parameters), f"pipeline-{identifier}")
        return {"PipelineExecutionArn": record["PipelineExecutionArn"]}

    def describe_execution(self, request: Document) -> Document:
        """DescribePipelineExecution."""
        return dict(self._execution(request["PipelineExecutionArn"]).record)

    def list_executions(self, request: Document) -> Document:
        """ListPipelineExecutions."""
        pipeline = self._pipeline(request["PipelineName"])
        mine = [e.record for e in self.executions.all() if e.record["PipelineArn"] == pipeline["PipelineArn"]]
        return list_page(
            mine,
            request,
            result_key="PipelineExecutionSummaries",
            name_key="PipelineExecutionArn",
            status_key="PipelineExecutionStatus",
        )

    def list_steps(self, request: Document) -> Document:
        """ListPipelineExecutionSteps, the latest first unless asked otherwise."""
        steps = list(self._execution(request["PipelineExecutionArn"]).steps.values())
        return {"PipelineExecutionSteps": steps if request.get("SortOrder") == "Ascending" else steps[::-1]}

    def list_parameters(self, request: Document) -> Document:
        """ListPipelineParametersForExecution."""
        return {"PipelineParameters": self._execution(request["PipelineExecutionArn"]).record["PipelineParameters"]}

    def stop(self, request: Document) -> Document:
        """StopPipelineExecution: ``Stopping``, the running job is stopped, ``Stopped``."""
        execution = self._execution(request["PipelineExecutionArn"])
        record = execution.record
        if record["PipelineExecutionStatus"] != "Executing":
            raise validation_error(
                f"Pipeline execution with ARN {record['PipelineExecutionArn']} has status "
                f"{record['PipelineExecutionStatus']}; only Executing can be stopped."
            )
        self._move(execution, "Stopping")
        execution.stop_requested.set()
        if execution.running is not None:
            self._stop_job(*execution.running)
        return {"PipelineExecutionArn": record["PipelineExecutionArn"]}

    def abandon_all(self) -> None:
        """Forget every pipeline and execution; their jobs are ended by whoever runs jobs."""
        for execution in self.executions.everywhere():
            execution.stop_requested.set()
        self.executions.clear()
        self.pipelines.clear()

    # ------------------------------------------------------------------ the run

    def _run(self, execution: Execution, parameters: Document) -> None:
        record = execution.record
        values = {
            "Parameters": parameters,
            "Execution": {
                "PipelineExecutionId": record["PipelineExecutionArn"].rpartition("/")[2],
                "PipelineExecutionArn": record["PipelineExecutionArn"],
                "PipelineName": record["PipelineArn"].rpartition("/")[2],
                "PipelineArn": record["PipelineArn"],
                "StartDateTime": sagemaker_events.iso_time(record["StartTime"]),
            },
        }
        status, reason = "Succeeded", None
        try:
            for step in _ordered(execution.definition["Steps"]):
                if execution.stop_requested.is_set():
                    break
                self._run_step(execution, step, values)
        except _StepError as error:
            status, reason = "Failed", str(error)
        except Exception as error:
            logger.exception("pipeline execution %s", record["PipelineExecutionArn"])
            status, reason = "Failed", f"{type(error).__name__}: {error}"
        if execution.stop_requested.is_set():
            status, reason = "Stopped", None
        if reason:
            record["FailureReason"] = reason[:_REASON_LENGTH]
        # Swept away by a reset in the meantime: nobody is left to tell.
        if self.executions.get(record["PipelineExecutionArn"]) is execution:
            self._move(execution, status)

    def _run_step(self, execution: Execution, step: Document, values: Document) -> None:
        name, kind = step["Name"], step["Type"]
        shown: Document = {"StepName": name, "StartTime": now(), "StepStatus": "Executing", "AttemptCount": 1}
        execution.steps[name] = shown
        try:
            arguments = _resolved(step.get("Arguments", {}), values, execution.outputs)
            if kind in _JOBS:
                said = (
                    _resolved({key: step[key] for key in _SAID if key in step}, values, {}) if kind in _CHECKS else {}
                )
                execution.outputs[name] = self._run_job(execution, step, arguments, shown, said)
            elif kind == "RegisterModel":
                package = self._call("CreateModelPackage", arguments)["ModelPackageArn"]
                shown["Metadata"] = {"RegisterModel": {"Arn": package}}
                execution.outputs[name] = {"ModelPackageArn": package}
            else:
                raise _StepError(f"The embedded AWS runs no steps of type {kind}.")  # noqa: TRY301 - as any step's failure
        except (_StepError, ApiError) as error:
            reason = error.message if isinstance(error, ApiError) else str(error)
            stopped = execution.stop_requested.is_set()
            shown |= {"StepStatus": "Stopped" if stopped else "Failed", "EndTime": now(), "FailureReason": reason}
            raise _StepError(f"Step failure: One or multiple steps failed. {name}: {reason}") from None
        shown |= {"StepStatus": "Succeeded", "EndTime": now()}

    def _run_job(
        self, execution: Execution, step: Document, arguments: Document, shown: Document, said: Document
    ) -> Document:
        """Run a step's job to its end; ``said`` is what a check's step says beside its arguments."""
        kind, job, execution_arn = step["Type"], _JOBS[step["Type"]], execution.record["PipelineExecutionArn"]
        name = f"pipelines-{execution_arn.rpartition('/')[2]}-{step['Name'][:24]}-{secrets.token_hex(5)}"[:_NAME_LENGTH]
        of = {"sagemaker:pipeline-execution-arn": execution_arn, "sagemaker:pipeline-step-name": step["Name"]}
        tags = [*arguments.get("Tags", []), *({"Key": key, "Value": value} for key, value in of.items())]
        answer = self._call(f"Create{job}", {**arguments, f"{job}Name": name, "Tags": tags})
        fails = said.pop("FailOnViolation", True)
        shown["Metadata"] = (
            {kind: {**said, "CheckJobArn": answer[f"{job}Arn"]}}
            if kind in _CHECKS
            else {job: {"Arn": answer[f"{job}Arn"]}}
        )
        execution.running = (job, name)
        if execution.stop_requested.is_set():
            self._stop_job(job, name)
        self._job_ended(job, name).wait()
        execution.running = None
        described = self._call(f"Describe{job}", {f"{job}Name": name})
        if described[f"{job}Status"] != "Completed":
            raise _StepError(described.get("FailureReason") or f"{job} {name} is {described[f'{job}Status']}")
        found = kind in _CHECKS and described.get("ExitMessage", "").startswith(_VIOLATIONS)
        if found and fails and not said.get("SkipCheck"):
            raise _StepError(described["ExitMessage"])
        return described

    def _stop_job(self, job: str, name: str) -> None:
        try:
            self._call(f"Stop{job}", {f"{job}Name": name})
        except ApiError:
            # It ended on its own in this very moment.
            return

    def _move(self, execution: Execution, status: str) -> None:
        record = execution.record
        previous = record["PipelineExecutionStatus"]
        record["LastModifiedTime"] = now()
        record["PipelineExecutionStatus"] = status
        sagemaker_events.pipeline_execution_changed(record, previous)

    # ------------------------------------------------------------------ lookups

    def _pipeline(self, name_or_arn: str) -> Document:
        name = name_or_arn.rpartition("/")[2]
        for record in self.pipelines.all():
            if name in (record["PipelineName"], record["PipelineArn"].rpartition("/")[2]):
                found: Document = record
                return found
        raise ApiError("ResourceNotFound", f"Pipeline '{arn('pipeline', name)}' does not exist.")

    def _execution(self, execution_arn: str) -> Execution:
        execution: Execution | None = self.executions.get(execution_arn)
        if execution is None:
            raise ApiError("ResourceNotFound", f"Pipeline execution with ARN {execution_arn} does not exist.")
        return execution

    def _definition(self, request: Document) -> str:
        text: str | None = request.get("PipelineDefinition")
        if text is None:
            place = request.get("PipelineDefinitionS3Location")
            if place is None:
                raise validation_error("A pipeline needs a PipelineDefinition or a PipelineDefinitionS3Location.")
            s3 = own_clients.client("s3", get_account_id(), get_region())
            try:
                answer = s3.get_object(Bucket=place["Bucket"], Key=place["ObjectKey"])
            except s3.exceptions.ClientError as error:
                raise validation_error(f"The pipeline definition cannot be read: {error}") from None
            text = str(answer["Body"].read().decode())
        _check_definition(text)
        return text


def _check_definition(text: str) -> None:
    try:
        definition = json.loads(text)
        names = [step["Name"] for step in definition["Steps"]]
    except (ValueError, KeyError, TypeError) as error:
        raise validation_error(f"Invalid pipeline definition: {error!r}") from None
    if definition.get("Version") != _VERSION:
        raise validation_error(f"Invalid pipeline definition: Version must be {_VERSION}.")
    if len(set(names)) != len(names):
        raise validation_error("Invalid pipeline definition: step names must be unique.")
    try:
        list(_ordered(definition["Steps"]))
    except (CycleError, KeyError) as error:
        raise validation_error(f"Invalid pipeline definition: {error}") from None


def _parameters(definition: Document, given: list[Document]) -> Document:
    """Give the value of each parameter of the definition, of its own type.

    Raises:
        ApiError: ``ValidationException``, a value for a parameter there is not, or none for one without a default.
    """
    known = {parameter["Name"]: parameter for parameter in definition.get("Parameters", [])}
    unknown = sorted({item["Name"] for item in given} - set(known))
    if unknown:
        raise validation_error(f"Unknown pipeline parameters: {', '.join(unknown)}")
    values = {name: parameter["DefaultValue"] for name, parameter in known.items() if "DefaultValue" in parameter}
    for item in given:
        values[item["Name"]] = _typed(item["Value"], known[item["Name"]])
    missing = sorted(set(known) - set(values))
    if missing:
        raise validation_error(f"Parameters without a value: {', '.join(missing)}")
    return values


def _typed(value: str, parameter: Document) -> Any:
    try:
        match parameter.get("Type"):
            case "Integer":
                return int(value)
            case "Float":
                return float(value)
            case "Boolean":
                return {"true": True, "false": False}[value.lower()]
    except (ValueError, KeyError):
        raise validation_error(f"{value!r} is no {parameter['Type']} for {parameter['Name']}") from None
    allowed = parameter.get("EnumValues")
    if allowed and value not in allowed:
        raise validation_error(f"{value!r} is not one of {allowed} for {parameter['Name']}")
    return value


def _references(value: Any) -> Iterator[str]:
    """Give the names of the steps whose output the value reads."""
    if isinstance(value, dict):
        path = value.get("Get")
        if isinstance(path, str) and (match := _STEP_REFERENCE.match(path)):
            yield match[1]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _ordered(steps: list[Document]) -> Iterator[Document]:
    """Give the steps so that each comes after those it needs.

    Raises:
        CycleError: They need each other.
        KeyError: One needs a step that is not there.
    """
    by_name = {step["Name"]: step for step in steps}
    graph = {
        name: {*step.get("DependsOn", []), *_references(step.get("Arguments", {}))} for name, step in by_name.items()
    }
    for name in TopologicalSorter(graph).static_order():
        yield by_name[name]


def _resolved(value: Any, values: Document, outputs: dict[str, Document]) -> Any:
    """Give the value with its references and joins replaced by what they stand for.

    Raises:
        _StepError: A reference leads nowhere.
    """
    if isinstance(value, list):
        return [_resolved(item, values, outputs) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Get"}:
        path = value["Get"]
        if match := _STEP_REFERENCE.match(path):
            return _walk(outputs.get(match[1], {}), match[2], path)
        return _walk(values, path, path)
    if set(value) == {"Std:Join"}:
        join = value["Std:Join"]
        return str(join.get("On", "")).join(_text(_resolved(item, values, outputs)) for item in join["Values"])
    return {key: _resolved(item, values, outputs) for key, item in value.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _walk(value: Any, path: str, whole: str) -> Any:
    for quoted, plain in _PATH_PART.findall(path):
        part = quoted or plain
        if isinstance(value, list):
            # Outputs['evaluation'] is the output of that name, Containers[0] the first.
            named = [
                item
                for item in value
                if isinstance(item, dict) and part in (v for v in item.values() if isinstance(v, str))
            ]
            value = named[0] if named else value[int(part)] if part.isdigit() and int(part) < len(value) else None
        elif isinstance(value, dict):
            value = value.get(part)
        else:
            value = None
        if value is None:
            raise _StepError(f"{whole} leads nowhere.")
    return value
