"""Check what you write for the loop before it is sent, and say everything that is wrong with it at once.

Against a stack, what a policy names is looked up with the rights of whoever asks: that target, endpoint, schedule and alarms are
there, whose they are, that the endpoint can be promoted to, that the functions may pass the roles. What the asker may not look at is
"not known", never passed.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ops.call import PREFIX
from ops.file_reading import bytes_of
from ops.given_files import FileKind, FileReader, Given, default_settings, event_of, recognised
from ops.given_schemas import Finding, path, schema_findings
from ops.invocation import Exit, stack_command
from ops.stack import CallError
from ops.stack_checks import Check, Outcome, StackAccount, model_checks, policy_checks
from ops.stack_reading import reading_ports
from ops.terminal import Styled
from orchestration.domain.contracts import DRIFT_SOURCE, RETRAINING_REQUESTED
from orchestration.domain.documents import Document
from orchestration.domain.evaluation import METRIC_GROUPS, Standing, evaluate, metric_value, metric_values, told_twice
from orchestration.domain.json_values import json_object, mapping
from orchestration.domain.metrics import metric
from orchestration.domain.policy import POLICY_FILE_LIMIT, Evaluation, parse_policy, read_policy, rule_findings
from orchestration.domain.reasons import Reason
from orchestration.domain.signal import Rejection
from orchestration.domain.signals import read_signal
from orchestration.domain.signals.decision_file import parse_decision
from orchestration.domain.signals.model_monitor import parse_violations
from orchestration.domain.training_output import read_training_output
from orchestration.domain.uncertainty import interval, is_difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ops.given_schemas import Place
    from ops.stack import Stack
    from ops.stack_checks import Account
    from ops.terminal import Style, Terminal
    from orchestration.ports import Ports

NOTHING: Final = "nothing that is known"
"""What a file is read as that nobody can tell the kind of."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a file. ``checks`` are what a stack was asked; ``wrong_call``: it is none that can be looked at."""

    file: Path
    read_as: str
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...] = ()
    wrong_call: bool = False

    @property
    def status(self) -> int:
        """Exit status of this file alone."""
        if self.wrong_call:
            return Exit.WRONG_CALL
        outcomes = {check.outcome for check in self.checks}
        if self.findings or Outcome.FAILED in outcomes:
            return Exit.NO
        return Exit.NOT_REACHED if Outcome.UNKNOWN in outcomes else Exit.DONE


# What a file alone shows.


def findings_of(file: Path, *, policy: bool = False) -> tuple[Finding, ...]:
    """All that is wrong with a file, each with its place; empty when the loop takes it.

    Args:
        file: what is looked at.
        policy: it is a policy, whatever it looks like.
    """
    given = _given(file, policy=policy)
    return given.findings if isinstance(given, Checked) else _given_findings(given)


def _given(file: Path, *, policy: bool) -> Given | Checked:
    """A file that was recognised; of any other what is to be said of it."""
    try:
        body = bytes_of(file)
    except OSError as error:
        said = Finding((), f"cannot be read: {error.strerror}. Name a file that is there.")
        return Checked(file, NOTHING, (said,), wrong_call=True)
    if policy:
        return Given(FileKind.POLICY, file.name, body, {})
    found = recognised(file.name, body)
    if isinstance(found, str):
        return Checked(file, NOTHING, (Finding((), f"{found}."),))
    if found.kind is FileKind.EVENT and found.document.get("source") != DRIFT_SOURCE:
        said = Finding(
            (),
            "is an event that AWS or the loop sends, and nobody writes. This says what comes of it: "
            f"{shlex.join(('retraining', 'try', str(file)))}",
        )
        return Checked(file, found.read_as, (said,), wrong_call=True)
    return found


def _given_findings(given: Given) -> tuple[Finding, ...]:
    if given.kind is FileKind.POLICY:
        return policy_findings(given.name, given.body)
    place: Place = ()
    kind, document = given.kind, given.document
    if kind is FileKind.EVENT:
        asks = str(document.get("detail-type")).lower() == RETRAINING_REQUESTED.lower()
        kind, place = (FileKind.REQUEST if asks else FileKind.DRIFT_REPORT), ("detail",)
        document = mapping(document.get("detail"))
    found: list[Finding] = []
    if kind not in {FileKind.DECISION_FILE, FileKind.VIOLATIONS}:
        found = [
            Finding((*place, *each.place), each.sentence, each.meant and (*place, *each.meant))
            for each in schema_findings(kind, document)
        ]
    if kind is FileKind.EVALUATION:
        found += _numbers_that_fail(document)
    refused = _refused(given)
    if kind is FileKind.DRIFT_REPORT and refused is None:
        # Whose a report is and what it measures, in whichever library's words, is the reader's to say; the parts are the schema's.
        found = [each for each in found if each.place != place]
    # The reader says one thing at a time, and what the schema says has its place.
    return tuple(found) if found or refused is None else (Finding(place, refused),)


