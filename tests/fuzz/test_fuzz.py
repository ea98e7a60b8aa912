"""A short run of the fuzzer, the inputs it broke something with once, and the proof that it notices."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from orchestration import approval_handler, handler
from orchestration.domain.artifact import ArtifactCopy
from orchestration.domain.contracts import WaitKind
from orchestration.domain.json_values import json_object
from orchestration.settings import ApprovalAccess
from tests.fuzz import __main__ as command
from tests.fuzz import judging, readers
from tests.fuzz.judging import judge
from tests.fuzz.readers import READERS
from tests.fuzz.rounds import byte_round, document_round
from tests.unit import stories
from tests.unit.fakes import asking

PAGE: dict[str, Any] = json.loads(readers.page_requests()[0])
ENDED: dict[str, Any] = json.loads(readers.operator_requests()[-1])

ONCE_BROKE = {
    "an alarm whose state only looks like ALARM": (
        "alarm-history",
        b'{"newState": {"stateValue": "AL\\u0000ARM"}}',
    ),
    "a path of the page that is a list": ("page", json.dumps({**PAGE, "rawPath": []}).encode()),
    "a form in other letters than base64 has": (
        "page",
        json.dumps({**PAGE, "isBase64Encoded": True, "body": "ye\u017f"}).encode(),
    ),
    "an identity that is a number": (
        "page",
        json.dumps(
            {**PAGE, "requestContext": {**PAGE["requestContext"], "authorizer": {"iam": {"userArn": 0}}}}
        ).encode(),
    ),
    "a request that lacks its reason, for a model nobody knows": (
        "event",
        b'{"source": "mlops.drift", "detail-type": "Retraining Requested", "detail": {"model": "stranger"}}',
    ),
    "a kind of wait that is a list": (
        "operator",
        json.dumps({"action": "park", "kind": [], "token": "t", "subject": "promotion", **asking("run-1")}).encode(),
    ),
    "a name that no execution can have": (
        "operator",
        json.dumps({"action": "settle", "detail": {**ENDED["detail"], "name": "\0", "executionArn": None}}).encode(),
    ),
    "a status that is a list": (
        "operator",
        json.dumps({**ENDED, "detail": {**ENDED["detail"], "status": ["FAILED"]}}).encode(),
    ),
    "a detail-type that is a list": ("operator", b'{"action": "resume", "detail-type": []}'),
    "a sweep as far ahead as a word": ("operator", b'{"action": "sweep", "ahead_seconds": "soon"}'),
    "a decision that is a list": ("vote", b'{"action": "decide", "run_id": "run-1", "decision": []}'),
    "a policy of one integer": ("policy", b'{"schema_version": 1, "model": "fraud", "cooldown_hours": ' + b"9" * 5000 + b"}"),
    "a policy padded with spaces": ("policy", json.dumps(readers.RICH).encode() + b" " * 600_000),
    "a yes in other letters": ("decision-file", "a\nyeſ\n".encode()),  # noqa: RUF001 - its upper case is YES
    "a metric in other capitals": ("report", b'{"binary_classification_metrics": {"aUc": {"value": 0.9}}}'),
    "violations of digits": (
        "violations",
        json.dumps({"violations": [{"feature_name": "a", "description": "1" * 500}] * 20}).encode(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ONCE_BROKE)
def test_what_broke_a_reader_once_does_not_break_it_again(name: str) -> None:
    reader, given = ONCE_BROKE[name]
    assert judge(reader, given) is None


@pytest.mark.threat("forged-event", "hostile-file")
@pytest.mark.parametrize("name", list(READERS))
def test_a_reader_holds_on_its_examples_and_on_a_few_of_their_changes(name: str) -> None:
    faults = [judge(name, example) for example in READERS[name].examples()[::3]]
    faults += [*document_round(name, 0, 6), *byte_round(name, 0, 14, memory=False)]
    assert [fault.keep() for fault in faults if fault is not None] == []


@pytest.mark.parametrize("name", ["event", "policy", "violations", "decision-file"])
def test_the_examples_are_taken_for_what_they_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fuzzer whose valid examples already fail would show nothing: some of them begin a training."""
    decided: set[str] = set()
    run = handler.run_action

    def seen(sent: Any, ports: Any) -> Any:
        answer = run(sent, ports)
        decided.add(str(answer.get("decision")))
        return answer

    monkeypatch.setattr(handler, "run_action", seen)
    for example in READERS[name].examples()[:12]:
        READERS[name].play(example)
    assert "RETRAIN" in decided
    assert len(decided) > 1


