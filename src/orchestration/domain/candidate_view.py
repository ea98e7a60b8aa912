"""What a reviewer sees of a candidate and of what a yes changes: gates, endpoint, artifacts, images. Pure.

Made of the verdict's record, ``evidence/<model>/<run>/evaluation.json``, and of the manifest. What they do not say is said to
be not known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.gates import GateShown, gate_shown
from orchestration.domain.json_values import mapping, number, sequence
from orchestration.domain.page import NOT_KNOWN, RESULT, Section, facts_of, figure, known, table_of
from orchestration.domain.policy import PromotionKind
from orchestration.domain.serving import containers_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orchestration.domain.page import Table

GATES_TOLD: Final = 10
"""Gates that a message names; the page has all of them."""

KINDS: Final[Mapping[str, str]] = {
    PromotionKind.ENDPOINT: "endpoint: it is moved to a config that differs in the model only",
    PromotionKind.REGISTRY: "registry: the model package is approved there, and nothing is deployed",
    PromotionKind.PIPELINE: "pipeline: the team's own state machine deploys",
    PromotionKind.NONE: "none: nothing serves",
}
"""What each kind of promotion does."""

VERSION: Final = re.compile(r"(.+)/([0-9]{1,19})")
"""An object's ETag and size, as a verdict keeps them."""

GATE_COLUMNS: Final = ("Gate", "Candidate", "May be", "Champion", "Has to be", RESULT)
METRIC_COLUMNS: Final = ("Metric", "Champion", "Candidate", "Change")

HAS_TO_BE: Final = {">=": "at least", "<=": "at most", ">": "above", "<": "below"}


# The gates.


def gates_of(data: Mapping[str, Any], evaluation: Mapping[str, Any]) -> list[GateShown]:
    """The gates a candidate was judged by, what failed first.

    Args:
        data: data of the approval's wait, which has the gates.
        evaluation: the verdict's record, which has the champion's numbers; may be empty.
    """
    measured = mapping(evaluation.get("verdict"))
    gates = sequence(mapping(data.get("verdict")).get("gates")) or sequence(measured.get("gates"))
    return sorted((gate_shown(mapping(gate), measured) for gate in gates), key=lambda gate: gate.passed)


def gate_facts(gates: Iterable[GateShown]) -> dict[str, str]:
    """Gates as facts of a message: value, how far it may be off, what it has to be."""
    found = list(gates)
    facts = {
        f"gate {gate.name}": f"{_value(gate)}{_range(gate, ' ({})')}, has to be {_needed(gate)}: {_result(gate)}"
        for gate in found[:GATES_TOLD]
    }
    more = len(found) - GATES_TOLD
    return facts | ({"more gates": f"{more:,}, which stand in the verdict's record"} if more > 0 else {})


def candidate_section(data: Mapping[str, Any], evaluation: Mapping[str, Any], confidence: Any) -> Section:
    """The candidate's numbers: gates with bounds and uncertainty, and each metric beside the champion's.

    Args:
        data: data of the approval's wait.
        evaluation: the verdict's record; may be empty.
        confidence: the one the policy asks for; None where it takes values as they are.
    """
    measured = mapping(evaluation.get("verdict"))
    candidate, champion = mapping(measured.get("candidate_metrics")), mapping(measured.get("champion_metrics"))
    gates: list[tuple[str, ...]] = [
        (gate.name, _value(gate), _range(gate, "{}") or "-", figure(gate.champion) or "-", _needed(gate), _result(gate))
        for gate in gates_of(data, evaluation)
    ]
    metrics: list[tuple[str, ...]] = [
        (
            name,
            figure(champion.get(name)) or "not measured",
            figure(value) or "not measured",
            _change(champion.get(name), value),
        )
        for name, value in sorted(candidate.items())
    ]
    sure = number(confidence)
    whole = "" if sure is None else f"; all that a value may be has to be so, at a confidence of {sure:g}"
    tables: list[Table] = []
    if gates:
        tables.append(table_of(f"Gates, failed ones first{whole}", GATE_COLUMNS, gates))
    if metrics:
        tables.append(table_of("Candidate against champion, same data", METRIC_COLUMNS, metrics))
    unsure = "not asked for: the policy has no evaluation.confidence, so the values count as they are"
    return Section(
        "The candidate",
        facts_of(
            ("Verdict", known(mapping(data.get("verdict")).get("sentence"))),
            ("Uncertainty", unsure if gates and sure is None else None),
            ("Metrics", f"{NOT_KNOWN}: the verdict's record is not there" if not measured else None),
        ),
        tuple(tables),
    )


