"""Training and processing jobs that really run, as subprocesses that find the SageMaker container contract.

A temporary directory stands for ``/opt/ml``; its path is in the environment variable ``OPT_ML``. Each job's status
goes through the stations it has on AWS, and each change of it is put on the default event bus.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ministack.core.responses import get_account_id, get_region

from local import own_clients, sagemaker_events
from local.s3_folders import DownloadError, download_and_unpack, download_prefix, upload_folder, upload_packed
from local.sagemaker_records import (
    ApiError,
    Document,
    Records,
    arn,
    in_background,
    list_page,
    now,
    validation_error,
)

if TYPE_CHECKING:
    from local.faults import Faults

logger = logging.getLogger(__name__)

_LIFELINE = Path(__file__).with_name("job_lifeline.py")
_ABANDON_SECONDS = 1.0
_OPT_ML = "/opt/ml"
_OPT_ML_PATH = re.compile(r"/opt/ml(?=/|$)")
_GRACE_SECONDS = 5.0
"""How long a stopped job may take to end by itself; on AWS it is 120 seconds."""
_DEFAULT_MAX_RUNTIME = 86_400
_REASON_LENGTH = 1024
_MESSAGE_LENGTH = 1024
_PYTHONS = ("python", "python3")
_SCRIPT_MODE = ("sagemaker_program", "sagemaker_submit_directory")


@dataclass
class Job:
    """A training or processing job: what Describe answers, and the handle on what runs.

    ``run_of`` is the monitoring schedule that started it, None for what a request of somebody's started.
    """

    record: Document
    run_of: Document | None = None
    finished: threading.Event = field(default_factory=threading.Event)
    stop_requested: threading.Event = field(default_factory=threading.Event)
    abandoned: threading.Event = field(default_factory=threading.Event)
    process: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        """Ask the job to stop; the thread that runs it does the rest."""
        self.stop_requested.set()


class _AbandonedError(Exception):
    """The server forgot the job while it ran."""


@dataclass
class _Ended:
    """How a job's subprocess ended: its exit code, and whether it was stopped or ran out of time first."""

    code: int
    stopped: bool = False
    timed_out: bool = False