def test_a_copy_of_what_the_output_does_not_name_is_noticed_when_it_is_promoted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    promoted = json.dumps({"model_data_url": stories.MODEL_URI}).encode()
    assert promoted in readers.outputs()
    assert judge("output", promoted) is None
    monkeypatch.setattr(ArtifactCopy, "as_record", lambda copy: {**asdict(copy), "source": "s3://a-b/other"})
    fault = judge("output", promoted)
    assert fault is not None
    assert fault.what == "promotes a copy of 's3://a-b/other', which the output does not name"


@pytest.mark.parametrize(
    ("play", "what"),
    [
        (lambda given: given[7], "IndexError: index out of range at test_fuzz.py"),
        (lambda _: readers.must(holds=False, what="it does not hold"), "it does not hold"),
        (lambda _: list(range(100_000)), "bytes of memory"),
        (lambda _: sorted(range(200_000)), "took 0."),
    ],
)
def test_what_a_reader_breaks_is_noticed_and_kept_with_the_command_that_repeats_it(
    play: Any, what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "ROOT": tmp_path,
        "KEPT": tmp_path / "build" / "fuzz",
        "BYTES": 1_000_000,
        "SECONDS": 0.0001,
    }.items():
        monkeypatch.setattr(judging, name, value if name != "SECONDS" or "took" in what else 100.0)
    monkeypatch.setitem(READERS, "report", replace(READERS["report"], play=play))
    fault = judge("report", b"\xff{}", memory="memory" in what)
    assert fault is not None
    assert what in fault.what
    *_, again = fault.keep().splitlines()
    assert again.strip() == f"make fuzz CASE=build/fuzz/{fault.path.name}"
    assert fault.path.read_bytes() == b"\xff{}"
    monkeypatch.setattr("sys.argv", ["fuzz", "--case", str(fault.path)])
    assert command.main() == 1
    assert what.removesuffix("0.") in capsys.readouterr().out


@pytest.mark.parametrize("given", ["report.0123456789ab", "pyproject.toml"])
def test_a_case_that_was_not_kept_is_a_wrong_call(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["fuzz"])
    monkeypatch.setenv("CASE", given)
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert f"{given} is no input that was kept" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "access"), [("page", "IAM"), ("link", "LINK")])
def test_the_example_of_a_vote_counts(name: str, access: str) -> None:
    READERS[name].play(READERS[name].examples()[0])
    wait = readers.asked_world(ApprovalAccess(access)).table.wait("run-1", WaitKind.APPROVAL, "promotion")
    assert wait is not None
    assert not wait.resolved, "set back before each input"
    voted = approval_handler.answer(
        json.loads(READERS[name].examples()[0]), readers.asked_world(ApprovalAccess(access)).ports
    )
    assert (voted["statusCode"], json.loads(voted["body"])["decided"]) == (200, True)


def test_a_seed_gives_the_same_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    def inputs() -> list[bytes]:
        seen: list[bytes] = []
        monkeypatch.setitem(READERS, "report", replace(READERS["report"], play=seen.append))
        assert {*document_round("report", 3, 20), *byte_round("report", 3, 20, memory=False)} == {None}
        return seen

    first = inputs()
    assert inputs() == first
    assert len({bytes(each) for each in first}) > 30
    assert sum(isinstance(json_object(each), dict) for each in first) > 10


def test_the_smallest_document_is_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        READERS,
        "report",
        replace(READERS["report"], play=lambda given: readers.must(holds=b"null" not in given, what="null")),
    )
    (fault,) = [each for each in document_round("report", 0, 200) if each is not None]
    assert json_object(fault.given) != {}
    assert len(fault.given) < 400
