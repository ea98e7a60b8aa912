"""Print what was made of one event, as a person reads it: the decision with every guard, or why the event was ignored."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from ops.heard_signals import COLOURS, MEMORY, UNDECIDED, Heard, gathered, heard, heard_of, ignored_of
from ops.identities import hashed_key_in, identity_in
from ops.invocation import legal_identity, stack_command
from ops.known_models import known_models, unknown_model
from ops.record_hashes import hash_of
from ops.record_schemas import schema_finding
from ops.stack import OperatorError
from ops.terminal import Styled
from orchestration.domain.chain import RecordKind
from orchestration.domain.contracts import UNATTRIBUTED, Decision, Status, WaitKind
from orchestration.domain.json_values import json_object, mapping, text
from orchestration.domain.reasons import Reason
from orchestration.domain.records import undecided_key
from orchestration.domain.signal import rejection_id
from orchestration.domain.votes import MayAnswer, unweighable

if TYPE_CHECKING:
    from ops.stack import Stack
    from ops.terminal import Terminal

LONGEST: Final = 512
"""Characters that an id may have; the table takes none of more than 2048 bytes."""

MODEL_NAMED: Final = re.compile(r"policies/([^/\s]+)\.json")
"""Where the sentence on an unknown model has its name; the record of a rejection has no other place for it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an id belongs to. ``record`` is None for an event that was ignored or never decided; ``kept`` is where the latter lies."""

    heard: Heard
    record: dict[str, Any] | None = None
    kept: str | None = None


@stack_command("explain")
@click.argument(
    "identity",
    metavar="ID",
    envvar=["RETRAINING_ID", "RETRAINING_SIGNAL", "RETRAINING_RUN"],
    callback=legal_identity,
)
def explain(stack: Stack, terminal: Terminal, *, identity: str) -> int:
    """Print what was made of one event: the decision with every guard, or why it was ignored.

    ID is of a signal, an execution (its name or ARN), a run or an event. Exit status 1: nothing has it, or the record was
    edited.
    """
    found = find(stack, identity)
    if found is None:
        raise OperatorError(
            f"Nothing has the id {identity}: no signal, execution, run or event of the last {MEMORY.days} days, and no decision "
            "record. What came in:",
            stack.place.command("signals", since="7d"),
        )
    record = found.record
    whole = record is None or hash_of(record) == record["chain"]["hash"]
    hint, asked = model_hint(stack, found.heard), _asked(stack, found.heard)
    terminal.answer(
        {
            "found": "decision" if record else "undecided event" if found.kept else "ignored event",
            **asdict(found.heard),
            "hint": hint,
            "decision_record": record,
            "hash_is_right": None if record is None else whole,
            "approval": asked,
        }
    )
    _say_heard(terminal, found, hint)
    if record is not None:
        _say_guards(terminal, record, whole=whole)
    if asked is not None:
        terminal.say(f"Its run waits for people, who are asked about the {asked['subject']}:")
        terminal.facts(
            [
                ("until", str(asked["until"])[:19]),
                ("may answer", asked["may_answer"]),
                ("deputies", asked["deputies"]),
            ]
        )
        terminal.command(stack.place.command("waits", found.heard.run_id))
    _say_next(stack, terminal, found)
    return 0 if whole else 1


def _asked(stack: Stack, heard: Heard) -> dict[str, str | None] | None:
    """The open approval of the run that an event began: until when, and who may answer it; None where there is none."""
    if heard.decision not in {Decision.RETRAIN, Decision.ROLL_BACK}:
        return None
    waits = stack.table.waits_of_run_without_tokens(heard.run_id)
    wait = next((each for each in waits if each.kind is WaitKind.APPROVAL and not each.resolved), None)
    if wait is None:
        return None
    broken = unweighable(wait)
    said = (
        {"may answer": broken}
        if broken is not None
        else MayAnswer.of(wait.data, wait.parked_at).said(datetime.now(UTC), datetime.fromisoformat(wait.deadline))
    )
    return {
        "subject": wait.subject,
        "until": wait.deadline,
        "may_answer": said["may answer"],
        "deputies": said.get("deputies"),
    }


def find(stack: Stack, identity: str) -> Found | None:
    """What an id belongs to: of a signal, an execution, a run, a request or an event."""
    asked, table = identity_of(stack, identity), stack.table
    if not asked or len(asked) > LONGEST:
        return None
    decided, ignored, run = table.decision_of(asked), table.ignored_event(asked), table.run(asked)
    signals = [asked, rejection_id(Reason.UNKNOWN_MODEL, asked)]
    if decided is not None:
        signals = [decided.signal_id]
    elif run is not None:
        signals = [str(json.loads(run.manifest)["signal"]["signal_id"])]
    for signal_id in signals:
        record, key = _record(stack, signal_id)
        if record is not None:
            return Found(heard_of(record, key), record)
    if ignored is not None:
        return Found(ignored_of(ignored))
    since = (datetime.now(UTC) - MEMORY).isoformat()
    by_event = next((each for each in gathered(heard(table, "", since, checks=True)) if asked in each.ids), None)
    if by_event is not None and by_event.signal_id == asked:
        # The table has forgotten the decision that this one repeats.
        return _in_bucket(stack, asked) or Found(by_event)
    if by_event is not None:
        record = _record(stack, by_event.signal_id)[0] if by_event.record and by_event.signal_id else None
        return Found(by_event, record)
    return _undecided(stack, undecided_key(asked)) or _in_bucket(stack, asked)


def identity_of(stack: Stack, given: str) -> str:
    """The id in what was typed, where it takes a look at a kept event too."""
    key = hashed_key_in(given)
    kept = _undecided(stack, key) if key else None
    return kept.heard.run_id if kept is not None else identity_in(given)


def _undecided(stack: Stack, key: str) -> Found | None:
    """An event that was kept because its execution failed before it was decided; None where none lies."""
    document = stack.bucket.read(stack.bucket.uri(key))
    said = mapping(json_object(document.body)) if document.body is not None else {}
    run_id, event = text(said.get("run_id"), LONGEST), mapping(said.get("event"))
    if run_id is None:
        return None  # an event that was rejected is found by the record of that
    heard = Heard(
        at=document.written_at or "",
        decision=UNDECIDED,
        reason=Status.FAILED,
        model=None,
        sentence=text(said.get("sentence")) or "",
        said=", ".join(filter(None, (text(event.get("source")), text(event.get("detail-type"))))) or None,
        source=text(event.get("source")),
        severity=None,
        run_id=run_id,
        signal_id=None,
        event_id=text(event.get("id")),
        record=None,
    )
    return Found(heard, kept=key)


def _record(stack: Stack, signal_id: str) -> tuple[dict[str, Any] | None, str | None]:
    seen = stack.table.signal(signal_id)
    if seen is None:
        return None, None
    kept = _read(stack, seen.record_key)
    return stack.table.record_of(seen) if kept is None else kept, seen.record_key


def _read(stack: Stack, key: str) -> dict[str, Any] | None:
    """A decision record of the bucket, None when it is not there.

    Raises:
        OperatorError: what is there is none.
    """
    record = stack.read_json(key)
    if record is None or record.get("schema_version") == 1:
        return record
    wrong = schema_finding(record) or (
        None if record["kind"] == RecordKind.DECISION else f"its kind is {record['kind']}"
    )
    if wrong:
        raise OperatorError(
            f"{key} was edited and is no decision record any more: {wrong}. This checks all records:",
            stack.place.command("verify-audit"),
        )
    return record


def _in_bucket(stack: Stack, signal_id: str) -> Found | None:
    """A decision older than the table's memory of signals: the bucket keeps the record, its key ends in the id."""
    for key in stack.keys("decisions/"):
        if key.endswith(f"/{signal_id}.json"):
            record = _read(stack, key)
            return None if record is None else Found(heard_of(record, key), record)
    return None