class Jobs:
    """All training and processing jobs of the server.

    Args:
        faults: Which training jobs get no instances: a rule for the action ``ProvisionInstances``, which is none of the API.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.training = Records()
        self.processing = Records()

    # ------------------------------------------------------------------ training: the API

    def create_training_job(self, request: Document) -> Document:
        """CreateTrainingJob: start it and answer at once.

        Raises:
            ApiError: ``ResourceInUse``, the name is taken.
        """
        name = request["TrainingJobName"]
        if existing := self.training.get(name):
            raise _name_taken("training", existing.record["TrainingJobArn"])
        created = now()
        record: Document = {
            **{key: value for key, value in request.items() if key != "Tags"},
            "TrainingJobArn": arn("training-job", name),
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "CreationTime": created,
            "LastModifiedTime": created,
            "SecondaryStatusTransitions": [],
            "EnableNetworkIsolation": request.get("EnableNetworkIsolation", False),
            "EnableInterContainerTrafficEncryption": request.get("EnableInterContainerTrafficEncryption", False),
            "EnableManagedSpotTraining": request.get("EnableManagedSpotTraining", False),
        }
        job = Job(record)
        self.training.put(name, job)
        _move_training(record, "Starting", "Starting the training job")
        sagemaker_events.training_job_changed(record)
        in_background(lambda: self._run_training(job), f"training-{name}")
        return {"TrainingJobArn": record["TrainingJobArn"]}

    def describe_training_job(self, request: Document) -> Document:
        """DescribeTrainingJob."""
        return dict(self.training_job(request["TrainingJobName"]).record)

    def stop_training_job(self, request: Document) -> Document:
        """StopTrainingJob: ``Stopping`` at once, ``Stopped`` when the script has ended."""
        job = self.training_job(request["TrainingJobName"])
        if job.record["TrainingJobStatus"] != "InProgress":
            raise validation_error(
                f"The request was rejected because the training job is in status {job.record['TrainingJobStatus']}."
            )
        job.record["TrainingJobStatus"] = "Stopping"
        _move_training(job.record, "Stopping", "Stopping the training job")
        sagemaker_events.training_job_changed(job.record)
        job.stop()
        return {}

    def list_training_jobs(self, request: Document) -> Document:
        """ListTrainingJobs."""
        return list_page(
            [job.record for job in self.training.all()],
            request,
            result_key="TrainingJobSummaries",
            name_key="TrainingJobName",
            status_key="TrainingJobStatus",
        )

    def training_job(self, name: str) -> Job:
        """Give the training job of this name."""
        job: Job | None = self.training.get(name)
        if job is None:
            raise validation_error("Requested resource not found.")
        return job

    # ------------------------------------------------------------------ processing: the API

    def create_processing_job(self, request: Document) -> Document:
        """CreateProcessingJob: start it and answer at once. Whatever its environment says, no schedule ran it.

        Raises:
            ApiError: ``ResourceInUse``, the name is taken.
        """
        return self.start_processing(request, None)

    def start_processing(self, request: Document, schedule: Document | None) -> Document:
        """Start a processing job, in a monitoring schedule's name or in nobody's."""
        name = request["ProcessingJobName"]
        if existing := self.processing.get(name):
            raise _name_taken("processing", existing.record["ProcessingJobArn"])
        created = now()
        record: Document = {
            **{key: value for key, value in request.items() if key != "Tags"},
            "ProcessingJobArn": arn("processing-job", name),
            "ProcessingJobStatus": "InProgress",
            "CreationTime": created,
            "LastModifiedTime": created,
        }
        if schedule is not None:
            record["MonitoringScheduleArn"] = schedule["MonitoringScheduleArn"]
        job = Job(record, schedule)
        self.processing.put(name, job)
        sagemaker_events.processing_job_changed(record)
        in_background(lambda: self._run_processing(job), f"processing-{name}")
        return {"ProcessingJobArn": record["ProcessingJobArn"]}

    def describe_processing_job(self, request: Document) -> Document:
        """DescribeProcessingJob."""
        return dict(self.processing_job(request["ProcessingJobName"]).record)

    def stop_processing_job(self, request: Document) -> Document:
        """StopProcessingJob: ``Stopping`` at once, ``Stopped`` when the command has ended."""
        job = self.processing_job(request["ProcessingJobName"])
        if job.record["ProcessingJobStatus"] != "InProgress":
            raise validation_error(
                f"The request was rejected because the processing job is in status {job.record['ProcessingJobStatus']}."
            )
        job.record["ProcessingJobStatus"] = "Stopping"
        job.record["LastModifiedTime"] = now()
        sagemaker_events.processing_job_changed(job.record)
        job.stop()
        return {}

    def list_processing_jobs(self, request: Document) -> Document:
        """ListProcessingJobs."""
        return list_page(
            [job.record for job in self.processing.all()],
            request,
            result_key="ProcessingJobSummaries",
            name_key="ProcessingJobName",
            status_key="ProcessingJobStatus",
        )

    def processing_job(self, name: str) -> Job:
        """Give the processing job of this name."""
        job: Job | None = self.processing.get(name)
        if job is None:
            raise validation_error(f"Could not find requested job with name: {name}")
        return job

    # ------------------------------------------------------------------ the end of everything

    def abandon_all(self) -> None:
        """Kill every running job and forget all of them, at a reset or at shutdown."""
        jobs = [*self.training.everywhere(), *self.processing.everywhere()]
        self.training.clear()
        self.processing.clear()
        for job in jobs:
            if not job.finished.is_set():
                job.abandoned.set()
                job.stop()
                # No grace: nobody is left to see how it ends.
                _kill(job.process, signal.SIGKILL)
        for job in jobs:
            # Its thread still cleans up; whoever asked may remove the folders it works in right after.
            job.finished.wait(_ABANDON_SECONDS)

    # ------------------------------------------------------------------ training: the run

    def _run_training(self, job: Job) -> None:
        record = job.record
        opt_ml = Path(tempfile.mkdtemp(prefix="opt-ml-"))
        try:
            self._train(job, opt_ml)
        except DownloadError as error:
            _end_training(record, "Failed", str(error))
        except _AbandonedError:
            # A reset or the end of the server: nobody is left to hear of it.
            logger.debug("training job %s was abandoned", record["TrainingJobName"])
        except Exception as error:
            logger.exception("training job %s", record["TrainingJobName"])
            _end_training(record, "Failed", f"InternalServerError: {error}")
        finally:
            shutil.rmtree(opt_ml, ignore_errors=True)
        if self.training.get(record["TrainingJobName"]) is job:
            sagemaker_events.training_job_changed(record)
        job.finished.set()

    def _train(self, job: Job, opt_ml: Path) -> None:
        record = job.record
        fault = self._faults.take("sagemaker", "ProvisionInstances", record["TrainingJobName"])
        if fault is not None:
            time.sleep(fault.seconds)
            _end_training(record, "Failed", f"{fault.code}: {fault.message}")
            return
        account, region = get_account_id(), get_region()
        s3 = own_clients.client("s3", account, region)
        for folder in ("input/data", "input/config", "model", "output/data", "code"):
            (opt_ml / folder).mkdir(parents=True)
        _move_training(record, "Downloading", "Downloading input data")
        channels = []
        for channel in record.get("InputDataConfig", []):
            channels.append(channel["ChannelName"])
            source = channel["DataSource"].get("S3DataSource")
            if source is None:
                raise DownloadError("ClientError: the embedded AWS reads channels from S3 only.")
            _require_prefix(source)
            download_prefix(
                s3,
                source["S3Uri"],
                opt_ml / "input/data" / channel["ChannelName"],
                region=region,
                role_arn=record["RoleArn"],
            )
        command, variables = _training_command(record, opt_ml, channels, s3)
        _write_training_config(record, opt_ml)
        if job.stop_requested.is_set():
            _end_training(record, "Stopped", None)
            return
        record["TrainingStartTime"] = now()
        _move_training(record, "Training", "Training image download completed. Training in progress.")
        limit = record["StoppingCondition"].get("MaxRuntimeInSeconds", _DEFAULT_MAX_RUNTIME)
        log = opt_ml / "job.log"
        ended = _run_command(
            job,
            command,
            cwd=opt_ml / "code",
            environment={
                **own_clients.job_environment(account, region),
                **variables,
                **record.get("Environment", {}),
                "TRAINING_JOB_NAME": record["TrainingJobName"],
                "TRAINING_JOB_ARN": record["TrainingJobArn"],
                "OPT_ML": str(opt_ml),
            },
            log=log,
            limit=limit,
        )
        if job.abandoned.is_set():
            raise _AbandonedError
        record["TrainingEndTime"] = now()
        output = _final_metrics(record, log)
        _send_log("/aws/sagemaker/TrainingJobs", f"{record['TrainingJobName']}/algo-1", log, account, region)
        job_uri = f"{record['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{record['TrainingJobName']}/output"
        succeeded = ended.code == 0 and not ended.stopped and not ended.timed_out
        # As on AWS, a stopped job's model is saved: the script may have written a checkpoint worth having.
        if succeeded or ((ended.stopped or ended.timed_out) and any((opt_ml / "model").iterdir())):
            _move_training(record, "Uploading", "Uploading generated training model")
            upload_packed(s3, opt_ml / "model", f"{job_uri}/model.tar.gz")
            record["ModelArtifacts"] = {"S3ModelArtifacts": f"{job_uri}/model.tar.gz"}
        if any((opt_ml / "output/data").iterdir()):
            upload_packed(s3, opt_ml / "output/data", f"{job_uri}/output.tar.gz")
        if output:
            record["FinalMetricDataList"] = output
        if ended.timed_out:
            _end_training(record, "Stopped", None, secondary="MaxRuntimeExceeded")
        elif ended.stopped:
            _end_training(record, "Stopped", None)
        elif succeeded:
            _end_training(record, "Completed", None)
        else:
            _end_training(record, "Failed", _failure_reason(opt_ml, log, ended.code, command))

    # ------------------------------------------------------------------ processing: the run

    def _run_processing(self, job: Job) -> None:
        record = job.record
        opt_ml = Path(tempfile.mkdtemp(prefix="opt-ml-"))
        try:
            self._process(job, opt_ml)
        except DownloadError as error:
            _end_processing(record, "Failed", str(error))
        except _AbandonedError:
            # A reset or the end of the server: nobody is left to hear of it.
            logger.debug("processing job %s was abandoned", record["ProcessingJobName"])
        except Exception as error:
            logger.exception("processing job %s", record["ProcessingJobName"])
            _end_processing(record, "Failed", f"InternalServerError: {error}")
        finally:
            shutil.rmtree(opt_ml, ignore_errors=True)
        if self.processing.get(record["ProcessingJobName"]) is job:
            sagemaker_events.processing_job_changed(record)
        job.finished.set()

    def _process(self, job: Job, opt_ml: Path) -> None:
        record = job.record
        account, region = get_account_id(), get_region()
        s3 = own_clients.client("s3", account, region)
        application = record["AppSpecification"]
        if not application.get("ContainerEntrypoint"):
            raise DownloadError(
                f"AlgorithmError: the embedded AWS cannot pull {application['ImageUri']}: give the job a "
                "ContainerEntrypoint to run."
            )
        for folder in ("config", "processing", "output"):
            (opt_ml / folder).mkdir(parents=True)
        for item in record.get("ProcessingInputs", []):
            source = item.get("S3Input")
            if source is None:
                raise DownloadError("ClientError: the embedded AWS reads processing inputs from S3 only.")
            _require_prefix(source)
            place = _inside(opt_ml, source.get("LocalPath") or f"{_OPT_ML}/processing/input/{item['InputName']}")
            download_prefix(s3, source["S3Uri"], place, region=region, role_arn=record["RoleArn"])
        outputs = [
            output["S3Output"]
            for output in record.get("ProcessingOutputConfig", {}).get("Outputs", [])
            if "S3Output" in output
        ]
        for output in outputs:
            _inside(opt_ml, output["LocalPath"]).mkdir(parents=True, exist_ok=True)
        _write_processing_config(record, opt_ml)
        if job.stop_requested.is_set():
            _end_processing(record, "Stopped", None)
            return
        record["ProcessingStartTime"] = record["LastModifiedTime"] = now()
        log = opt_ml / "job.log"
        command = [*application["ContainerEntrypoint"], *application.get("ContainerArguments", [])]
        environment = {key: _rewritten(value, opt_ml) for key, value in record.get("Environment", {}).items()}
        ended = _run_command(
            job,
            _local_command(command, opt_ml),
            cwd=opt_ml / "processing",
            environment={
                **own_clients.job_environment(account, region),
                **environment,
                "PROCESSING_JOB_NAME": record["ProcessingJobName"],
                "PROCESSING_JOB_ARN": record["ProcessingJobArn"],
                "OPT_ML": str(opt_ml),
            },
            log=log,
            limit=record.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DEFAULT_MAX_RUNTIME),
        )
        if job.abandoned.is_set():
            raise _AbandonedError
        record["ProcessingEndTime"] = now()
        _send_log("/aws/sagemaker/ProcessingJobs", f"{record['ProcessingJobName']}/algo-1", log, account, region)
        succeeded = ended.code == 0 and not ended.stopped and not ended.timed_out
        for output in outputs:
            # A continuous output has reached S3 by the time a job fails; one uploaded at the end has not.
            if succeeded or output.get("S3UploadMode") == "Continuous":
                upload_folder(s3, _inside(opt_ml, output["LocalPath"]), output["S3Uri"])
        message = _first_bytes(opt_ml / "output/message", _MESSAGE_LENGTH)
        if message:
            record["ExitMessage"] = message
        if ended.timed_out:
            _end_processing(record, "Stopped", "The job was stopped: it ran longer than its MaxRuntimeInSeconds.")
        elif ended.stopped:
            _end_processing(record, "Stopped", None)
        elif succeeded:
            _end_processing(record, "Completed", None)
        else:
            _end_processing(record, "Failed", _failure_reason(opt_ml, log, ended.code, command))


# ---------------------------------------------------------------------- the script and its surroundings


def _name_taken(kind: str, existing_arn: str) -> ApiError:
    return ApiError(
        "ResourceInUse",
        f"Job name must be unique within an AWS account and region, and a {kind} job with this name already exists "
        f"({existing_arn})",
    )


def _require_prefix(source: Document) -> None:
    if source.get("S3DataType", "S3Prefix") != "S3Prefix":
        raise DownloadError(f"ClientError: the embedded AWS reads S3Prefix inputs, not {source['S3DataType']}.")


def _rewritten(text: str, opt_ml: Path) -> str:
    return _OPT_ML_PATH.sub(str(opt_ml), text)


def _inside(opt_ml: Path, container_path: str) -> Path:
    path = Path(_rewritten(container_path, opt_ml)).resolve()
    if not path.is_relative_to(opt_ml.resolve()):
        raise DownloadError(f"ClientError: {container_path} is not under /opt/ml.")
    return path


def _local_command(command: list[str], opt_ml: Path) -> list[str]:
    first = command[0].rpartition("/")[2]
    # The container's Python is the interpreter that runs the server: the same packages, no image.
    program = sys.executable if first in _PYTHONS else _rewritten(command[0], opt_ml)
    return [program, *(_rewritten(argument, opt_ml) for argument in command[1:])]


def _plain(value: str) -> Any:
    """Undo the SageMaker SDK's habit of JSON-quoting every hyperparameter."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _argument(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _training_command(record: Document, opt_ml: Path, channels: list[str], s3: Any) -> tuple[list[str], dict[str, str]]:
    """Give the command of a training job and the variables of SageMaker's script mode.

    Raises:
        DownloadError: There is no script to run, or it cannot be fetched.
    """
    parameters = {key: _plain(value) for key, value in record.get("HyperParameters", {}).items()}
    environment = record.get("Environment", {})
    program = parameters.get("sagemaker_program") or environment.get("SAGEMAKER_PROGRAM")
    directory = parameters.get("sagemaker_submit_directory") or environment.get("SAGEMAKER_SUBMIT_DIRECTORY")
    users = {key: value for key, value in sorted(parameters.items()) if not key.startswith("sagemaker_")}
    arguments = [part for key, value in users.items() for part in (_option(key), _option_value(value))]
    algorithm = record["AlgorithmSpecification"]
    if algorithm.get("ContainerEntrypoint"):
        command = _local_command([*algorithm["ContainerEntrypoint"], *algorithm.get("ContainerArguments", [])], opt_ml)
    elif program and directory:
        if str(directory).startswith("s3://"):
            download_and_unpack(s3, directory, opt_ml / "code")
        else:
            shutil.copytree(_inside(opt_ml, str(directory)), opt_ml / "code", dirs_exist_ok=True)
        if not (opt_ml / "code" / program).is_file():
            raise DownloadError(f"AlgorithmError: {directory} holds no {program}.")
        command = [sys.executable, str(program), *arguments]
    else:
        raise DownloadError(
            "AlgorithmError: the embedded AWS pulls no images. Give the job a script to run: the hyperparameters "
            "sagemaker_program and sagemaker_submit_directory (script mode), or a ContainerEntrypoint."
        )
    cpus = str(os.cpu_count() or 1)
    variables = {
        "SM_MODEL_DIR": str(opt_ml / "model"),
        "SM_INPUT_DIR": str(opt_ml / "input"),
        "SM_INPUT_CONFIG_DIR": str(opt_ml / "input/config"),
        "SM_OUTPUT_DIR": str(opt_ml / "output"),
        "SM_OUTPUT_DATA_DIR": str(opt_ml / "output/data"),
        "SM_OUTPUT_INTERMEDIATE_DIR": str(opt_ml / "output/intermediate"),
        "SM_CHANNELS": json.dumps(sorted(channels)),
        "SM_HPS": json.dumps(users),
        "SM_USER_ARGS": json.dumps(arguments),
        "SM_NUM_CPUS": cpus,
        "SM_NUM_GPUS": "0",
        "SM_CURRENT_HOST": "algo-1",
        "SM_HOSTS": '["algo-1"]',
        "SM_LOG_LEVEL": "20",
        "SM_JOB_NAME": record["TrainingJobName"],
        "SM_MODULE_DIR": str(directory or ""),
        "SM_MODULE_NAME": Path(str(program or "")).stem,
        "SM_USER_ENTRY_POINT": str(program or ""),
        "SM_RESOURCE_CONFIG": json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}),
    }
    variables |= {f"SM_CHANNEL_{channel.upper()}": str(opt_ml / "input/data" / channel) for channel in channels}
    variables |= {f"SM_HP_{key.upper().replace('-', '_')}": _argument(value) for key, value in users.items()}
    return command, variables


