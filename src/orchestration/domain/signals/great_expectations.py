"""Great Expectations: the result of a validation or of a checkpoint, as checks of the data. Pure.

A validation has ``results``, one for each expectation, each with ``success`` and its ``expectation_config``; a checkpoint has
validations as ``run_results``, or as ``validation_results`` with ``expectations`` in its description.
"""

from __future__ import annotations

from typing import Any

from orchestration.domain.json_values import mapping, sequence, text
from orchestration.domain.signal import Violation
from orchestration.domain.signals.finding import Report, failed_checks, shown

SHOWN = ("observed_value", "unexpected_count", "unexpected_percent", "element_count")
"""What a result says of what it found. Source: the result formats of Great Expectations, BASIC."""


def read(body: Any) -> Report | None:
    """The findings of a result; None for anything else."""
    if not isinstance(body, dict) or not isinstance(body.get("success"), bool):
        return None
    validations = _validations(body)
    if not validations:
        return None
    entries = [entry for validation in validations for entry in _entries(validation)]
    violations = [_violation(entry) for entry in entries if entry.get("success") is False]
    unknown = sum(not isinstance(entry.get("success"), bool) for entry in entries)
    unread = None if not unknown else f"{unknown} expectation(s) of the result say neither success nor failure."
    if not all(map(_entries, validations)):
        unread = "The result of Great Expectations has no expectation: send it whole, to_json_dict()."
    passed = body["success"] and all(validation.get("success") is not False for validation in validations)
    checked = not passed or len(entries) > unknown
    return failed_checks(violations, checked=checked, all_passed=passed, unread=unread)


def _validations(body: dict[str, Any]) -> list[dict[str, Any]]:
    if "run_results" in body:
        runs = [mapping(run) for run in mapping(body["run_results"]).values()]
        # Until 0.18 a run holds its result beside what was done with it.
        return [mapping(run.get("validation_result")) or run for run in runs]
    if "validation_results" in body:
        return [mapping(validation) for validation in sequence(body["validation_results"])]
    entries = _entries(body)
    counted = "evaluated_expectations" in mapping(body.get("statistics"))
    return [body] if counted or any(_type(entry) for entry in entries) else []


def _entries(validation: dict[str, Any]) -> list[dict[str, Any]]:
    return [mapping(entry) for entry in sequence(validation.get("results") or validation.get("expectations"))]


def _type(entry: dict[str, Any]) -> str | None:
    """The name of an expectation, in a result of 1.x, of 0.x, and in a description."""
    config = mapping(entry.get("expectation_config"))
    return text(config.get("type") or config.get("expectation_type") or entry.get("expectation_type"), 100)


def _violation(entry: dict[str, Any]) -> Violation:
    """Of an expectation that failed."""
    arguments = mapping(mapping(entry.get("expectation_config")).get("kwargs") or entry.get("kwargs"))
    columns = [text(arguments.get(name), 100) for name in ("column", "column_A", "column_B")]
    named = [
        *filter(None, columns),
        *filter(None, (text(name, 100) for name in sequence(arguments.get("column_list")))),
    ]
    result = mapping(entry.get("result"))
    found = [f"{name} {shown(result[name])}" for name in SHOWN if isinstance(result.get(name), (int, float, str))]
    wanted = [f"{name} {shown(value)}" for name, value in arguments.items() if isinstance(value, (int, float))]
    described = f"found {', '.join(found) or 'nothing'}; expected {', '.join(wanted) or 'as named'}"
    check = _type(entry) or "(unnamed)"
    return Violation(text(", ".join(named), 200) or "(table)", check, _raised(entry) or text(described) or "")


def _raised(entry: dict[str, Any]) -> str | None:
    """What stopped an expectation from being looked at; it stands there once, or once for each thing it needed."""
    information = mapping(entry.get("exception_info"))
    for each in (information, *map(mapping, information.values())):
        if each.get("raised_exception") is True:
            return f"not looked at: {text(each.get('exception_message'), 300)}"
    return None