def model_hint(stack: Stack, heard: Heard) -> str | None:
    """Which model was meant, of an event that named one nobody knows."""
    if heard.reason != Reason.UNKNOWN_MODEL:
        return None
    named = MODEL_NAMED.search(heard.sentence)
    return unknown_model(named[1], known_models(stack)) if named else None


def _say_heard(terminal: Terminal, found: Found, hint: str | None) -> None:
    heard = found.heard
    decision = Styled(COLOURS.get(heard.decision, "bold cyan"), heard.decision)
    terminal.say(decision, f" {heard.reason}  {heard.at[:19]}")
    terminal.say(heard.sentence)
    if hint:
        terminal.say(Styled("yellow", hint))
    terminal.say()
    begun = heard.decision in {Decision.RETRAIN, Decision.ROLL_BACK}
    terminal.facts(
        [
            ("model", heard.model or "none that is known"),
            ("came in", heard.said),
            ("signal", heard.signal_id),
            ("run" if begun else "execution", heard.run_id),
            ("event", heard.event_id),
            *(_recorded(found.record) if found.record is not None else []),
        ]
    )
    if heard.repeats:
        terminal.say()
        terminal.say(f"came again {len(heard.repeats)} time(s), which changed nothing:")
        for repeat in heard.repeats:
            terminal.say(f"  {repeat.at[:19]}  execution {repeat.run_id}", hang=2)