def _option_value(value: Any) -> str:
    # As SageMaker's training toolkit writes them: True, not true, and a mapping as a=1,b=2.
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    return str(value)


def _option(name: str) -> str:
    return f"-{name}" if len(name) == 1 else f"--{name}"


def _write_training_config(record: Document, opt_ml: Path) -> None:
    config = opt_ml / "input/config"
    channels = {
        channel["ChannelName"]: {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        }
        for channel in record.get("InputDataConfig", [])
    }
    (config / "hyperparameters.json").write_text(json.dumps(record.get("HyperParameters", {})))
    (config / "inputdataconfig.json").write_text(json.dumps(channels))
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))


def _write_processing_config(record: Document, opt_ml: Path) -> None:
    config = opt_ml / "config"
    members = ("ProcessingJobArn", "ProcessingJobName", "AppSpecification", "Environment", "ProcessingInputs")
    described = {member: record[member] for member in (*members, "ProcessingOutputConfig") if member in record}
    (config / "processingjobconfig.json").write_text(json.dumps(described))
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))


def _run_command(
    job: Job, command: list[str], *, cwd: Path, environment: dict[str, str], log: Path, limit: float
) -> _Ended:
    """Run the command in a process group of its own until it ends, is stopped, or ``limit`` seconds are over."""
    base = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(cwd),
        "LANG": "C.UTF-8",
        "TMPDIR": str(log.parent),
        # The log is read while the job runs and must be complete when it dies.
        "PYTHONUNBUFFERED": "1",
        # Idle threads of a numeric library sleep instead of spinning: the cores are this AWS's too.
        "OMP_WAIT_POLICY": "passive",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_LIFELINE), *command],
            cwd=cwd,
            env={**base, **environment},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    job.process = process
    stopped = timed_out = False
    deadline = time.monotonic() + limit
    try:
        while process.poll() is None:
            if job.stop_requested.is_set():
                stopped = True
                break
            if time.monotonic() > deadline:
                timed_out = True
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
        if stopped or timed_out:
            _kill(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)
    finally:
        # The whole group: a script may leave children of its own behind.
        _kill(process, signal.SIGKILL)
        code = process.wait()
        _close(process.stdin)
    return _Ended(code, stopped=stopped, timed_out=timed_out)


