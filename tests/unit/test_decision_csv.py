"""The decision file: YES or NO as people and spreadsheets write it, and one clear sentence for everything else."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain.contracts import SignalKind, SignalSource
from orchestration.domain.documents import Document, Unreadable
from orchestration.domain.signal import Ignored, Rejection, Signal, Threshold
from orchestration.domain.signals import read_signal
from orchestration.domain.signals.decision_file import parse_decision
from tests.unit.fakes import SETTINGS, FakeReader, event

URI = "s3://amzn-s3-demo-bucket/decisions/retraining_decision.csv"
quick = settings(max_examples=150)

AS_PEOPLE_WRITE_IT = {
    "plainly": b"retraining_required\nYES\n",
    "without a last newline": b"retraining_required\nYES",
    "with more columns": b"retraining_required,reason\nYES,psi above 0.2\n",
    "with more rows": b"retraining_required\nYES\nNO\n",
    "in lower case": b"retraining_required\nyes\n",
    "in mixed case": b"Retraining_Required\nYes\n",
    "with spaces": b" retraining_required \n  YES  \n",
    "with tabs and a no-break space": "retraining_required\n\tYES\u00a0\n".encode(),
    "on Windows": b"retraining_required\r\nYES\r\n",
    "on an old Mac": b"retraining_required\rYES\r",
    "with a byte order mark": b"\xef\xbb\xbfretraining_required\nYES\n",
    "as UTF-16, little end first": "retraining_required\r\nYES\r\n".encode("utf-16"),
    "as UTF-16, big end first": b"\xfe\xff" + "retraining_required\nYES\n".encode("utf-16-be"),
    "with quotes": b'"retraining_required"\n"YES"\n',
    "with quotes and a comma inside": b'"required, yes or no"\n"YES","a, b"\n',
    "with single quotes": b"'retraining_required'\n'YES'\n",
    "with quotes twice": b'retraining_required\n"""YES"""\n',
    "with a newline in the header": b'"retraining\nrequired"\nYES\n',
    "with blank lines": b"\n\nretraining_required\n\n  \n,,\nYES\n\n",
    "with a header in another language": "Nachtraining nötig\nYES\n".encode(),
}


@pytest.mark.parametrize("how", AS_PEOPLE_WRITE_IT)
def test_a_file_is_understood_however_people_write_it(how: str) -> None:
    body = AS_PEOPLE_WRITE_IT[how]
    assert parse_decision(Document(URI, body)) == "YES"
    encoding = "utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    negative = body.decode(encoding).replace("YES", "no").replace("yes", "no").replace("Yes", "No")
    assert parse_decision(Document(URI, negative.encode(encoding))) == "NO" or "more rows" in how or "comma" in how


UNCLEAR = {
    "missing": (Document(URI, unreadable=Unreadable.MISSING), "MISSING", "There is no decision file at"),
    "forbidden": (Document(URI, unreadable=Unreadable.ACCESS_DENIED), "ACCESS_DENIED", "s3:GetObject"),
    "too large": (Document(URI, unreadable=Unreadable.TOO_LARGE), "UNREADABLE", "too large to be a decision file"),
    "empty": (Document(URI, b""), "EMPTY", "has no row"),
    "blank": (Document(URI, b"\n\r\n ,, \n"), "EMPTY", "has no row"),
    "a header only": (Document(URI, b"retraining_required\n"), "EMPTY", "only a header row"),
    "no header": (Document(URI, b"YES\n"), "EMPTY", "only a header row"),
    "a maybe": (Document(URI, b"retraining_required\nMAYBE\n"), "NOT_YES_OR_NO", "says 'MAYBE'"),
    "a one": (Document(URI, b"retraining_required\n1\n"), "NOT_YES_OR_NO", "says '1'"),
    "true": (Document(URI, b"retraining_required\ntrue\n"), "NOT_YES_OR_NO", "says 'TRUE'"),
    "a yes in other letters": (Document(URI, "a\nyeſ\n".encode()), "NOT_YES_OR_NO", "says 'yeſ'"),  # noqa: RUF001 - its upper case is YES
    "a first column left blank": (Document(URI, b"a,b\n,YES\n"), "NOT_YES_OR_NO", "says ''"),
    "semicolons": (Document(URI, b"a;b\nYES;x\n"), "NOT_YES_OR_NO", "says 'YES;X'"),
    "Latin-1": (Document(URI, "nötig\nYES\n".encode("latin-1")), "UNREADABLE", "not a CSV in UTF-8"),
    "UTF-16 without a mark": (Document(URI, "a\nYES\n".encode("utf-16-le")), "UNREADABLE", "zero bytes"),
    "half of UTF-16": (Document(URI, b"\xff\xfea\x00\n"), "UNREADABLE", "not a CSV in UTF-8"),
    "an endless field": (Document(URI, b"a\n" + b"x" * 200_000), "UNREADABLE", "field limit"),
    "an image": (Document(URI, b"\x89PNG\r\n\x1a\n\x00\x00"), "UNREADABLE", "not a CSV in UTF-8"),
}


@pytest.mark.parametrize("what", UNCLEAR)
def test_a_file_that_is_not_understood_has_a_reason_and_a_sentence_of_its_own(what: str) -> None:
    document, reason, hint = UNCLEAR[what]
    found = parse_decision(document)
    assert isinstance(found, Rejection)
    assert found.reason == f"DECISION_FILE_{reason}"
    assert hint in found.sentence
    assert URI in found.sentence
    assert found.sentence.endswith(".")


def test_no_two_causes_share_a_sentence() -> None:
    sentences = {
        found.sentence
        for document, _, _ in UNCLEAR.values()
        if isinstance(found := parse_decision(document), Rejection)
    }
    assert len(sentences) == len(UNCLEAR) - 2  # two are empty and two have a header only


@quick
@given(st.binary(max_size=80) | st.text(max_size=40).map(lambda text: text.encode("utf-16")))
def test_no_bytes_make_reading_raise(body: bytes) -> None:
    found = parse_decision(Document(URI, body))
    assert found in ("YES", "NO") or isinstance(found, Rejection)


def read(name: str, run_id: str = "run-1", **documents: bytes | Unreadable) -> Signal | Rejection | Ignored:
    reader = FakeReader(documents={URI: documents.get("file", b"retraining_required\nYES\n")})
    return read_signal(event(name), reader=reader, settings=SETTINGS, run_id=run_id)


@pytest.mark.parametrize("name", ["object_created", "scheduled_event", "start", "start_with_comment"])
def test_the_file_is_read_for_every_event_that_asks_for_it(name: str) -> None:
    found = read(f"decision_file/{name}")
    assert isinstance(found, Signal)
    assert (found.source, found.kind) == (SignalSource.DECISION_FILE, SignalKind.RETRAINING_DECISION)
    assert (found.model, found.report_uri) == ("churn", URI)
    negative = read(f"decision_file/{name}", file=b"retraining_required\nNO\n")
    assert isinstance(negative, Signal)
    assert negative.kind is SignalKind.NO_DRIFT


@pytest.mark.parametrize(
    ("file", "warning"),
    [
        (
            b"retraining_required\nYES\nNO\n",
            "1 row(s) follow, and the last decision there is NO: only the first counts",
        ),
        (b"retraining_required\nNO\nNO\nyes\n\n", "2 row(s) follow, and the last decision there is YES"),
        (
            b"retraining_required\nYES\nNO\nwritten by the monitor\n",
            "2 row(s) follow, and the last decision there is NO",
        ),
        (b"retraining_required\nYES\nNO\nYES\n", None),
        (b"retraining_required\nYES\nb\n", None),
        (b"retraining_required\nYES\n", None),
        (b"retraining_required\nYES\n" + b"x" * 200_000, None),
    ],
)
def test_a_file_to_which_decisions_are_appended_is_warned_of(file: bytes, warning: str | None) -> None:
    found = read("decision_file/start", file=file)
    assert isinstance(found, Signal)
    if warning is None:
        assert found.summary in ("The decision file says YES.", "The decision file says NO.")
    else:
        assert warning in found.summary


def test_a_version_of_the_file_is_one_signal_for_s3_and_the_schedule() -> None:
    created, scheduled = read("decision_file/object_created", "run-1"), read("decision_file/scheduled_event", "run-2")
    assert isinstance(created, Signal)
    assert isinstance(scheduled, Signal)
    assert created.signal_id == scheduled.signal_id


class Versions(FakeReader):
    """Holds the file in a version."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self.version = version

    def read_document(self, uri: str) -> Document:
        return Document(uri, b"retraining_required\nYES\n", version=self.version)