def _recorded(record: dict[str, Any]) -> list[tuple[str, str | None]]:
    signal = mapping(record.get("signal"))
    dataset = mapping(signal.get("dataset"))
    threshold = mapping(signal.get("threshold"))
    window = " to ".join(filter(None, (dataset.get("window_start"), dataset.get("window_end"))))
    facts = [
        ("source", signal.get("source")),
        ("endpoint", signal.get("endpoint")),
        ("dataset", dataset.get("uri")),
        ("window", window or None),
        *((name, threshold.get(name)) for name in ("metric", "observed", "threshold")),
        ("severity", record.get("severity")),
        ("policy", record.get("policy_version")),
        ("kept at", record.get("event_uri")),
    ]
    return [(name, None if value is None else str(value)) for name, value in facts]


def _say_guards(terminal: Terminal, record: dict[str, Any], *, whole: bool) -> None:
    if record["guards"]:
        terminal.say()
        terminal.say("guards, in their order:")
    for guard in record["guards"]:
        mark = Styled("green", "pass") if guard["passed"] else Styled("yellow", "stop")
        terminal.say("  ", mark, f"  {guard['guard']}: {guard['sentence']}", hang=6)
    terminal.say()
    terminal.say(
        f"record {record['chain']['sequence']} of the chain of {record['model'] or UNATTRIBUTED}: ",
        "its hash is right" if whole else Styled("red", "ITS HASH IS WRONG, it was edited"),
    )


def _say_next(stack: Stack, terminal: Terminal, found: Found) -> None:
    each, command = found.heard, stack.place.command
    if found.kept:
        terminal.say("It is kept. Once the cause is mended, have it raised again:")
        terminal.command(command("replay", found.kept))
    elif each.decision in {Decision.RETRAIN, Decision.ROLL_BACK}:
        terminal.say("What came of the run:")
        terminal.command(command("history", run=each.run_id))
    elif each.repeats_one:
        terminal.say("The decision on it:")
        terminal.command(command("explain", str(each.signal_id)))
    elif each.decision == Decision.REJECT and found.record is not None and found.record.get("event_uri"):
        terminal.say("Once its cause is mended, have it decided:")
        key = f"rejected/{str(found.record['event_uri']).rpartition('/rejected/')[2]}"
        terminal.command(command("replay", key))
