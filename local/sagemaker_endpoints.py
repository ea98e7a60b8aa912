"""Endpoints: their lifecycle over time, and the model server behind each.

An update keeps the old configuration serving, and in Describe, until it is done; then, or when it rolls back, the
endpoint is ``InService`` again. The new one is in ``PendingDeploymentSummary`` while the status is ``Updating``; a
roll-back takes its fleet down, and it is no longer named. How long a transition takes is ``LOCAL_ENDPOINT_SECONDS``
(default 0.5).
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ministack.core.responses import get_account_id, get_region

from local import own_clients, sagemaker_events
from local.s3_folders import DownloadError, download_and_unpack
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
from local.seam import cloudwatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

logger = logging.getLogger(__name__)

_WORKER = Path(__file__).with_name("sagemaker_serving_worker.py")
_DEFAULT_SECONDS = 0.5
_CONTENT_TYPE = "application/octet-stream"
_UNHEALTHY = "The primary container did not pass the ping health check."
# What autoscaling moves: the member that follows, and the one that leads.
_DESIRED = {"CurrentWeight": "DesiredWeight", "CurrentInstanceCount": "DesiredInstanceCount"}

Fate = Literal["fail", "roll_back"]
"""What the next creation or update of an endpoint is told to end with, instead of succeeding."""


def _transition_seconds() -> float:
    return float(os.environ.get("LOCAL_ENDPOINT_SECONDS", _DEFAULT_SECONDS))


@dataclass
class ModelServer:
    """The subprocess that holds one model, started at the first invocation."""

    container: Document
    account: str
    region: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    process: subprocess.Popen[str] | None = None
    folder: Path | None = None

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Answer one request with the model's prediction and its content type.

        Raises:
            ApiError: ``ModelError``, the model cannot be loaded or the script raised.
        """
        with self.lock:
            process = self._running()
            request = {"body": base64.b64encode(body).decode(), "content_type": content_type, "accept": accept}
            answer = _ask(process, request)
        if "error" in answer:
            raise _model_error(answer["error"])
        return base64.b64decode(answer["body"]), answer["content_type"]

    def _running(self) -> subprocess.Popen[str]:
        if self.process is not None and self.process.poll() is None:
            return self.process
        self.end()
        self.folder = Path(tempfile.mkdtemp(prefix="endpoint-"))
        s3 = own_clients.client("s3", self.account, self.region)
        environment = self.container.get("Environment", {})
        try:
            if "ModelDataUrl" in self.container:
                download_and_unpack(s3, self.container["ModelDataUrl"], self.folder / "model")
            program = environment.get("SAGEMAKER_PROGRAM", "inference.py")
            submitted = environment.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
            code = self.folder / "model/code"
            if submitted.startswith("s3://"):
                code = self.folder / "code"
                download_and_unpack(s3, submitted, code)
        except DownloadError as error:
            raise _model_error(str(error)) from error
        if not (code / program).is_file():
            raise _model_error(
                f"there is no {program} to serve with: give the model SAGEMAKER_PROGRAM and "
                "SAGEMAKER_SUBMIT_DIRECTORY, or put code/inference.py into its model.tar.gz"
            )
        process = subprocess.Popen(
            [sys.executable, str(_WORKER), str(self.folder / "model"), str(code), program],
            cwd=self.folder,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self.folder),
                "LANG": "C.UTF-8",
                **own_clients.job_environment(self.account, self.region),
                **environment,
                "SM_MODEL_DIR": str(self.folder / "model"),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.process = process
        first = _read(process)
        if "error" in first:
            self.end()
            raise _model_error(first["error"])
        return process

    def end(self) -> None:
        """End the subprocess and remove its files; the next invocation starts a new one."""
        if self.process is not None:
            with contextlib.suppress(OSError):
                self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            self.process = None
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None


def _ask(process: subprocess.Popen[str], request: Document) -> Document:
    if process.stdin is None:
        raise _model_error("the model server takes no requests")
    try:
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
    except OSError:
        raise _model_error("the model server died") from None
    return _read(process)


def _read(process: subprocess.Popen[str]) -> Document:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        return {"error": "the model server died"}
    answer: Document = json.loads(line)
    return answer


def _model_error(message: str) -> ApiError:
    return ApiError(
        "ModelError",
        f'Received server error (500) from primary with message "{message}".',
        424,
    )


@dataclass
class Endpoint:
    """An endpoint: what Describe answers, the server of its live configuration, and what is to go wrong next."""

    record: Document
    server: ModelServer | None = None
    next_update: Fate | None = None
    seconds: float | None = None
    lose_response: bool = False