def _refused(given: Given) -> str | None:
    """Why the loop's own reader does not take a file that is no policy; None when it does."""
    if given.kind is FileKind.DECISION_FILE:
        word = parse_decision(Document(given.name, given.body))
        return word.sentence if isinstance(word, Rejection) else None
    if given.kind is FileKind.VIOLATIONS:
        violations = parse_violations(given.body)
        return f"The report {violations}." if isinstance(violations, str) else None
    if given.kind is FileKind.OUTPUT:
        output = read_training_output(given.document, output_uri="s3://output-uri/")
        return f"The output {output}." if isinstance(output, str) else None
    if given.kind is FileKind.EVALUATION:
        verdict = evaluate(given.body, Evaluation("auc"), Standing(expected=False, why=""))
        return verdict.sentence if verdict.reason is Reason.EVALUATION_UNREADABLE else None
    # Any endpoint may be a model's; a stack is asked whose it is.
    signal = read_signal(
        event_of(given, datetime.now(UTC)),
        # What lies in S3 nobody reads here: it is taken for a report that can be read.
        reader=FileReader("some", {str(uri): b'{"drift_detected": false}' for uri in _reports_named(given)}),
        settings=default_settings(),
        run_id="validate",
    )
    return signal.sentence if isinstance(signal, Rejection) else None


def _reports_named(given: Given) -> list[Any]:
    detail = mapping(given.document.get("detail")) or given.document
    return [detail[name] for name in ("report_uri", "report_s3_uri") if detail.get(name)]


def _numbers_that_fail(report: dict[str, Any]) -> Iterator[Finding]:
    """Numbers of an evaluation report that fail a gate whatever a policy asks of them, wherever the report has them."""
    for key in ("", "champion", "difference"):
        block, place = mapping(report.get(key)) if key else report, (key,) if key else ()
        slices = mapping(block.get("slices"))
        for where, part in ((place, block), *(((*place, "slices", name), mapping(slices[name])) for name in slices)):
            yield from _entries_that_fail(part, where, of_a_model=key != "difference")
        has_groups = any(group in block for group in METRIC_GROUPS)
        if key and has_groups and not _has_numbers(block):
            fails = "each comparison" if key == "champion" else "each comparison under a policy's confidence"
            yield Finding((key,), f"has no number, which fails {fails}; null says that there is none.")
    yield from _wrong_differences(report)


def _entries_that_fail(part: dict[str, Any], where: Place, *, of_a_model: bool) -> Iterator[Finding]:
    for group, name in told_twice(part):
        yield Finding(
            (*where, group, name), "is there more than once, with different numbers, and so counts as missing."
        )
    for group in METRIC_GROUPS:
        for name, entry in mapping(part.get(group)).items():
            known, value = metric(name), metric_value(entry)
            if of_a_model and known is not None and value is not None and (why := known.impossible(value)) is not None:
                yield Finding((*where, group, name), f"is {value:g}, and {why}; such a value fails its gate.")
            if mapping(entry).keys() & {"lower", "upper", "confidence"}:
                # A policy's confidence is 0.5 at least.
                bounds = interval(entry, 0.5)
                if isinstance(bounds, str):
                    yield Finding((*where, group, name), f"{bounds}; a gate with a confidence fails by it.")


def _has_numbers(part: dict[str, Any]) -> bool:
    return any(
        metric_value(entry) is not None for group in METRIC_GROUPS for entry in mapping(part.get(group)).values()
    )


def _wrong_differences(report: dict[str, Any]) -> Iterator[Finding]:
    """Differences that are not those of the two numbers that the report has."""
    paired, champion = mapping(report.get("difference")), mapping(report.get("champion"))
    parts: list[tuple[Place, dict[str, Any], dict[str, Any], dict[str, Any]]] = [((), report, champion, paired)]
    for name, part in mapping(paired.get("slices")).items():
        one, other = (mapping(mapping(each.get("slices")).get(name)) for each in (report, champion))
        parts.append((("slices", name), one, other, mapping(part)))
    for where, candidate, other, part in parts:
        asked = [(name, None) for group in METRIC_GROUPS for name in mapping(part.get(group))]
        mine, theirs = metric_values(candidate, asked), metric_values(other, asked)
        for group in METRIC_GROUPS:
            for name, entry in mapping(part.get(group)).items():
                value = metric_value(entry)
                both = value is not None and name in mine and name in theirs
                if value is not None and both and not is_difference(value, mine[name], theirs[name]):
                    yield Finding(
                        ("difference", *where, group, name),
                        f"is {value:g}, and the difference of its two numbers is {mine[name] - theirs[name]:g}; a gate with a "
                        "confidence fails by it.",
                    )


