"""Who reviews one model reads nothing of another one, and nothing at all without the tag that names it."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from tests.contract.template import ACCOUNT, REGION
from tests.contract.test_personas import BUCKET, DEEDS, STACK, TABLE, Deed, document

TAG: Final = "${aws:PrincipalTag/retraining:model}"
POLICY: Final = document(STACK, "ModelReviewerPolicy")
VOTES: Final = {"decide by command"}


def may(model: str | None, deed: Deed) -> bool:
    """What the policy says to somebody with this tag; None has none, and a variable without a value matches nothing."""
    statements: list[Any] = json.loads(
        json.dumps(POLICY["Statement"]).replace(TAG, "no value" if model is None else model)
    )
    tag = {} if model is None else {"aws:principaltag/retraining:model": model}
    context = EvalContext(
        principal_arn=f"arn:aws:iam::{ACCOUNT}:role/reviewer",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=deed.action,
        resource_arn=deed.resource,
        region=REGION,
        secure_transport=deed.https,
        service_context={**deed.context, **tag},
    )
    return bool(evaluate(context, [parse_policy_document({"Statement": statements})]).decision == "Allow")


def of(model: str) -> dict[str, Deed]:
    """Reading what belongs to a model."""
    return {
        "read a decision": Deed("s3:GetObject", f"{BUCKET}/decisions/{model}/2026/03/02/a.json"),
        "read a manifest": Deed("s3:GetObjectVersion", f"{BUCKET}/manifests/{model}/run-1.json"),
        "read evidence": Deed("s3:GetObject", f"{BUCKET}/evidence/{model}/run-1/outcome.json"),
        "list evidence": Deed("s3:ListBucket", BUCKET, {"s3:prefix": f"evidence/{model}/"}),
        "read its state and runs": Deed("dynamodb:Query", TABLE, {"dynamodb:leadingkeys": [f"MODEL#{model}"]}),
        "read its records in the table": Deed("dynamodb:Query", TABLE, {"dynamodb:leadingkeys": [f"CHAIN#{model}"]}),
    }


@pytest.mark.threat("reviewer-of-another-model")
@pytest.mark.parametrize("what", of(""))
def test_a_model_is_read_by_its_own_reviewers(what: str) -> None:
    assert may("fraud", of("fraud")[what])
    # IAM takes no * in the value of a tag.
    for other in ("churn", "frau", "fraud-2", "", "fraud/..", None):
        assert not may(other, of("fraud")[what]), other


@pytest.mark.threat("reviewer-of-another-model")
def test_switches_over_all_models_are_read_by_whoever_has_a_model_as_its_report_needs_them() -> None:
    switches = Deed("dynamodb:Query", TABLE, {"dynamodb:leadingkeys": ["CHAIN#_loop"]})
    assert may("fraud", switches)
    assert not may(None, switches)
    assert not may("fraud", Deed("dynamodb:Query", TABLE, {"dynamodb:leadingkeys": ["CHAIN#_loop", "CHAIN#churn"]}))


@pytest.mark.threat("reviewer-of-another-model")
def test_with_no_tag_one_may_vote_and_do_nothing_else() -> None:
    assert {name for name, deed in DEEDS.items() if may(None, deed)} == VOTES


@pytest.mark.threat("reviewer-of-another-model")
def test_a_reviewer_of_one_model_may_read_it_and_vote_and_nothing_else() -> None:
    reads = {"read a decision", "read a manifest", "read evidence", "see every version of a record"}
    # Plain HTTP is refused by the bucket's policy.
    deeds = {name: deed for name, deed in DEEDS.items() if deed.https}
    assert {name for name, deed in deeds.items() if may("fraud", deed)} == reads | VOTES
    assert {name for name, deed in deeds.items() if may("churn", deed)} == VOTES
