"""Policies as the bucket holds them: loaded by key, checked, with the last good version to fall back to."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.domain.contracts import MODEL_TAG
from orchestration.domain.documents import Unreadable
from orchestration.domain.errors import PolicyError
from orchestration.domain.json_values import model_name
from orchestration.domain.messages import policy_invalid
from orchestration.domain.policy import POLICY_FILE_LIMIT, Policy, parse_policy
from orchestration.steps.due_work import attempt
from orchestration.steps.telling import message_told, tell

if TYPE_CHECKING:
    from orchestration.domain.documents import Document
    from orchestration.ports import OperatorPorts, Ports


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """The policy in force, and what is wrong with the newest file, ``document``, if it is not that one.

    ``unreadable``: nobody knows what the newest file says, since it may not be read.
    """

    policy: Policy
    document: Document
    findings: tuple[str, ...] = ()
    unreadable: bool = False


def policy_key(model: str) -> str:
    """Key of a model's policy file."""
    return f"policies/{model}.json"


def effective_policy(ports: OperatorPorts, model: str) -> LoadedPolicy | None:
    """The policy in force for a model, or None when the loop does not know the model. Reads only.

    Known is a model that has a policy file, or is the stack's DefaultModel; deleting its file takes a model out.
    """
    return _effective(ports, model, _file(ports, model))


def load_policy(ports: Ports, model: str) -> LoadedPolicy | None:
    """``effective_policy``, and ``follow_policy``."""
    loaded = effective_policy(ports, model)
    if loaded is not None:
        kept = ports.table.good_policy(model)
        follow_policy(ports, loaded, None if kept is None else kept[0])
    return loaded


def follow_policy(ports: Ports, loaded: LoadedPolicy, good_version: str | None) -> None:
    """What follows from reading a file: a good one is kept, a bad one is told of once.

    Args:
        ports: the outside.
        loaded: what was read.
        good_version: the version of the last good one that is kept.
    """
    model, document = loaded.policy.model, loaded.document
    if loaded.findings:
        _tell_once(ports, model, document.version or str(document.unreadable), loaded)
    elif document.body is not None and good_version != document.version:
        ports.table.keep_good_policy(model, document.version, document.body)


def _file(ports: OperatorPorts, model: str) -> Document:
    return ports.bucket.read(ports.bucket.uri(policy_key(model)), at_most=POLICY_FILE_LIMIT)


def _effective(ports: OperatorPorts, model: str, document: Document) -> LoadedPolicy | None:
    defaults = functools.partial(parse_policy, model, None, version="defaults", settings=ports.settings)
    if document.unreadable is Unreadable.MISSING:
        return LoadedPolicy(defaults(), document) if model == ports.settings.default_model else None
    if document.unreadable is Unreadable.TOO_LARGE:
        findings: tuple[str, ...] = (f"$: has more than {POLICY_FILE_LIMIT} bytes. Put what is large into S3.",)
    elif document.body is None:
        findings = (f"$: {document.uri} cannot be read ({document.unreadable}).",)
    else:
        try:
            policy = parse_policy(model, document.body, version=document.version, settings=ports.settings)
            return LoadedPolicy(policy, document)
        except PolicyError as error:
            findings = error.findings
    good, unreadable = ports.table.good_policy(model), document.unreadable is Unreadable.ACCESS_DENIED
    if good is None:
        return LoadedPolicy(defaults(), document, findings, unreadable)
    try:
        policy = parse_policy(model, good[1], version=good[0], settings=ports.settings)
        return LoadedPolicy(policy, document, findings, unreadable)
    except PolicyError as error:
        # The stack was updated to a stricter schema since that file was good.
        older = (*findings, f"The last good version {good[0]} is not valid any more: {' '.join(error.findings)}")
        return LoadedPolicy(defaults(), document, older, unreadable)


def _instead(loaded: LoadedPolicy) -> str:
    if loaded.policy.version == "defaults":
        return "every signal is held, since no version of it was ever good"
    return f"version {loaded.policy.version}, the last good one, stays in force"


def _tell_once(ports: Ports, model: str, version: str, loaded: LoadedPolicy) -> None:
    """Tell operators of a policy file that is not valid, once for each version of the file.

    The item that tells comes before the note: a process that dies in between tells twice rather than never.
    """
    if ports.table.noted_bad_policy(model) == version:
        return
    uri = ports.bucket.uri(policy_key(model))
    message = policy_invalid(
        ports.settings.speaker, model=model, uri=uri, instead=_instead(loaded), findings=loaded.findings
    )
    item = message_told(message, ports.now())
    ports.table.add_due(item)
    ports.table.note_bad_policy(model, version)
    attempt(ports, item, tell)


def policy_written(ports: OperatorPorts, model: str) -> str:
    """When the policy file was written that lies there now, and by whom as far as it says: nothing proves that."""
    document = ports.bucket.read(ports.bucket.uri(policy_key(model)))
    if document.unreadable is Unreadable.MISSING:
        return "no file: the stack's defaults"
    by = f" by {document.written_by}, as it says itself" if document.written_by else "; it does not say by whom"
    return f"version {document.version} of {document.written_at or 'an unknown time'}{by}"


def model_of_schedule(ports: Ports, schedule: str) -> str | None:
    """The model that a monitoring schedule's tag names; nothing else says whose the monitor of batch transforms is."""
    described = ports.sagemaker.monitoring_schedule(schedule)
    return model_name(ports.sagemaker.tag(described["MonitoringScheduleArn"], MODEL_TAG)) if described else None


def model_of_endpoint(ports: Ports, endpoint: str) -> str | None:
    """The model an endpoint serves: by its tag, else the policy of the same name, else the default model's endpoint.

    The tag comes first: a policy file of an endpoint's name would else draw in the signals of the model it serves.
    """
    name = model_name(endpoint)
    if name is None:
        return None
    described = ports.sagemaker.endpoint(name)
    tagged = model_name(ports.sagemaker.tag(described["EndpointArn"], MODEL_TAG)) if described else None
    if tagged is not None:
        return tagged
    if name == ports.settings.default_model or effective_policy(ports, name) is not None:
        return name
    default = model_name(ports.settings.default_model)
    loaded = effective_policy(ports, default) if default else None
    return default if loaded and loaded.policy.promotion.endpoint == name else None