# A policy.


def policy_findings(name: str, body: bytes) -> tuple[Finding, ...]:
    """All that is wrong with a policy file. Whether it is valid the loop's reader says; the schema says what else is wrong."""
    taken = read_policy(body)
    document = json_object(body, at_most=POLICY_FILE_LIMIT)
    if isinstance(document, str):
        return (Finding((), f"{document}."),)
    found: list[Finding] = []
    if isinstance(taken, tuple):
        found = schema_findings(FileKind.POLICY, document)
        whole = _without(document, found)
        unsure = [path(place) for each in found for place in (each.place, each.meant) if place]
        found += [each for each in map(_rule, rule_findings(whole)) if not _touches(str(each), unsure)]
        found = found or [_rule(each) for each in taken]
    else:
        whole = taken
    found += map(_rule, _places_named(whole))
    model = whole.get("model")
    if model and Path(name).stem not in {model, "policy"}:
        found.append(
            Finding(
                ("model",),
                f"is {model!r}, but the file is named {name}: its name in policies/ has to be {model}.json, "
                "and here that or policy.json.",
            )
        )
    return tuple(found)


def _rule(told: str) -> Finding:
    """A finding of the loop's own, which begins with its JSON path."""
    place, _, sentence = told.partition(": ")
    parts = re.findall(r"\[(\d+)\]|\.([^.\[]+)", place)
    return Finding(tuple(int(index) if index else key for index, key in parts), sentence)


def _without(document: dict[str, Any], findings: Iterable[Finding]) -> dict[str, Any]:
    """What is left when everything that breaks the schema is taken out; a member of a list leaves an empty object behind."""
    return mapping(_part_without(document, {finding.place for finding in findings}, ()))


def _part_without(value: Any, places: set[Place], place: Place) -> Any:
    if isinstance(value, dict):
        kept = {key: member for key, member in value.items() if (*place, key) not in places}
        return {key: _part_without(member, places, (*place, key)) for key, member in kept.items()}
    if isinstance(value, list):
        return [
            {} if (*place, index) in places else _part_without(member, places, (*place, index))
            for index, member in enumerate(value)
        ]
    return value


def _touches(told: str, places: Iterable[str]) -> bool:
    """Whether a finding speaks of a place that was taken out, or of what lies around or in it."""
    named = [name.rstrip(".") for name in re.findall(r"\$[\w.\[\]-]+", told)]
    return any(_within(name, place) or _within(place, name) for name in named for place in places)