class Endpoints:
    """All endpoints of the server.

    Args:
        describe: Calls another SageMaker action (``DescribeEndpointConfig``, ``DescribeModel``) in process.
    """

    def __init__(self, describe: Callable[[str, Document], Document]) -> None:
        self._describe = describe
        self.records = Records()
        self._lock = threading.Lock()

    # ------------------------------------------------------------------ the API

    def create_endpoint(self, request: Document) -> Document:
        """CreateEndpoint: ``Creating``, then ``InService``."""
        name = request["EndpointName"]
        endpoint_arn = arn("endpoint", name)
        if self.records.get(name):
            raise validation_error(f'Cannot create already existing endpoint "{endpoint_arn}".')
        config = self._config(request["EndpointConfigName"])
        created = now()
        endpoint = Endpoint(
            {
                "EndpointName": name,
                "EndpointArn": endpoint_arn,
                "EndpointConfigName": request["EndpointConfigName"],
                "ProductionVariants": _variant_summaries(config),
                "EndpointStatus": "Creating",
                "CreationTime": created,
                "LastModifiedTime": created,
            }
        )
        for tag in request.get("Tags", []):
            # A tag says at creation what the control address says later; creation itself can be told to fail.
            if tag["Key"] == "local:next_update" and tag["Value"] in ("fail", "roll_back"):
                endpoint.next_update = tag["Value"]
        if "DeploymentConfig" in request:
            endpoint.record["LastDeploymentConfig"] = request["DeploymentConfig"]
        self.records.put(name, endpoint)
        sagemaker_events.endpoint_changed(endpoint.record)
        self._after_a_while(lambda: self._created(endpoint, config), endpoint)
        return {"EndpointArn": endpoint_arn}

    def update_endpoint(self, request: Document) -> Document:
        """UpdateEndpoint: ``Updating`` with the old configuration, then ``InService`` with the new one.

        It rolls back, as on AWS, when an alarm of its ``AutoRollbackConfiguration`` is in ALARM at the end. Instance
        counts and weights are the new configuration's, unless ``RetainAllVariantProperties`` is true: then variants
        that keep their name keep those they have.

        Raises:
            ApiError: ``ValidationException``, unknown endpoint or configuration, or an update is going on.
        """
        endpoint = self._endpoint(request["EndpointName"])
        record = endpoint.record
        config = self._config(request["EndpointConfigName"])
        with self._lock:
            if record["EndpointStatus"] != "InService":
                raise validation_error(f'Cannot update in-progress endpoint "{record["EndpointArn"]}".')
            variants = _updated_variants(record["ProductionVariants"], config, request)
            started = now()
            record["EndpointStatus"] = "Updating"
            record["LastModifiedTime"] = started
            record.pop("FailureReason", None)
            record["PendingDeploymentSummary"] = {
                "EndpointConfigName": request["EndpointConfigName"],
                "ProductionVariants": variants,
                "StartTime": started,
            }
            deployment = request.get("DeploymentConfig", {})
            if not deployment and request.get("RetainDeploymentConfig"):
                deployment = record.get("LastDeploymentConfig", {})
            if deployment:
                record["LastDeploymentConfig"] = deployment
        sagemaker_events.endpoint_changed(record)
        alarms = [alarm["AlarmName"] for alarm in deployment.get("AutoRollbackConfiguration", {}).get("Alarms", [])]
        self._after_a_while(lambda: self._updated(endpoint, config, variants, alarms), endpoint)
        if endpoint.lose_response:
            endpoint.lose_response = False
            raise ApiError("SdkClientException", "The connection broke before the answer came; the update goes on.")
        return {"EndpointArn": record["EndpointArn"]}

    def update_weights_and_capacities(self, request: Document) -> Document:
        """UpdateEndpointWeightsAndCapacities, as autoscaling calls it: ``Updating``, then ``InService``.

        The desired numbers change at once and the current ones at the end; no deployment is pending. What the control
        address says of the next update waits for an update.

        Raises:
            ApiError: ``ValidationException``, no such endpoint or variant, or an update is going on.
        """
        endpoint = self._endpoint(request["EndpointName"])
        record = endpoint.record
        wishes = {wish["VariantName"]: wish for wish in request["DesiredWeightsAndCapacities"]}
        with self._lock:
            if record["EndpointStatus"] != "InService":
                raise validation_error(f'Cannot update in-progress endpoint "{record["EndpointArn"]}".')
            if unknown := sorted(set(wishes) - {variant["VariantName"] for variant in record["ProductionVariants"]}):
                raise validation_error(f'Could not find variants {unknown} of endpoint "{record["EndpointArn"]}".')
            record["ProductionVariants"] = [
                variant | _members(wishes.get(variant["VariantName"], {}), _DESIRED.values())
                for variant in record["ProductionVariants"]
            ]
            record["EndpointStatus"] = "Updating"
            record["LastModifiedTime"] = now()
        sagemaker_events.endpoint_changed(record)
        self._after_a_while(lambda: self._scaled(endpoint), endpoint)
        return {"EndpointArn": record["EndpointArn"]}

    def describe_endpoint(self, request: Document) -> Document:
        """DescribeEndpoint; ``EndpointConfigName`` is the configuration that serves, also during an update."""
        with self._lock:
            # As of one moment: status and configuration change together.
            return dict(self._endpoint(request["EndpointName"]).record)

    def delete_endpoint(self, request: Document) -> Document:
        """DeleteEndpoint: at once, and its model server with it."""
        endpoint = self._endpoint(request["EndpointName"])
        if endpoint.record["EndpointStatus"] in ("Updating", "RollingBack"):
            raise validation_error(f'Cannot update in-progress endpoint "{endpoint.record["EndpointArn"]}".')
        self.records.remove(request["EndpointName"])
        endpoint.record["EndpointStatus"] = "Deleting"
        endpoint.record["LastModifiedTime"] = now()
        sagemaker_events.endpoint_changed(endpoint.record)
        _end(endpoint.server)
        return {}

    def list_endpoints(self, request: Document) -> Document:
        """ListEndpoints."""
        return list_page(
            [endpoint.record for endpoint in self.records.all()],
            request,
            result_key="Endpoints",
            name_key="EndpointName",
            status_key="EndpointStatus",
        )

    def control(self, name: str, wish: Document) -> Document:
        """Tell an endpoint how its next update ends, how long it takes, and whether its answer gets lost.

        ``{"next_update": "fail" | "roll_back" | null, "seconds": 1.5, "lose_response": true}``; all are optional.

        Raises:
            ApiError: No such endpoint, or no such wish.
        """
        fate = wish.get("next_update")
        seconds = wish.get("seconds")
        legal = fate in ("fail", "roll_back", None) and isinstance(seconds, (int, float, type(None)))
        if not wish or not legal or set(wish) - {"next_update", "seconds", "lose_response"}:
            raise validation_error(
                'The body is {"next_update": "fail"}, {"next_update": "roll_back"} or null, "seconds": a number, and '
                '"lose_response": true or false.'
            )
        endpoint = self._endpoint(name)
        endpoint.next_update, endpoint.seconds = fate, seconds
        endpoint.lose_response = wish.get("lose_response") is True
        return {"EndpointName": name, **wish}

    def invoke(self, name: str, body: bytes, content_type: str, accept: str) -> tuple[bytes, dict[str, str]]:
        """InvokeEndpoint: the body of the answer and its headers.

        Raises:
            ApiError: ``ValidationError``, there is no such endpoint or it does not serve; ``ModelError``.
        """
        endpoint: Endpoint | None = self.records.get(name)
        if endpoint is None:
            raise ApiError("ValidationError", f"Endpoint {name} of account {get_account_id()} not found.")
        server = endpoint.server
        if server is None:
            status = endpoint.record["EndpointStatus"]
            raise ApiError("ValidationError", f"Endpoint {name} is in status {status} and cannot serve.")
        payload, kind = server.invoke(body, content_type or _CONTENT_TYPE, accept or "application/json")
        variant = endpoint.record["ProductionVariants"][0]["VariantName"]
        return payload, {"Content-Type": kind, "x-Amzn-Invoked-Production-Variant": variant}

    def abandon_all(self) -> None:
        """End every model server and forget every endpoint, at a reset or at shutdown."""
        endpoints = self.records.everywhere()
        self.records.clear()
        for endpoint in endpoints:
            if endpoint.server is not None and endpoint.server.process is not None:
                # First, so that a prediction that hangs does not hold the lock that ending it takes.
                endpoint.server.process.kill()
            _end(endpoint.server)

    # ------------------------------------------------------------------ transitions

    def _after_a_while(self, step: Callable[[], None], endpoint: Endpoint) -> None:
        name = endpoint.record["EndpointName"]
        wait = threading.Event()
        seconds = _transition_seconds() if endpoint.seconds is None else endpoint.seconds
        endpoint.seconds = None

        def run() -> None:
            wait.wait(seconds)
            # Deleted, or swept away by a reset, in the meantime: nothing is left to change.
            if self.records.get(name) is endpoint:
                try:
                    step()
                except Exception:
                    logger.exception("transition of endpoint %s", name)

        in_background(run, f"endpoint-{name}")

    def _created(self, endpoint: Endpoint, config: Document) -> None:
        fate, endpoint.next_update = endpoint.next_update, None
        if fate:
            self._arrive(endpoint, "Failed", FailureReason=_UNHEALTHY)
            return
        endpoint.server = self._server(config)
        self._arrive(endpoint, "InService")

    def _updated(self, endpoint: Endpoint, config: Document, variants: list[Document], alarms: list[str]) -> None:
        fate, endpoint.next_update = endpoint.next_update, None
        firing = [name for name in alarms if _alarm_is_firing(name)]
        if fate == "fail":
            self._arrive(endpoint, "Failed", FailureReason=_UNHEALTHY, PendingDeploymentSummary=None)
        elif fate == "roll_back" or firing:
            because = f"the alarm {firing[0]} is in ALARM" if firing else "it was told to"
            reason = f"The update was rolled back: {because}."
            self._arrive(endpoint, "RollingBack", FailureReason=reason, PendingDeploymentSummary=None)
            self._after_a_while(lambda: self._arrive(endpoint, "InService"), endpoint)
        else:
            old, endpoint.server = endpoint.server, self._server(config)
            self._arrive(
                endpoint,
                "InService",
                EndpointConfigName=config["EndpointConfigName"],
                ProductionVariants=variants,
                PendingDeploymentSummary=None,
            )
            _end(old)

    def _scaled(self, endpoint: Endpoint) -> None:
        variants = [
            variant | {current: variant[desired] for current, desired in _DESIRED.items()}
            for variant in endpoint.record["ProductionVariants"]
        ]
        self._arrive(endpoint, "InService", ProductionVariants=variants)

    def _arrive(self, endpoint: Endpoint, status: str, **changes: Any) -> None:
        """Take the status and what changes along with it; a member that is None is gone from then on."""
        record = endpoint.record
        with self._lock:
            record |= {**changes, "LastModifiedTime": now(), "EndpointStatus": status}
            for gone in [key for key, value in changes.items() if value is None]:
                del record[gone]
        sagemaker_events.endpoint_changed(record)

    # ------------------------------------------------------------------ what an endpoint is made of

    def _endpoint(self, name: str) -> Endpoint:
        endpoint: Endpoint | None = self.records.get(name)
        if endpoint is None:
            raise validation_error(f'Could not find endpoint "{arn("endpoint", name)}".')
        return endpoint

    def _config(self, name: str) -> Document:
        try:
            return self._describe("DescribeEndpointConfig", {"EndpointConfigName": name})
        except ApiError:
            missing = arn("endpoint-config", name)
            raise validation_error(f'Could not find endpoint configuration "{missing}".') from None

    def _server(self, config: Document) -> ModelServer:
        model = self._describe("DescribeModel", {"ModelName": config["ProductionVariants"][0]["ModelName"]})
        containers = model.get("Containers") or []
        container = model.get("PrimaryContainer") or (containers[0] if containers else {})
        if "ModelPackageName" in container and "ModelDataUrl" not in container:
            package = self._describe("DescribeModelPackage", {"ModelPackageName": container["ModelPackageName"]})
            packaged = package["InferenceSpecification"]["Containers"][0]
            environment = {**packaged.get("Environment", {}), **container.get("Environment", {})}
            container = {**packaged, "Environment": environment}
        return ModelServer(container, get_account_id(), get_region())