def _kill(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
    if process is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with contextlib.suppress(OSError):
            stream.close()


def _first_bytes(path: Path, length: int) -> str:
    try:
        return path.read_bytes()[:length].decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _failure_reason(opt_ml: Path, log: Path, code: int, command: list[str]) -> str:
    written = _first_bytes(opt_ml / "output/failure", _REASON_LENGTH)
    if written:
        return f"AlgorithmError: {written}"[:_REASON_LENGTH]
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    return (
        f'AlgorithmError: ExecuteUserScriptError:\nExitCode {code}\nErrorMessage "{last}"\n'
        f'Command "{" ".join(command)}", exit code: {code}'
    )[:_REASON_LENGTH]


def _final_metrics(record: Document, log: Path) -> list[Document]:
    """Give the last value each metric definition's expression finds in the log."""
    text = log.read_text("utf-8", "replace")
    found = []
    for definition in record["AlgorithmSpecification"].get("MetricDefinitions", []):
        values = re.findall(definition["Regex"], text)
        with contextlib.suppress(IndexError, ValueError, TypeError):
            found.append({"MetricName": definition["Name"], "Value": float(values[-1]), "Timestamp": now()})
    return found


def _send_log(group: str, stream: str, log: Path, account: str, region: str) -> None:
    """Put the job's output into CloudWatch Logs; a log that cannot be written fails no job."""
    lines = log.read_text("utf-8", "replace").splitlines()
    logs = own_clients.client("logs", account, region)
    stamp = int(time.time() * 1000)
    try:
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=group)
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        batch = 1000
        for start in range(0, len(lines), batch):
            events = [{"timestamp": stamp, "message": line or " "} for line in lines[start : start + batch]]
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    except Exception:
        logger.warning("no CloudWatch log for %s", stream, exc_info=True)


