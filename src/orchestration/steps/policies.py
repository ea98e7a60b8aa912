"""Policies as the bucket holds them: loaded by key, checked, with the last good version to fall back to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.domain.contracts import MODEL_TAG
from orchestration.domain.documents import Unreadable
from orchestration.domain.errors import PolicyError
from orchestration.domain.json_values import model_name
from orchestration.domain.notification import Message
from orchestration.domain.policy import Policy, parse_policy

if TYPE_CHECKING:
    from orchestration.ports import Ports


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """The policy in force, and what is wrong with the newest file if it is not that one."""

    policy: Policy
    findings: tuple[str, ...] = ()


def policy_key(model: str) -> str:
    """Key of a model's policy file."""
    return f"policies/{model}.json"


def load_policy(ports: Ports, model: str) -> LoadedPolicy | None:
    """The policy in force for a model, or None when the loop does not know the model.

    Known is a model that has a policy file, or is the stack's DefaultModel; deleting its file takes a model out.
    """
    document = ports.bucket.read(ports.bucket.uri(policy_key(model)))
    if document.unreadable is Unreadable.MISSING:
        if model != ports.settings.default_model:
            return None
        return LoadedPolicy(parse_policy(model, None, version="defaults", settings=ports.settings))
    if document.body is None:
        findings: tuple[str, ...] = (f"$: {document.uri} cannot be read ({document.unreadable}).",)
    else:
        try:
            policy = parse_policy(model, document.body, version=document.version, settings=ports.settings)
        except PolicyError as error:
            findings = error.findings
        else:
            kept = ports.table.good_policy(model)
            if kept is None or kept[0] != document.version:
                ports.table.keep_good_policy(model, document.version, document.body)
            return LoadedPolicy(policy)
    _tell_once(ports, model, document.version or str(document.unreadable), findings)
    good = ports.table.good_policy(model)
    if good is None:
        return LoadedPolicy(parse_policy(model, None, version="defaults", settings=ports.settings), findings)
    try:
        return LoadedPolicy(parse_policy(model, good[1], version=good[0], settings=ports.settings), findings)
    except PolicyError as error:
        # The stack was updated to a stricter schema since that file was good.
        older = (*findings, f"The last good version {good[0]} is not valid any more: {' '.join(error.findings)}")
        return LoadedPolicy(parse_policy(model, None, version="defaults", settings=ports.settings), older)


def _tell_once(ports: Ports, model: str, version: str, findings: tuple[str, ...]) -> None:
    """Tell operators of a policy file that is not valid, once for each version of the file.

    Told before it is noted: a process that dies in between tells twice rather than never.
    """
    if ports.table.noted_bad_policy(model) == version:
        return
    uri = ports.bucket.uri(policy_key(model))
    ports.channels.tell(
        Message(
            model=model,
            status="POLICY_INVALID",
            title="policy file is not valid",
            sentence=f"{uri} is not valid, so the last good version stays in force: {' '.join(findings)}",
            next_steps=(
                "Correct the file, check it with make validate POLICY=<file>, upload it again.",
                f"Runbook: {ports.settings.runbook_url}#policy-invalid",
            ),
        )
    )
    ports.table.note_bad_policy(model, version)


def model_of_endpoint(ports: Ports, endpoint: str) -> str | None:
    """The model an endpoint serves: the policy of the same name, the endpoint's tag, or the default model's endpoint."""
    name = model_name(endpoint)
    if name is None:
        return None
    if name == ports.settings.default_model or load_policy(ports, name) is not None:
        return name
    described = ports.sagemaker.endpoint(name)
    tagged = model_name(ports.sagemaker.tag(described["EndpointArn"], MODEL_TAG)) if described else None
    if tagged is not None:
        return tagged
    default = model_name(ports.settings.default_model)
    loaded = load_policy(ports, default) if default else None
    return default if loaded and loaded.policy.promotion.endpoint == name else None
