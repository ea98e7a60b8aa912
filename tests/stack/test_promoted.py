"""A drift report becomes a promoted model."""

from __future__ import annotations

from tests.stack.loop import Loop


def test_a_better_candidate_serves_and_leaves_manifest_evidence_and_history(loop: Loop) -> None:
    model = loop.model()
    before = loop.endpoint_config(f"{model}-prod")

    ended = loop.run(loop.drift(model))

    assert ended.status == "SUCCEEDED", ended
    assert loop.states(ended.arn)[-1] == "ModelPromoted"
    assert ended.output["outcome"] == "PROMOTED"
    after = loop.endpoint_config(f"{model}-prod")
    assert after != before
    assert loop.statuses(ended.name) == [
        "RETRAINING_DECIDED",
        "TRAINING_STARTED",
        "TRAINING_FINISHED",
        "CANDIDATE_EVALUATED",
        "PROMOTION_STARTED",
        "PROMOTION_BAKED",
        "PROMOTED",
    ]