# ---------------------------------------------------------------------- statuses


def _move_training(record: Document, secondary: str, message: str) -> None:
    moment = now()
    transitions = record["SecondaryStatusTransitions"]
    if transitions:
        transitions[-1].setdefault("EndTime", moment)
    transitions.append({"Status": secondary, "StartTime": moment, "StatusMessage": message})
    record["SecondaryStatus"] = secondary
    record["LastModifiedTime"] = moment


def _end_training(record: Document, status: str, reason: str | None, *, secondary: str | None = None) -> None:
    record.setdefault("TrainingEndTime", now())
    messages = {
        "Completed": "Training job completed",
        "Failed": "Training job failed",
        "Stopped": "Training job stopped",
    }
    _move_training(record, secondary or status, messages[status])
    record["SecondaryStatusTransitions"][-1]["EndTime"] = record["LastModifiedTime"]
    if "TrainingStartTime" in record:
        seconds = max(1, round(record["TrainingEndTime"] - record["TrainingStartTime"]))
        record["TrainingTimeInSeconds"] = record["BillableTimeInSeconds"] = seconds
    if reason:
        record["FailureReason"] = reason[:_REASON_LENGTH]
    # The status last: whoever sees it must find everything else in place.
    record["TrainingJobStatus"] = status


def _end_processing(record: Document, status: str, reason: str | None) -> None:
    record.setdefault("ProcessingEndTime", now())
    record["LastModifiedTime"] = now()
    if reason:
        record["FailureReason"] = reason[:_REASON_LENGTH]
    record["ProcessingJobStatus"] = status