def _within(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith((f"{outer}.", f"{outer}["))


def _places_named(document: dict[str, Any]) -> tuple[str, ...]:
    """Findings on targets that cannot be one stack's, which works in one account and Region."""
    targets = {section: mapping(document.get(section)).get("target") or "" for section in ("training", "promotion")}
    places = {f"$.{name}.target": arn.split(":")[3:5] for name, arn in targets.items() if arn.startswith("arn:")}
    if len({tuple(place) for place in places.values()}) < 2:  # noqa: PLR2004 - two differ
        return ()
    shown = ", ".join(f"{name} of account {account}, {region}" for name, (region, account) in places.items())
    return (f"$: names {shown}: the loop starts targets of its own account and Region only.",)


def shared_endpoints(policies: Mapping[Path, bytes]) -> dict[Path, Finding]:
    """Findings on policies that promote to the endpoint of another one, given or in the same folder.

    Args:
        policies: what each file holds; one that came through a pipe cannot be read again.
    """
    held = {file.resolve(): body for file, body in policies.items()}
    beside = {file for given in held for file in given.parent.glob("*.json")} - held.keys()
    owners: dict[str, dict[str, Path]] = {}
    for file in sorted(beside | held.keys()):
        try:
            document = read_policy(held[file] if file in held else bytes_of(file))
        except OSError:
            continue  # nobody asked about it
        if isinstance(document, tuple):
            continue
        promotion = document.get("promotion", {})
        endpoint = promotion.get("endpoint")
        if endpoint and promotion.get("kind", "endpoint") == "endpoint":
            owners.setdefault(endpoint, {})[document["model"]] = file
    return {
        file: Finding(
            ("promotion", "endpoint"),
            f"{endpoint} is the endpoint of {', '.join(sorted(set(models) - {model}))} as well: two models would promote over "
            "each other. Give each model an endpoint of its own.",
        )
        for endpoint, models in owners.items()
        if len(models) > 1
        for model, file in models.items()
    }


# What a stack shows.


def checks_of(given: Given, ports: Ports, account: Account) -> tuple[Check, ...]:
    """What a stack and its account say of a valid file: all of a policy, of a report or request whether the model is known."""
    if given.kind is FileKind.POLICY:
        document = read_policy(given.body)
        assert isinstance(document, dict)  # noqa: S101 - only what is valid is asked about
        policy = parse_policy(document["model"], given.body, version="file", settings=ports.settings)
        return policy_checks(ports, account, policy)
    if given.kind in {FileKind.DRIFT_REPORT, FileKind.REQUEST, FileKind.EVENT}:
        return model_checks(ports, event_of(given, ports.now()))
    return ()


class _OneFile(click.Path):
    """A file. In the environment stands one, whatever its name holds."""

    def split_envvar_value(self, rv: str) -> list[str]:
        """Give the value whole."""
        return [rv]


@stack_command("validate", stack=None)
@click.argument("files", nargs=-1, envvar=f"{PREFIX}_FILE", type=_OneFile(path_type=Path))
@click.option(
    "--policy",
    "policies",
    multiple=True,
    envvar=f"{PREFIX}_POLICY",
    type=_OneFile(path_type=Path),
    help=("A file that is a policy, whatever it looks like; can be given again."),
)
def command(stack: Stack | None, terminal: Terminal, files: tuple[Path, ...], policies: tuple[Path, ...]) -> int:
    """Say all that is wrong with policies, reports, requests, training outputs or evaluations.

    With --stack what a policy names is looked up in the account, with your rights. Exit status: 0 all are valid and
    every check passes, 1 one is not, 2 one is none that can be looked at, 3 nothing fails, but something could not be
    looked at; of several the first.
    """
    if not files and not policies:
        raise CallError("Which file? Example: retraining validate policies/fraud.json")
    checked = _checked(files, policies, stack)
    _say(checked, terminal)
    terminal.answer({"files": [_as_record(each) for each in checked]})
    statuses = {each.status for each in checked}
    return next((each for each in (Exit.NO, Exit.WRONG_CALL, Exit.NOT_REACHED) if each in statuses), Exit.DONE)


def _checked(files: Sequence[Path], policies: Sequence[Path], stack: Stack | None) -> list[Checked]:
    asked = (reading_ports(stack), StackAccount(stack)) if stack else None
    given = [(file, _given(file, policy=file in policies)) for file in dict.fromkeys((*files, *policies))]
    policy = {file: each.body for file, each in given if isinstance(each, Given) and each.kind is FileKind.POLICY}
    shared = shared_endpoints(policy)
    checked = []
    for file, each in given:
        if isinstance(each, Checked):
            checked.append(each)
            continue
        found = _given_findings(each)
        if file.resolve() in shared:
            found = (*found, shared[file.resolve()])
        checks = checks_of(each, *asked) if asked and not found else ()
        checked.append(Checked(file, each.read_as, found, checks))
    return checked


COLOURS: Final[dict[Outcome, Style]] = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.UNKNOWN: "yellow"}


def _say(checked: Sequence[Checked], terminal: Terminal) -> None:
    for each in checked:
        becomes = "not looked at" if each.wrong_call else "NOT VALID" if each.findings else "valid"
        terminal.say(f"{each.file}: {becomes}, read as {each.read_as}")
        for finding in each.findings:
            terminal.say(f"  {finding}", hang=2)
        for check in each.checks:
            terminal.say(
                "  ", Styled(COLOURS[check.outcome], f"{check.outcome:<9}"), f" {check.name}: {check.sentence}", hang=2
            )


def _as_record(each: Checked) -> dict[str, Any]:
    return {
        "file": str(each.file),
        "read_as": each.read_as,
        "valid": not each.findings,
        "findings": [{"path": path(finding.place), "sentence": finding.sentence} for finding in each.findings],
        "checks": [
            {"check": check.name, "outcome": str(check.outcome), "sentence": check.sentence} for check in each.checks
        ],
        "status": each.status,
    }
