"""What the policy reference says of a key is what the loop does: its default, the effect of leaving it out, its example."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from ops.given_files import FileKind, default_settings
from ops.given_schemas import schema_of
from ops.schema_reference import NO_DEFAULT, Key, keys_of, takes, within
from ops.template import sources
from orchestration.domain.contracts import Severity
from orchestration.domain.errors import PolicyError
from orchestration.domain.evaluation import METRIC_GROUPS, Standing, evaluate
from orchestration.domain.policy import Policy, parse_policy, policy_sha256, validate_policy
from orchestration.settings import Settings

GROUP: Final = METRIC_GROUPS[0]
STACK: Final = replace(default_settings(), training_pipeline_arn="")
ASKED: Final = {"metric": "auc", "min_improvement": 0.0}
SERVED: Final = {"evaluation": ASKED, "promotion": {"endpoint": "fraud-prod"}}

BESIDE: Final[dict[str, dict[str, Any]]] = {
    "evaluation": {},
    "evaluation.guards[]": {"evaluation": {**ASKED, "guards": [{"metric": "recall"}]}},
    "evaluation.": {"evaluation": ASKED},
    "promotion": SERVED,
    "training.request": {"training": {"target": "training-job"}},
    "training.parameters": {"training": {"target": "arn:aws:sagemaker:us-east-1:111122223333:pipeline/fraud"}},
}
"""What a file needs besides a key, by the beginning of its path; the longest counts. Others need nothing."""

APART: Final[dict[str, dict[str, Any]]] = {
    "approval.deputies": {"voters": ["ana"]},
    "promotion.kind": {"evaluation": ASKED},
    "promotion.target": {"evaluation": ASKED, "promotion": {"kind": "pipeline"}},
    "evaluation.champion": {"evaluation": {"metric": "auc", "minimum": 0.8}},
    "evaluation.lower_is_better": {"evaluation": {"metric": "lift", "min_improvement": 0.0}},
    "evaluation.guards[].lower_is_better": {"evaluation": {**ASKED, "guards": [{"metric": "lift"}]}},
    "evaluation.guards[].max_regression": {"evaluation": {**ASKED, "guards": [{"metric": "recall", "minimum": 0.5}]}},
}
"""Keys whose example asks for something else beside it."""

NEEDED: Final = {
    "schema_version",
    "model",
    "evaluation.metric",
    "evaluation.guards[].metric",
    "promotion.target",
    "training.request",
    "evaluation.lower_is_better",
    "evaluation.guards[].lower_is_better",
}
"""Keys without which a file is refused that has what ``BESIDE`` or ``APART`` says."""

KEYS: Final = list(keys_of(schema_of(FileKind.POLICY)))
LEAVES: Final = [key for key in KEYS if "properties" not in key.node]


def path_of(key: Key) -> str:
    return key.path


def document(key: Key) -> dict[str, Any]:
    """The least file in which a key can stand."""
    found = APART.get(key.path)
    if found is None:
        longest = max((prefix for prefix in BESIDE if key.path.startswith(prefix)), key=len, default="")
        found = BESIDE.get(longest, {})
    return {"schema_version": 1, "model": "fraud", **found}


def joined(before: Any, after: Any) -> Any:
    """A document with what another one says over it."""
    if isinstance(before, dict) and isinstance(after, dict):
        return before | {name: joined(before.get(name), value) for name, value in after.items()}
    if isinstance(before, list) and isinstance(after, list) and all(isinstance(each, dict) for each in before + after):
        return [joined(*pair) for pair in zip(before, after, strict=False)] + after[len(before) :]
    return after


def without(path: str, of: dict[str, Any]) -> dict[str, Any]:
    """A document without the key at a path."""
    name, _, rest = path.partition(".")
    name, listed = name.removesuffix("[]"), name.endswith("[]")
    if not rest:
        return {key: value for key, value in of.items() if key != name}
    if name not in of:
        return of
    inner = [without(rest, each) for each in of[name]] if listed else without(rest, of[name])
    return {**of, name: inner}


def parsed(of: dict[str, Any], **changes: Any) -> Policy:
    settings: Settings = replace(STACK, **changes)
    return parse_policy("fraud", json.dumps(of).encode(), version="v1", settings=settings)


@pytest.mark.parametrize("key", KEYS, ids=path_of)
def test_a_key_says_meaning_type_default_effect_of_leaving_it_out_and_example(key: Key) -> None:
    assert key.node.get("description", "").endswith(".")
    assert takes(key.node) not in {"", "anything"}
    assert ("default" in key.node) != bool(key.node.get("x-default"))
    assert key.node.get("x-left-out", "").endswith(".")
    assert key.node.get("examples")


@pytest.mark.parametrize("key", KEYS, ids=path_of)
def test_an_example_is_taken_by_the_loop_and_says_something_else_than_nothing(key: Key) -> None:
    for path in key.path.split(", "):
        for value in key.node["examples"]:
            given = joined(document(key), within(path, value))
            policy = parsed(given)
            if not key.required and path not in NEEDED:
                assert policy_sha256(policy) != policy_sha256(parsed(without(path, given))), (path, value)


@pytest.mark.parametrize("key", [key for key in KEYS if "default" in key.node and key.path not in NEEDED], ids=path_of)
def test_a_stated_default_is_what_the_loop_takes_without_the_key(key: Key) -> None:
    bare = without(key.path, document(key))

    assert parsed(joined(bare, within(key.path, key.node["default"]))) == parsed(bare)


@pytest.mark.parametrize("path", sorted(NEEDED))
def test_a_file_is_refused_without_a_key_that_says_so(path: str) -> None:
    key = next(key for key in KEYS if key.path == path)
    given = joined(document(key), within(path, key.node["examples"][0]))
    assert "refused" in key.node["x-left-out"]

    with pytest.raises(PolicyError):
        parsed(without(path, given))


def test_a_default_that_a_parameter_gives_is_that_parameters() -> None:
    template = sources()
    told = template["Resources"]["OrchestrationFunction"]["Properties"]["Environment"]["Variables"]
    settings = {
        source["Ref"]: name.lower() for name, source in told.items() if isinstance(source, dict) and "Ref" in source
    }
    keys = [key for key in LEAVES if key.node.get("x-default") in template["Parameters"]]
    assert len(keys) > 5
    for key in keys:
        value, bare = key.node["examples"][0], {"schema_version": 1, "model": "fraud"}
        given = parsed({**bare, **within(key.path, value)})
        assert parsed(bare, **{settings[key.node["x-default"]]: value}) == given, key.path


def passes(guard: dict[str, Any], *, candidate: float, champion: float) -> bool:
    """Whether a guard lets a candidate through that measured this, beside a champion that measured that."""
    asked = parsed({"schema_version": 1, "model": "fraud", "evaluation": {**ASKED, "guards": [guard]}}).evaluation
    name = guard["metric"]
    report = {GROUP: {"auc": 0.9, name: candidate}, "champion": {GROUP: {"auc": 0.9, name: champion}}}
    return evaluate(json.dumps(report).encode(), asked, Standing(expected=False, why="")).passed


def test_a_default_that_is_said_in_words_is_what_the_words_say() -> None:
    """Each of them by hand: a new one fails until somebody says here what its words mean."""
    plain = parsed({"schema_version": 1, "model": "fraud"})
    modes = {
        mode: parsed(document_of("approval.training", mode)).actions for mode in ("never", "by-severity", "always")
    }
    served, judged = (
        parsed({"schema_version": 1, "model": "fraud", **said}) for said in (SERVED, {"evaluation": ASKED})
    )
    lift = {**ASKED, "metric": "lift", "lower_is_better": True, "guards": [{"metric": "lift"}]}
    found: dict[str, tuple[Any, Any]] = {
        "a sixth of expire_hours": (plain.approval.remind_hours, plain.approval.expire_hours / 6),
        "a third of expire_hours": (plain.approval.escalate_hours, plain.approval.expire_hours / 3),
        "retrain with never, else approve": (
            [actions[Severity.WARNING] for actions in modes.values()],
            ["retrain", "approve", "approve"],
        ),
        "approve with always, else retrain": (
            [actions[Severity.CRITICAL] for actions in modes.values()],
            ["retrain", "retrain", "approve"],
        ),
        "endpoint with promotion.endpoint, else last_promoted": (
            [served.evaluation.champion, judged.evaluation.champion],
            ["endpoint", "last_promoted"],
        ),
        "endpoint with promotion.endpoint, else none": (
            [served.promotion.kind, judged.promotion.kind],
            ["endpoint", "none"],
        ),
        "0 without minimum, else none": (
            [passes({"metric": "recall", **bound}, candidate=0.6, champion=0.7) for bound in ({}, {"minimum": 0.5})],
            [False, True],
        ),
        "by the metric's name": (
            [passes({"metric": name}, candidate=0.6, champion=0.7) for name in ("rmse", "recall")],
            [True, False],
        ),
        "evaluation.lower_is_better for the same metric, else by the metric's name": (
            validate_policy({"schema_version": 1, "model": "fraud", "evaluation": lift}),
            (),
        ),
        "hold": (
            parsed(document_of("data_quality", {"completeness": 0.9})).hold_on_data_quality,
            {"completeness_check": 0.9},
        ),
    }
    words = {key.node["x-default"] for key in LEAVES if "x-default" in key.node}

    assert words - set(sources()["Parameters"]) - {NO_DEFAULT} == found.keys()
    assert {said: pair for said, pair in found.items() if pair[0] != pair[1]} == {}


def document_of(path: str, value: Any) -> dict[str, Any]:
    return {"schema_version": 1, "model": "fraud", **within(path, value)}


def test_sections_say_the_defaults_of_their_keys() -> None:
    for key in KEYS:
        inner = {name: each["default"] for name, each in key.node.get("properties", {}).items() if "default" in each}
        if isinstance(key.node.get("default"), dict) and "properties" in key.node:
            assert key.node["default"] == inner, key.path