def test_each_version_of_the_file_is_a_signal_of_its_own() -> None:
    ids = []
    for version in ("v1", "v2"):
        found = read_signal(
            event("decision_file/scheduled_event"), reader=Versions(version), settings=SETTINGS, run_id="run-1"
        )
        assert isinstance(found, Signal)
        assert found.context == f"version {version}"
        ids.append(found.signal_id)
    assert ids[0] != ids[1]


def test_a_signal_of_the_file_has_its_metric_version_and_time() -> None:
    for name, at in (
        ("object_created", "2026-03-02T11:09:30Z"),
        ("scheduled_event", "2026-03-02T03:00:00Z"),
        ("start", ""),
    ):
        found = read(f"decision_file/{name}")
        assert isinstance(found, Signal)
        assert found.threshold == Threshold("retraining_decision", None, None)
        assert (found.observed_at, found.context) == (at, "version v1")
    for name in ("object_created", "scheduled_event"):
        sent = {**event(f"decision_file/{name}"), "time": None}
        timeless = read_signal(sent, reader=Versions(""), settings=SETTINGS, run_id="run-1")
        assert isinstance(timeless, Signal)
        assert (timeless.observed_at, timeless.context) == ("", "")


@pytest.mark.parametrize("file", [b"retraining_required\nYES\n", b"", Unreadable.MISSING])
def test_every_start_by_hand_is_a_signal_of_its_own(file: bytes | Unreadable) -> None:
    first, second = read("decision_file/start", "run-1", file=file), read("decision_file/start", "run-2", file=file)
    assert not isinstance(first, Ignored)
    assert not isinstance(second, Ignored)
    assert first.signal_id != second.signal_id


def test_a_missing_file_is_rejected_again_at_the_next_schedule() -> None:
    first = read("decision_file/scheduled_event", file=Unreadable.MISSING)
    later = {**event("decision_file/scheduled_event"), "time": "2026-03-09T03:00:00Z"}
    second = read_signal(later, reader=FakeReader(), settings=SETTINGS, run_id="run-2")
    assert isinstance(first, Rejection)
    assert isinstance(second, Rejection)
    assert first.model == "churn"
    assert first.signal_id != second.signal_id


def test_a_fault_in_what_follows_the_row_that_decides_is_nobodys_business() -> None:
    assert parse_decision(Document(URI, b"a\nYES\n" + b"x" * 200_000)) == "YES"


def test_what_follows_the_row_that_decides_is_not_read() -> None:
    """A row of five million that follow would take hundreds of bytes of memory each."""
    body = b"a\nYES\n" + b"b\n" * 1_000_000
    tracemalloc.start()
    word = parse_decision(Document(URI, body))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert word == "YES"
    assert peak < 8 * len(body)
