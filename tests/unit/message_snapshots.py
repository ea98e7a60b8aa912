"""Every kind of message in every channel's form, as tests/snapshots/messages.txt holds it.

PYTHONPATH=src .venv/bin/python -m tests.unit.message_snapshots    writes the file anew; look at the difference before you commit
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from orchestration.domain import messages
from orchestration.domain.candidate_view import gate_facts, gates_of
from orchestration.domain.commands import Place
from orchestration.domain.contracts import Decision, Status
from orchestration.domain.failures import failure_sentence
from orchestration.domain.messages import HELD, Speaker
from orchestration.domain.notification import Message
from orchestration.domain.reasons import Reason
from orchestration.domain.votes import LadderAction, MayAnswer

SNAPSHOT: Final = Path(__file__).parent.parent / "snapshots" / "messages.txt"

SPEAKER: Final = Speaker(
    Place("retraining", "eu-west-1"),
    "arn:aws:states:eu-west-1:111122223333:stateMachine:retraining-retraining",
    "https://example.com/runbook",
)
UNTIL: Final = "2026-03-03 14:00 UTC"
ESCALATES: Final = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
ANA, CLEO = "arn:aws:iam::111122223333:user/ana", "arn:aws:iam::111122223333:user/cleo"
GATES: Final = gate_facts(
    gates_of(
        {
            "verdict": {
                "gates": [
                    {"name": "auc bound", "value": 0.926, "comparison": ">", "bound": 0.866, "passed": True}
                    | {"metric": "auc", "lower": 0.91, "upper": 0.94},
                    {
                        "name": "auc against champion",
                        "value": 0.926,
                        "comparison": ">=",
                        "bound": 0.901,
                        "passed": True,
                    },
                ]
            }
        },
        {},
    )
)
CAUSE: Final = json.dumps(
    {"TrainingJobName": "fraud-1", "TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: no rows"}
)
SENTENCES: Final = {
    Status.TRAINING_FAILED: failure_sentence("States.TaskFailed", CAUSE),
    Status.FAILED: failure_sentence("States.TaskFailed", '{"errorMessage": "Boom", "stackTrace": ["a"]}'),
    Status.ROLLED_BACK: "Alarm fraud-5xx is in ALARM while the candidate serves. Endpoint fraud-prod serves the champion again.",
    Status.STOPPED: "Paused (model:fraud) by ana since 2026-03-02 12:00 UTC: Migration. Nothing more was changed.",
    Status.CANDIDATE_REJECTED: "1 of 2 gates failed: auc bound: 0.7300 is not >= 0.8000.",
}


def _record(decision: Decision, reason: str, sentence: str, **more: Any) -> dict[str, Any]:
    switch = {"scope": "model:fraud", "by": "ana", "reason": "Migration", "since": "2026-03-02T12:00:00+00:00"}
    return {
        "decision": decision,
        "reason": reason,
        "sentence": sentence,
        "model": "fraud",
        "severity": "critical",
        "signal_id": "758fcdfc3954ab01f28d3a390f222622",
        "run_id": "run-1",
        "inputs": {"state": {"kill_switches": [switch] if reason == Reason.PAUSED else []}},
        **more,
    }


def cases() -> Iterator[tuple[str, str, Message]]:
    """The kind's function, what is told, and the message."""
    facts = {"run": "run-1", "severity": "critical", "endpoint": "fraud-prod"}
    said = "Monitoring run m-1 of fraud-prod found 5 violation(s), worst amount: 0.61914 against a threshold of 0.1."
    for decision in Decision:
        reasons = (
            sorted(HELD)
            if decision is Decision.HOLD
            else ["UNKNOWN_MODEL" if decision is Decision.REJECT else "GUARDS_PASSED"]
        )
        for reason in reasons:
            name = "run" if decision.begins_run else "execution"
            given = {name: "run-1", **{fact: value for fact, value in facts.items() if fact != "run"}}
            message = messages.signal_decided(SPEAKER, _record(decision, reason, said), given)
            yield "signal_decided", f"{decision} {reason}", message
    back = _record(Decision.HOLD, "PAUSED", said, signal={"kind": "rollback"})
    yield "signal_decided", "HOLD PAUSED of a rollback", messages.signal_decided(SPEAKER, back, facts)
    asked = _record(Decision.RETRAIN, "GUARDS_PASSED", said, approval={"needed": True})
    yield "signal_decided", "RETRAIN after people are asked", messages.signal_decided(SPEAKER, asked, facts)
    less = _record(Decision.RETRAIN, "GUARDS_PASSED", said, severity=None)
    yield "signal_decided", "RETRAIN of a severity that is not known", messages.signal_decided(SPEAKER, less, facts)
    for status in Status:
        asks = status in messages.ASKS
        yield (
            "run_status",
            str(status),
            messages.run_status(
                SPEAKER,
                status=status,
                run_id="run-1",
                model="fraud",
                sentence=SENTENCES.get(status, "What happened is said here"),
                facts={"evidence": "s3://automation/evidence/fraud/run-1/outcome.json"}
                | (GATES if status is Status.PROMOTION_APPROVAL_REQUESTED else {}),
                deciding=messages.how_to_decide(SPEAKER, "run-1", status.partition("_")[0].lower()) if asks else (),
                until=UNTIL if asks else "",
            ),
        )
    for status, what in (
        (Status.PROMOTION_APPROVAL_REQUESTED, "told after its answer"),
        (Status.PROMOTION_STARTED, "going back"),
        (Status.PROMOTION_BAKED, "going back"),
        (Status.PROMOTED, "going back"),
        (Status.FAILED, "going back"),
        (Status.STOPPED, "endpoint left"),
    ):
        message = messages.run_status(
            SPEAKER,
            status=status,
            run_id="run-1",
            model="fraud",
            sentence="What happened is said here",
            facts={},
            goes_back=what == "going back",
            endpoint_left=what == "endpoint left",
        )
        yield "run_status", f"{status}, {what}", message
    asking = messages.run_status(
        SPEAKER,
        status=Status.TRAINING_APPROVAL_REQUESTED,
        run_id="run-1",
        model="fraud",
        sentence="What happened is said here",
        facts={},
        deciding=messages.how_to_decide(SPEAKER, "run-1", "training"),
        buttons=dict.fromkeys(("approve", "explain", "reject"), f"run-1.{'n' * 43}"),
        until=UNTIL,
    )
    yield "run_status", f"{asking.status}, with buttons in Slack", asking
    for action in (LadderAction.REMIND, LadderAction.ESCALATE):
        yield (
            "approval_undecided",
            str(action),
            messages.approval_undecided(
                SPEAKER,
                action=action,
                run_id="run-1",
                model="fraud",
                subject="promotion",
                why="All 3 gates passed; auc is 0.9260.",
                left="4 h 0 min",
                until=UNTIL,
                manifest="s3://automation/manifests/fraud/run-1.json",
                asked=MayAnswer((ANA,), (CLEO,), ESCALATES).said(ESCALATES, ESCALATES + timedelta(hours=4))
                if action is LadderAction.ESCALATE
                else GATES,
                deciding=messages.how_to_decide(SPEAKER, "run-1", "promotion"),
            ),
        )
    yield (
        "approval_counted",
        "one of two",
        messages.approval_counted(
            SPEAKER,
            run_id="run-1",
            model="fraud",
            subject="training",
            by="ana",
            sentence="Approval 1 of 2 is counted; another person has to approve too.",
            until=UNTIL,
        ),
    )
    yield "model_frozen", "", messages.model_frozen(SPEAKER, "fraud", "3 runs in a row brought no improvement")
    left = "Run run-1 ended STOPPED while its endpoint was being changed, so a candidate may serve that no bake has judged."
    yield "model_frozen", "endpoint left", messages.model_frozen(SPEAKER, "fraud", left, endpoint_left=True)
    yield (
        "signal_undecided",
        "",
        messages.signal_undecided(
            SPEAKER,
            run_id="run-9",
            reason="It took longer than it may.",
            key="rejected/run-9.json",
            uri="s3://automation/rejected/run-9.json",
        ),
    )
    yield (
        "policy_invalid",
        "",
        messages.policy_invalid(
            SPEAKER,
            model="fraud",
            uri="s3://automation/policies/fraud.json",
            instead="version v1, the last good one, stays in force",
            findings=("$.mode: is not one of active, shadow",),
        ),
    )
    yield (
        "endpoint_left",
        "",
        messages.endpoint_left(
            SPEAKER,
            run_id="run-1",
            model="fraud",
            endpoint="fraud-prod",
            shown="serves the candidate's config c-2, which no bake has judged",
            facts=(("endpoint", "fraud-prod"), ("status", "InService")),
        ),
    )
    yield (
        "records_anchored",
        "",
        messages.records_anchored(
            SPEAKER,
            root="ab" * 32,
            chains=2,
            at="2026-03-02 12:00 UTC",
            bucket="automation",
            key="evidence/_anchors/2026-03-02.json",
        ),
    )
    for scope, what, sentence in (
        ("global", "paused", "ana paused global: Migration"),
        ("source:alarm", "resumed", "ana resumed source:alarm."),
        ("model:fraud", "paused", "ana paused model:fraud: Migration"),
        (
            "model:fraud",
            "unfrozen",
            "ana unfroze fraud: New labels. It was frozen because: 3 runs brought no improvement.",
        ),
    ):
        yield (
            "switch_changed",
            f"{scope} {what}",
            messages.switch_changed(SPEAKER, scope=scope, what=what, sentence=sentence),
        )


def written() -> str:
    """The snapshot as it is now."""
    parts = []
    for kind, what, message in cases():
        chat = json.dumps(json.loads(message.chat()), indent=1, ensure_ascii=False)
        topics = "operations and escalation" if message.escalates or message.asks else "operations"
        parts += [
            f"==== {kind} {what}".rstrip(),
            f"to: {topics}",
            f"subject: {message.subject}",
            "---- mail",
            message.text(),
        ]
        parts += ["---- chat", chat, ""]
    return "\n".join(parts)


if __name__ == "__main__":
    SNAPSHOT.write_text(written(), encoding="utf-8")