def _value(gate: GateShown) -> str:
    return figure(gate.candidate) or "not measured"


def _range(gate: GateShown, form: str) -> str:
    if gate.lower is None or gate.upper is None:
        return ""
    return form.format(f"{figure(gate.lower)} to {figure(gate.upper)}")


def _needed(gate: GateShown) -> str:
    if gate.needed is None:
        return "measured"
    return f"{HAS_TO_BE.get(gate.comparison, gate.comparison)} {figure(gate.needed)}"


def _result(gate: GateShown) -> str:
    return "pass" if gate.passed else "fail"


def _change(before: Any, after: Any) -> str:
    old, new = number(before), number(after)
    return "-" if old is None or new is None else f"{new - old:+.4g}"


# What changes.


def plan_of_asked(data: Mapping[str, Any], evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The plan a yes carries out: of the verdict's record, else the little of it that the wait has."""
    plan = mapping(mapping(evaluation.get("answer")).get("plan"))
    return plan or mapping(mapping(data.get("verdict")).get("promotion"))


def promotion_section(
    plan: Mapping[str, Any], champion: Mapping[str, Any], follows: Iterable[tuple[str, str | None]]
) -> Section:
    """What serves now and what would, on what; how it is moved and watched.

    Args:
        plan: as ``plan_of_asked`` gives it.
        champion: what served when the run was decided, of its manifest; may be empty.
        follows: what comes of a yes, and of a no.
    """
    kind = str(plan.get("kind"))
    facts: list[tuple[str, Any]] = [*follows, ("Kind of promotion", KINDS.get(kind, NOT_KNOWN))]
    tables: tuple[Table, ...] = ()
    if kind == PromotionKind.ENDPOINT:
        facts += _endpoint_facts(plan, champion)
        tables = _variants(plan, champion)
        if not tables:
            facts.append(("Variants", f"{NOT_KNOWN}: {_why_no_variants(plan)}"))
    elif kind == PromotionKind.REGISTRY:
        facts.append(("Model package", known(plan.get("model_package_arn"))))
    elif kind == PromotionKind.PIPELINE:
        facts += [("State machine", known(plan.get("target"))), ("Its execution", known(plan.get("execution_name")))]
    return Section("What changes", facts_of(*facts), tables)


def _endpoint_facts(plan: Mapping[str, Any], champion: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "Endpoint", known(plan.get("endpoint"))
    yield "Config now", known(plan.get("previous_config"))
    yield "Config then", known(plan.get("wanted_config"))
    made = mapping(plan.get("create_model"))
    if made or champion:
        yield "Model now", known(champion.get("model_name"))
        yield "Model then", known(made.get("ModelName"))
    update = mapping(plan.get("update_endpoint"))
    if not update:
        yield "How it moves", f"{NOT_KNOWN}: the verdict's record is not there"
        return
    number_of = "the endpoint has" if update.get("RetainAllVariantProperties") else "the table has"
    yield "Instances", f"of the types they are now, as many as {number_of}"
    yield "How it moves", _moved(mapping(update.get("DeploymentConfig")))
    alarms = ", ".join(map(str, sequence(plan.get("alarms"))))
    minutes = (number(plan.get("bake_seconds")) or 0) / 60
    if minutes and alarms:
        said = f"{minutes:g} min by {alarms}; when one goes off, the champion comes back"
        if plan.get("inconclusive"):
            said += f"; when they say nothing: {plan['inconclusive']}"
    else:
        said = f"{minutes:g} min, by no alarm" if minutes else "not at all: the promotion counts as soon as it serves"
    yield "Watched", said


def _moved(deployment: Mapping[str, Any]) -> str:
    if "RollingUpdatePolicy" in deployment:
        return "batch by batch (rolling)"
    routing = mapping(mapping(deployment.get("BlueGreenUpdatePolicy")).get("TrafficRoutingConfiguration"))
    words = {"ALL_AT_ONCE": "all at once", "CANARY": "a canary first", "LINEAR": "step by step"}
    return f"a second fleet beside the first, {words.get(str(routing.get('Type')), 'all at once')}"


def _variants(plan: Mapping[str, Any], champion: Mapping[str, Any]) -> tuple[Table, ...]:
    config = mapping(plan.get("create_endpoint_config"))
    new = mapping(plan.get("create_model")).get("ModelName")
    rows = [
        (
            f"{variant.get('VariantName')}{shadow}",
            str(
                known(champion.get("model_name"))
                if variant.get("ModelName") == new
                else known(variant.get("ModelName"))
            ),
            str(known(variant.get("ModelName"))),
            _instances(variant),
        )
        for key, shadow in (("ProductionVariants", ""), ("ShadowProductionVariants", " (shadow)"))
        for variant in map(mapping, sequence(config.get(key)))
    ]
    return (
        (table_of("Variants of the endpoint", ("Variant", "Model now", "Model then", "Instances"), rows),)
        if rows
        else ()
    )


def _why_no_variants(plan: Mapping[str, Any]) -> str:
    if "create_endpoint_config" in plan:
        return "the config then was made before, by whom its own records say"
    return "the verdict's record is not there"


def _instances(variant: Mapping[str, Any]) -> str:
    serverless = mapping(variant.get("ServerlessConfig"))
    if serverless:
        return f"serverless, {figure(serverless.get('MemorySizeInMB')) or NOT_KNOWN} MB"
    count = number(variant.get("InitialInstanceCount"))
    kind = variant.get("InstanceType")
    return f"{NOT_KNOWN if count is None else f'{count:g}'} x {kind}" if kind else NOT_KNOWN


# Artifact and image.


def artifacts_section(
    data: Mapping[str, Any], evaluation: Mapping[str, Any], champion: Mapping[str, Any], training_image: Any
) -> Section:
    """What would serve by its digest, and what serves: data, packages and images.

    Args:
        data: data of the approval's wait.
        evaluation: the verdict's record; empty before a training.
        champion: what served when the run was decided, of its manifest; may be empty.
        training_image: the image that a training job runs; None where the training target names its own.
    """
    plan = plan_of_asked(data, evaluation)
    versions = mapping(evaluation.get("versions")) or mapping(data.get("versions"))
    copies = {
        str(copy.get("uri")): copy for copy in map(mapping, sequence(mapping(evaluation.get("answer")).get("copies")))
    }
    rows: list[tuple[str, str, str]] = []
    named: set[str] = set()
    containers = containers_of(mapping(plan.get("create_model"))) or _containers_given(plan)
    for place, container in enumerate(containers, 1):
        of = f" {place}" if len(containers) > 1 else ""
        if container.get("ModelDataUrl"):
            uri = str(container["ModelDataUrl"])
            named.add(uri)
            rows.append((f"Artifact{of}", uri, version_said(versions.get(uri))))
            if uri in copies:
                source = copies[uri]
                rows.append(
                    (f"Artifact{of}, copied from", str(source.get("source")), version_said(source.get("version")))
                )
        if container.get("Image"):
            rows.append((f"Image{of}", str(container["Image"]), image_digest(container["Image"])))
    report = evaluation.get("evaluation_uri")
    for uri, version in sorted(versions.items()):
        if uri not in named:
            what = "Report" if uri == report else "Model package" if str(uri).startswith("arn:") else "Artifact"
            rows.append((what, str(uri), version_said(version)))
    if training_image:
        rows.append(("Training image", str(training_image), image_digest(training_image)))
    now = [("Artifact now", champion.get("model_data_uri")), ("Image now", champion.get("image"))]
    rows += [(what, str(uri), image_digest(uri) if what == "Image now" else NOT_KNOWN) for what, uri in now if uri]
    if not rows:
        return Section("Artifact and image", (("Artifact and image", f"{NOT_KNOWN}: no record names them"),))
    facts: tuple[tuple[str, str], ...] = ()
    if data.get("verdict") and not any(row[0].startswith("Image") and row[0] != "Image now" for row in rows):
        facts = (("Image", f"{NOT_KNOWN}: no record of the loop names it"),)
    return Section("Artifact and image", facts, (table_of("By their digests", ("Part", "Where", "Digest"), rows),))


def _containers_given(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Artifact and image in the input of a team's own deployment, as a container has them."""
    given = mapping(plan.get("input"))
    container = {"ModelDataUrl": given.get("model_data_url"), "Image": given.get("image")}
    return [container] if any(container.values()) else []


def version_said(version: Any) -> str:
    """What tells one content from another, for people: an ETag with its size, or the SHA-256 of a package's containers."""
    if not version:
        return NOT_KNOWN
    of_object = VERSION.fullmatch(str(version))
    return f"ETag {of_object[1]}, {int(of_object[2]):,} bytes" if of_object else f"SHA-256 {version}"


def image_digest(image: Any) -> str:
    """The digest an image is named by."""
    _, at, digest = str(image).rpartition("@")
    return digest if at else f"{NOT_KNOWN}: it is named by a tag, which may be moved"