def _end(server: ModelServer | None) -> None:
    if server is not None:
        # Not while it answers: the request that is being served gets its answer, as on AWS.
        with server.lock:
            server.end()


def _variant_summaries(config: Document) -> list[Document]:
    return [
        {
            "VariantName": variant["VariantName"],
            "CurrentWeight": variant.get("InitialVariantWeight", 1.0),
            "DesiredWeight": variant.get("InitialVariantWeight", 1.0),
            "CurrentInstanceCount": variant.get("InitialInstanceCount", 1),
            "DesiredInstanceCount": variant.get("InitialInstanceCount", 1),
        }
        for variant in config["ProductionVariants"]
    ]


def _updated_variants(before: list[Document], config: Document, request: Document) -> list[Document]:
    """Give the variants of the new configuration, with what an UpdateEndpoint request retains of those of before."""
    if not request.get("RetainAllVariantProperties"):
        return _variant_summaries(config)
    overridden = {item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties", [])}
    kept = [
        member for current, desired in _DESIRED.items() if desired not in overridden for member in (current, desired)
    ]
    by_name = {variant["VariantName"]: variant for variant in before}
    return [variant | _members(by_name.get(variant["VariantName"], {}), kept) for variant in _variant_summaries(config)]


def _members(document: Document, names: Iterable[str]) -> Document:
    return {name: document[name] for name in names if name in document}


def _alarm_is_firing(name: str) -> bool:
    alarm: dict[str, Any] | None = cloudwatch.alarms.get(name) or cloudwatch.composite_alarms.get(name)
    return alarm is not None and alarm["StateValue"] == "ALARM"
