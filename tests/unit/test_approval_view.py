"""What a reviewer has to see: each part of an approval with every fact it may have, and what stands where one is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration.domain.approval_view import Asked, clock_of, sections_of
from orchestration.domain.contracts import WaitKind
from orchestration.domain.page import Section, Table, figure
from orchestration.domain.wait import Wait

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def asked(subject: str = "training", **given: Any) -> Asked:
    """An approval of which nothing is known but what is given."""
    about: dict[str, Any] = {
        "model": "fraud",
        "run_id": "run-9",
        "parked_at": "2026-03-02T09:00:00+00:00",
        "deadline": "2026-03-03T09:30:00+00:00",
        "data": {},
    }
    about |= {key: given.pop(key) for key in [*given] if key in about}
    wait = Wait(WaitKind.APPROVAL, subject, token=None, execution_arn="arn:run-9", next_step_at="", **about)
    return Asked(wait, **{"manifest": {}, "evaluation": {}, "runs": [], **given})


def part(heading: str, given: Asked) -> Section:
    """The part of the page with this heading."""
    (found,) = [section for section in sections_of(given, NOW) if section.heading == heading]
    return found


@pytest.mark.parametrize(
    ("subject", "headings"),
    [
        (
            "training",
            ["What drifted", "What would be trained", "Runs before", "Time and answers", "For the record"],
        ),
        (
            "promotion",
            ["The candidate", "What drifted", "What was trained", "Runs before", "Time and answers", "For the record"],
        ),
    ],
)
def test_what_is_decided_comes_first_and_the_record_last_and_folded(subject: str, headings: list[str]) -> None:
    sections = sections_of(asked(subject), NOW)
    assert [section.heading for section in sections] == headings
    assert [section.folded for section in sections] == [*[False] * (len(headings) - 1), True]


# What drifted.

SIGNAL: dict[str, Any] = {
    "summary": "psi of tenure is 0.9.",
    "endpoint": "fraud-prod",
    "report_uri": "s3://reports/psi.json",
    "threshold": {"metric": "psi", "observed": 0.9, "threshold": 0.2, "ratio": 4.5},
    "dataset": {"uri": "s3://data/march/", "window_start": "2026-03-01", "window_end": "2026-03-02"},
    "violations": [{"feature": f"f{n}", "check": "drift", "description": f"It moved {n}."} for n in range(12)],
    "violation_count": 80,
}


def test_a_reviewer_sees_what_drifted_how_far_and_where() -> None:
    given = asked(manifest={"signal": SIGNAL}, data={"severity": "critical", "why": "not this"})
    rows = tuple((f"f{n}", "drift", f"It moved {n}.") for n in range(10))
    assert part("What drifted", given) == Section(
        "What drifted",
        (
            ("What happened", "psi of tenure is 0.9."),
            ("Severity", "critical"),
            ("Metric", "psi"),
            ("Observed", "0.9"),
            ("Threshold", "0.2"),
            ("How far", "4.50 times the threshold (bad when above it)"),
            ("Endpoint", "fraud-prod"),
            ("Seen in", "s3://data/march/"),
            ("Window", "2026-03-01 to 2026-03-02"),
            ("Report", "s3://reports/psi.json"),
        ),
        (Table("Broken constraints (10 of 80 shown)", ("Feature", "Check", "Finding"), rows),),
    )


def test_of_a_drift_only_what_is_known_is_shown() -> None:
    signal = {"threshold": {"ratio": 1.5, "lower_is_worse": True}, "dataset": {"window_end": "2026-03-02"}}
    given = asked(manifest={"signal": signal}, data={"why": "People asked for it."})
    assert part("What drifted", given) == Section(
        "What drifted",
        (
            ("What happened", "People asked for it."),
            ("How far", "1.50 times the threshold (bad when below it)"),
            ("Window", "2026-03-02"),
        ),
    )
    assert part("What drifted", asked()) == Section("What drifted")


def test_violations_nobody_counted_are_as_many_as_are_there() -> None:
    violations = [{"feature": "age", "check": "drift", "description": "It moved."}]
    (table,) = part("What drifted", asked(manifest={"signal": {"violations": violations}})).tables
    assert table.caption == "Broken constraints (1 of 1 shown)"


# What is trained.

OWN_INPUT = dict.fromkeys(
    (
        *("run", "triggered_by", "reason", "run_id", "model", "manifest_uri", "output_uri", "idempotency_token"),
        "champion_model_data_uri",
    ),
    "the loop's own",
)


def test_a_reviewer_sees_what_would_be_trained_on_what_and_what_it_costs() -> None:
    given = asked(
        manifest={
            "training": {
                "target": "arn:machine",
                "input": {**OWN_INPUT, "epochs": 3, "data": "s3://d/"},
                "max_hours": 6,
            },
            "dataset": {"uri": "s3://data/march/"},
            "champion": {"model_name": "fraud-1"},
        },
        data={"budget": {"used": 2, "runs": 4, "days": 30.0}},
    )
    assert part("What would be trained", given).facts == (
        ("Training target", "arn:machine"),
        ("Dataset of the signal", "s3://data/march/"),
        ("Input data", "s3://d/"),
        ("Input epochs", "3"),
        ("Longest training", "6 h"),
        ("Serves now", "fraud-1"),
        ("Runs of the budget", "2 of 4 in 30 days, this one included"),
    )


def test_without_a_limit_the_budget_says_so_and_without_a_champion_none_is_named() -> None:
    given = asked(manifest={"training": {}}, data={"budget": {"used": 2, "runs": 0, "days": 7}})
    assert part("What would be trained", given).facts == (
        ("Serves now", "no champion yet"),
        ("Runs of the budget", "2, no limit in 7 days, this one included"),
    )
    assert part("What would be trained", asked()).facts == ()


@pytest.mark.parametrize(("values", "more"), [(12, None), (13, "1 more; the manifest has them")])
def test_of_an_input_twelve_values_are_shown_and_the_others_counted(values: int, more: str | None) -> None:
    facts = dict(
        part(
            "What would be trained", asked(manifest={"training": {"input": {f"v{n:02}": n for n in range(values)}}})
        ).facts
    )
    assert [name for name in facts if name.startswith("Input v")] == [f"Input v{n:02}" for n in range(12)]
    assert facts.get("Input, not shown") == more


def test_the_record_says_where_everything_lies_that_is_asked_about() -> None:
    given = asked(
        data={"manifest_uri": "s3://a/m.json", "manifest_sha256": "5f", "policy_written": "by ana"},
        manifest={
            "policy_version": "v7",
            "execution_arn": "arn:run-9",
            "training": {"input": {"output_uri": "s3://a/out/", "champion_model_data_uri": "s3://a/old.tar.gz"}},
        },
    )
    assert part("For the record", given).facts == (
        ("Manifest", "s3://a/m.json"),
        ("Manifest SHA-256", "5f"),
        ("Policy version", "v7"),
        ("Policy file", "by ana"),
        ("Output", "s3://a/out/"),
        ("Champion's model data", "s3://a/old.tar.gz"),
        ("Execution", "arn:run-9"),
    )


# The candidate.


def test_a_reviewer_sees_every_gate_the_failed_ones_first_and_both_models_numbers() -> None:
    given = asked(
        "promotion",
        data={
            "verdict": {
                "sentence": "1 of 2 gates failed.",
                "gates": [
                    {"name": "auc bound", "value": 0.9, "comparison": ">=", "bound": 0.8, "passed": True},
                    {"name": "guard recall", "value": None, "comparison": ">=", "bound": None, "passed": False},
                ],
                "promotion": {
                    "kind": "endpoint",
                    "endpoint": "fraud-prod",
                    "previous_config": "fraud-config-1",
                    "wanted_config": "fraud-2",
                },
            }
        },
        evaluation={
            "verdict": {
                "candidate_metrics": {"recall": 0.7, "auc": 0.9, "odd": None},
                "champion_metrics": {"auc": 0.85, "odd": 0.5},
            }
        },
    )
    assert part("The candidate", given) == Section(
        "The candidate",
        (
            ("Verdict", "1 of 2 gates failed."),
            ("Promotion", "endpoint"),
            ("Endpoint", "fraud-prod"),
            ("Serves now", "fraud-config-1"),
            ("Would serve", "fraud-2"),
        ),
        (
            Table(
                "Gates of the candidate",
                ("Gate", "Candidate", "Bound", "Result"),
                (("guard recall", "not measured", ">= no bound", "fail"), ("auc bound", "0.9", ">= 0.8", "pass")),
            ),
            Table(
                "Candidate against champion, same data",
                ("Metric", "Champion", "Candidate", "Change"),
                (
                    ("auc", "0.85", "0.9", "+0.05"),
                    ("odd", "0.5", "not measured", ""),
                    ("recall", "not measured", "0.7", ""),
                ),
            ),
        ),
    )
    assert part("The candidate", asked("promotion")) == Section("The candidate")


@pytest.mark.parametrize(("rows", "caption"), [(50, ""), (51, " (50 of 51 shown)")])
def test_a_table_shows_fifty_rows_and_says_of_how_many(rows: int, caption: str) -> None:
    gates = [{"name": f"gate {n}", "comparison": ">=", "passed": True} for n in range(rows)]
    (table,) = part("The candidate", asked("promotion", data={"verdict": {"gates": gates}})).tables
    assert (table.caption, len(table.rows)) == (f"Gates of the candidate{caption}", 50)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.123456789, "0.123457"), (30.0, "30"), ("0.5", "0.5"), ("much", None), (None, None)]
)
def test_a_figure_has_six_digits_at_most_and_what_is_none_has_none(value: Any, shown: str | None) -> None:
    assert figure(value) == shown


# The runs before.


def test_a_reviewer_sees_what_came_of_the_runs_before_this_one() -> None:
    runs = [
        {"run_id": "run-9", "started_at": "2026-03-02T09:00:00+00:00"},
        {"run_id": "run-8", "started_at": "2026-03-01T09:00:00+00:00"},
        {
            "run_id": "run-7",
            "started_at": "2026-02-01T09:00:00+00:00",
            "outcome": "PROMOTED",
            "severity": "critical",
            "reason": "It served.",
        },
    ]
    assert part("Runs before", asked(runs=runs)) == Section(
        "Runs before",
        (),
        (
            Table(
                "Last 2 runs of fraud, newest first",
                ("Started", "Outcome", "Severity", "Reason"),
                (
                    ("2026-03-01 09:00 UTC", "in progress", "", ""),
                    ("2026-02-01 09:00 UTC", "PROMOTED", "critical", "It served."),
                ),
            ),
        ),
    )
    first = Section("Runs before", (("Runs", "This is the first run of the model."),))
    assert part("Runs before", asked(runs=runs[:1])) == first
    (table,) = part("Runs before", asked(runs=[{"run_id": "run-8", "started_at": "some day"}])).tables
    assert table.rows == (("", "in progress", "", ""),)


# Time and answers.

VOTES = [
    {"by": "ana", "answer": "APPROVED", "via": "iam identity", "at": "2026-03-02T10:00:00+00:00", "comment": "Fine."},
    {"by": "bob", "answer": "REJECTED", "via": "link", "at": "never", "comment": ""},
]


def test_a_reviewer_sees_how_long_there_is_and_who_answered_what() -> None:
    given = asked(data={"approvals_needed": 2, "votes": VOTES})
    assert part("Time and answers", given) == Section(
        "Time and answers",
        (
            ("Asked", "2026-03-02 09:00 UTC"),
            ("Deadline", "2026-03-03 09:30 UTC (21 h 30 min left)"),
            ("Approvals", "2 different people must approve; one rejection is enough for a no"),
        ),
        (
            Table(
                "Answers so far",
                ("Who", "Answer", "Known by", "When", "Comment"),
                (
                    ("ana", "APPROVED", "iam identity", "2026-03-02 10:00 UTC", "Fine."),
                    ("bob", "REJECTED", "link", "", ""),
                ),
            ),
        ),
    )
    assert clock_of(given, NOW) == "21 h 30 min left; 1 of 2 approvals given."
    refused = asked(data={"approvals_needed": 2, "votes": VOTES[1:]})
    assert clock_of(refused, NOW) == "21 h 30 min left; 0 of 2 approvals given."


def test_one_person_is_enough_where_nobody_says_how_many() -> None:
    section = part("Time and answers", asked())
    assert dict(section.facts)["Approvals"] == "1 person must approve; one rejection is enough for a no"
    assert section.tables == ()
    assert clock_of(asked(), NOW) == "21 h 30 min left; 0 of 1 approvals given."


@pytest.mark.parametrize(("seconds", "left"), [(-1, "over"), (0, "over"), (1, "0 min left"), (90, "1 min left")])
def test_what_is_over_is_not_left(seconds: int, left: str) -> None:
    given = asked(deadline=(NOW + timedelta(seconds=seconds)).isoformat())
    assert dict(part("Time and answers", given).facts)["Deadline"].endswith(f"({left})")
