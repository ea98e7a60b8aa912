"""The retraining-decision CSV: a monitoring job writes YES or NO, an event, a schedule or a person has it read.

The file's first data row, first column decides, after strip and upper-case. Header, byte order mark, CRLF, quotes and
blank lines are accepted as people make them.
"""

from __future__ import annotations

import csv
import io
import itertools
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import SignalKind, SignalSource
from orchestration.domain.documents import Document, Unreadable
from orchestration.domain.json_values import ascii_upper, mapping, model_name, text
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Ignored, Rejection, Signal, Threshold, identify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestration.domain.signals import SignalReader
    from orchestration.settings import Settings


WORDS: Final = ("YES", "NO")
ROWS_READ: Final = 1000
"""Rows that are looked through for a later decision."""


def from_start(event: dict[str, Any], reader: SignalReader, settings: Settings, run_id: str) -> Signal | Rejection:
    """A person started an execution with ``{}``: every start is a signal of its own, whatever the file's version."""
    del event
    return _read(reader, settings, observed_at="", identity=("start", run_id))


def from_schedule(event: dict[str, Any], reader: SignalReader, settings: Settings, run_id: str) -> Signal | Rejection:
    """The weekly schedule: a file version that was decided before is the same signal again."""
    del run_id
    return _read(reader, settings, observed_at=text(event.get("time"), 40) or "", identity=None)


def from_object_created(
    event: dict[str, Any], reader: SignalReader, settings: Settings, run_id: str
) -> Signal | Rejection | Ignored:
    """S3 says that the file was written. Any other object is ignored."""
    del run_id
    detail = mapping(event.get("detail"))
    bucket = mapping(detail.get("bucket")).get("name")
    key = mapping(detail.get("object")).get("key")
    if (bucket, key) != (settings.decision_bucket, settings.decision_key):
        return Ignored(
            Reason.NOT_THE_DECISION_FILE,
            f"The object is not the decision file s3://{settings.decision_bucket}/{settings.decision_key}.",
        )
    return _read(reader, settings, observed_at=text(event.get("time"), 40) or "", identity=None)


def decision_uri(settings: Settings) -> str:
    """Where the decision file lies."""
    return f"s3://{settings.decision_bucket}/{settings.decision_key}"


def _read(
    reader: SignalReader, settings: Settings, *, observed_at: str, identity: tuple[str, str] | None
) -> Signal | Rejection:
    uri = decision_uri(settings)
    document = reader.read_document(uri)
    # A missing file has no version, so the hour it was missed stands for it.
    seen = (str(document.unreadable), observed_at[:13]) if document.unreadable else (document.version,)
    # S3 names a version of a file once and for all, so no other sender's file can take its name.
    signal_id = identify(*(identity or ("decision-file", uri, *seen)))
    model = model_name(settings.default_model)
    word = parse_decision(document)
    if isinstance(word, Rejection):
        return Rejection.of(word.reason, word.sentence, signal_id, model=model)
    if model is None:
        return Rejection.of(
            Reason.NO_MODEL,
            "The stack's DefaultModel is not a legal model name; correct it and deploy again.",
            signal_id,
        )
    yes = word == "YES"
    return Signal(
        signal_id=signal_id,
        source=SignalSource.DECISION_FILE,
        kind=SignalKind.RETRAINING_DECISION if yes else SignalKind.NO_DRIFT,
        model=model,
        summary=f"The decision file says {word}.{_history(document, word)}",
        observed_at=observed_at,
        threshold=Threshold(metric="retraining_decision", observed=None, threshold=None),
        report_uri=uri,
        context=f"version {document.version}" if document.version else "",
    )


def parse_decision(document: Document) -> str | Rejection:
    """Read ``YES`` or ``NO`` from the file.

    Returns:
        The word, or a rejection whose reason is one of DECISION_FILE_MISSING, DECISION_FILE_ACCESS_DENIED,
        DECISION_FILE_UNREADABLE, DECISION_FILE_EMPTY, DECISION_FILE_NOT_YES_OR_NO.
    """

    def reject(reason: Reason, sentence: str) -> Rejection:
        return Rejection(reason, sentence, "")

    if document.unreadable is Unreadable.MISSING:
        return reject(
            Reason.DECISION_FILE_MISSING,
            f"There is no decision file at {document.uri}. Let the monitoring job write it there, "
            "or correct DecisionBucket and DecisionKey.",
        )
    if document.unreadable is Unreadable.ACCESS_DENIED:
        return reject(
            Reason.DECISION_FILE_ACCESS_DENIED,
            f"The orchestration function may not read {document.uri}. Allow its role s3:GetObject in the bucket's "
            "policy (and kms:Decrypt if the bucket is encrypted with a key of yours).",
        )
    if document.body is None:
        return reject(
            Reason.DECISION_FILE_UNREADABLE, f"The decision file {document.uri} is too large to be a decision file."
        )
    try:
        # The header and the row that decides; what follows may be millions of rows.
        rows = list(itertools.islice(_rows(document), 2))
    except (UnicodeError, csv.Error) as error:
        return reject(
            Reason.DECISION_FILE_UNREADABLE,
            f"The decision file {document.uri} is not a CSV in UTF-8: {error}. Write it again.",
        )
    if len(rows) < 2:  # noqa: PLR2004 - one header row and one data row
        return reject(
            Reason.DECISION_FILE_EMPTY,
            f"The decision file {document.uri} has {'only a header' if rows else 'no'} row. "
            "Write a header row and one row whose first column is YES or NO.",
        )
    word = _word(rows[1][0])
    if word not in WORDS:
        return reject(
            Reason.DECISION_FILE_NOT_YES_OR_NO,
            f"The decision file {document.uri} says {text(word, 40) or ''!r} in its first data row, first column. "
            "Write YES or NO.",
        )
    return word


def _history(document: Document, word: str) -> str:
    """A warning for a file to which decisions are appended: only its first counts."""
    try:
        firsts = [row[0] for row in itertools.islice(_rows(document), 2, ROWS_READ)]
    except csv.Error:
        # Beyond the row that decides a file may hold anything.
        return ""
    last = next((said for first in reversed(firsts) if (said := _word(first)) in WORDS), word)
    if last == word:
        return ""
    return f" {len(firsts)} row(s) follow, and the last decision there is {last}: only the first counts, so write the newest first."


def _word(cell: str) -> str:
    return ascii_upper(cell.strip().strip("\"'").strip())


def _rows(document: Document) -> Iterator[list[str]]:
    lines = csv.reader(io.StringIO(_decode(document.body or b""), newline=""))
    return (row for row in lines if any(map(str.strip, row)))


def _decode(body: bytes) -> str:
    """Text of a CSV as spreadsheets save it: UTF-8 with or without byte order mark, or UTF-16 with one."""
    encoding = "utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    decoded = body.decode(encoding)
    if "\0" in decoded:
        raise UnicodeError("it holds zero bytes, as UTF-16 without a byte order mark does")
    return decoded
