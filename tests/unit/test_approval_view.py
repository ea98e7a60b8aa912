"""What a reviewer has to see: each part of an approval with every fact it may have, and what stands where one is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration.domain.approval_view import Asked, approval_view, clock_of, sections_of, told_view
from orchestration.domain.contracts import Next, WaitKind
from orchestration.domain.jobs import Job, Use
from orchestration.domain.page import Section, Table, figure
from orchestration.domain.review_page import Form, View
from orchestration.domain.switches import KillSwitch
from orchestration.domain.votes import ApprovalDecision, Ruling, VoteCode
from orchestration.domain.wait import Result, Wait
from tests.unit.fakes import SETTINGS

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LADDER = {"remind_hours": 1, "escalate_hours": 8, "expire_hours": 24.5}


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
    about["data"] = {"approvals_needed": 1, "ladder": LADDER, "votes": [], **about["data"]}
    wait = Wait(WaitKind.APPROVAL, subject, token=None, execution_arn="arn:run-9", next_step_at="", **about)
    return Asked(wait, **{"manifest": {}, "evaluation": {}, "runs": [], **given})


def part(heading: str, given: Asked) -> Section:
    """The part of the page with this heading."""
    (found,) = [section for section in sections_of(given, NOW) if section.heading == heading]
    return found


FOR_ALL = ["Artifact and image", "The policy", "Cost so far", "Runs before", "Time and answers", "For the record"]


@pytest.mark.parametrize(
    ("subject", "headings"),
    [
        ("training", ["What drifted", "What would be trained", "What changes"]),
        ("promotion", ["The candidate", "What changes", "What drifted", "What was trained"]),
        ("bake", ["The candidate", "What changes", "What drifted", "What was trained"]),
    ],
)
def test_what_is_decided_comes_first_and_the_record_last(subject: str, headings: list[str]) -> None:
    assert [section.heading for section in sections_of(asked(subject), NOW)] == [*headings, *FOR_ALL]


@pytest.mark.parametrize(
    ("subject", "yes", "no"),
    [
        (
            "promotion",
            "The run goes on: the candidate is promoted.",
            "The run ends APPROVAL_REJECTED; what serves stays.",
        ),
        (
            "bake",
            "The candidate stays; the run ends PROMOTED.",
            "The champion comes back; the run ends ROLLED_BACK when the endpoint has moved.",
        ),
    ],
)
def test_a_reviewer_sees_what_comes_of_a_yes_and_of_a_no(subject: str, yes: str, no: str) -> None:
    assert part("What changes", asked(subject)).facts[:2] == (("With a yes", yes), ("With a no", no))


def test_a_reviewer_of_a_training_sees_the_artifact_that_serves() -> None:
    given = asked(manifest={"champion": {"model_data_uri": "s3://team/model.tar.gz"}})
    (table,) = part("Artifact and image", given).tables
    assert table.rows == (("Artifact now", "s3://team/model.tar.gz", "not known"),)


@pytest.mark.parametrize(("confidence", "unsure"), [(0.95, False), (None, True)])
def test_a_reviewer_sees_whether_the_policy_asks_how_sure_the_numbers_are(confidence: Any, unsure: bool) -> None:
    gates = [{"name": "auc bound", "value": 0.9, "comparison": ">", "bound": 0.8, "passed": True, "metric": "auc"}]
    given = asked(
        "promotion",
        data={"verdict": {"gates": gates}},
        manifest={"policy": {"effective": {"evaluation": {"confidence": confidence}}}},
    )
    assert ("Uncertainty" in dict(part("The candidate", given).facts)) is unsure


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
        ("Instances", "not known: the training target says"),
        ("Longest training", "6 h"),
        ("Runs of the budget", "2 of 4 in 30 days, this one included"),
    )


def test_without_a_limit_the_budget_says_so() -> None:
    given = asked(manifest={"training": {}}, data={"budget": {"used": 2, "runs": 0, "days": 7}})
    assert part("What would be trained", given).facts == (
        ("Instances", "not known: the training target says"),
        ("Runs of the budget", "2, no limit in 7 days, this one included"),
    )


@pytest.mark.parametrize(
    ("resources", "shown"),
    [
        ({"InstanceType": "ml.m5.xlarge", "InstanceCount": 2}, "2 x ml.m5.xlarge"),
        (
            {"InstanceGroups": [{"InstanceType": "ml.a", "InstanceCount": 1}, {"InstanceType": "ml.b"}]},
            "1 x ml.a, 1 x ml.b",
        ),
    ],
)
def test_a_training_job_says_on_what_it_would_run_and_with_which_image(resources: dict[str, Any], shown: str) -> None:
    image = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/train@sha256:" + "a" * 64
    request = {"ResourceConfig": resources, "AlgorithmSpecification": {"TrainingImage": image}}
    given = asked(manifest=policy(training={"request": request}))
    assert dict(part("What would be trained", given).facts)["Instances"] == shown
    (table,) = part("Artifact and image", given).tables
    assert table.rows == (("Training image", image, "sha256:" + "a" * 64),)


# What changes.


def policy(**sections: Any) -> dict[str, Any]:
    """A manifest that pins a policy of these sections."""
    return {"policy": {"version": "v7", "sha256": "5f", "effective": sections}}


@pytest.mark.parametrize(
    ("promotion", "wish", "severity", "then"),
    [
        ("none", "always", "critical", "nothing serves: the candidate stays in S3 or in the registry"),
        ("endpoint", "never", "critical", "promoted, and nobody is asked again"),
        ("registry", "always", "info", "promoted, if people approve that too"),
        ("endpoint", "by-severity", "warning", "promoted, if people approve that too"),
        ("endpoint", "by-severity", "info", "promoted, and nobody is asked again"),
    ],
)
def test_a_yes_to_a_training_says_whether_anybody_is_asked_again(
    promotion: str, wish: str, severity: str, then: str
) -> None:
    given = asked(
        manifest=policy(promotion={"kind": promotion}, approval={"promotion": wish}), data={"severity": severity}
    )
    facts = dict(part("What changes", given).facts)
    assert facts["Kind of promotion"].startswith(f"{promotion}: ")
    assert facts["After the training"].endswith(then)
    assert facts["With a yes"] == "The run goes on: it takes a training slot and trains."
    assert facts["Model now"] == "no champion yet"


def test_what_no_record_says_of_a_change_is_not_known() -> None:
    facts = dict(part("What changes", asked()).facts)
    assert [facts[name] for name in ("After the training", "Kind of promotion", "Model now")] == ["not known"] * 3
    champion = {"endpoint": "fraud-prod", "endpoint_config": "fraud-1", "model_name": "fraud-model-1"}
    facts = dict(part("What changes", asked(manifest={"champion": champion})).facts)
    assert [facts[name] for name in ("Endpoint", "Config now", "Model now")] == [*champion.values()]
    moves = {**policy(promotion={"endpoint": "fraud-new"}), "champion": champion}
    assert dict(part("What changes", asked(manifest=moves)).facts)["Endpoint"] == "fraud-new"


# The policy.


@pytest.mark.parametrize(
    ("in_force", "said"), [("5f", "the same"), ("6a", "another one, SHA-256 6a"), (None, "not known")]
)
def test_a_reviewer_sees_which_policy_decided_who_wrote_it_and_whether_it_changed(
    in_force: str | None, said: str
) -> None:
    given = asked(manifest=policy(), data={"policy_sha256": in_force, "policy_written": "version v7 by ana"})
    assert part("The policy", given).facts == (
        ("Decided under version", "v7"),
        ("SHA-256", "5f"),
        ("File when asked", "version v7 by ana"),
        ("In force when asked", said),
    )
    assert {value for _, value in part("The policy", asked()).facts} == {"not known"}


# What it has cost.


IN_VIRGINIA = {"execution_arn": "arn:aws:states:us-east-1:1:execution:loop:run-9"}
TRAINED = (
    {"status": "RETRAINING_DECIDED", "at": "2026-03-02T09:00:00+00:00", "details": {}},
    {"status": "TRAINING_STARTED", "at": "2026-03-02T09:00:00+00:00"},
    {"status": "TRAINING_FINISHED", "at": "2026-03-02T10:30:00+00:00"},
    {"status": "CANDIDATE_EVALUATED", "at": "2026-03-02T10:31:00+00:00"},
)


def test_a_run_has_cost_its_transitions_so_far_and_what_it_trained_on() -> None:
    job = Job(Use.TRAINING, "t", (("ml.m5.large", 2),), 3600).as_record()
    data, manifest = {"jobs": [job]}, {**IN_VIRGINIA, "training": {"kind": "training_job"}}
    facts = dict(part("Cost so far", asked("promotion", statuses=TRAINED, data=data, manifest=manifest)).facts)
    # Decided, asked for a slot, trained, judged: two transitions each but for the training, which no choice follows.
    assert facts["State transitions without retries"] == "7, 0.000175 USD"
    assert facts["training job t"] == "2 x ml.m5.large, 2.0000 instance hours: 0.230000 USD"
    assert facts["Price"] == "at least 0.230175 USD"  # it goes on
    assert facts["Prices"].startswith("US East (N. Virginia), ")
    assert facts["Counted"].startswith("List prices without discounts")


def test_while_a_bake_is_asked_about_its_endpoint_costs_until_now() -> None:
    plan = {
        "kind": "endpoint",
        "endpoint": "fraud-prod",
        "create_endpoint_config": {"ProductionVariants": [{"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}]},
    }
    since = (NOW - timedelta(hours=2)).isoformat()
    given = asked(
        "bake",
        statuses=[{"status": "PROMOTION_STARTED", "at": since}, {"status": "BAKE_APPROVAL_REQUESTED", "at": since}],
        evaluation={"answer": {"plan": plan}},
        manifest=IN_VIRGINIA,
    )
    facts = dict(part("Cost so far", given).facts)
    assert facts["endpoint fraud-prod"] == "1 x ml.m5.large, 2.0000 instance hours: 0.230000 USD"
    assert facts["Price"].startswith("at least 0.23")


def test_what_nobody_knows_of_the_cost_so_far_is_said() -> None:
    facts = dict(part("Cost so far", asked("promotion", statuses=TRAINED)).facts)
    assert facts["Price"] == "not known"
    assert facts["training"].startswith("not known: ")
    assert part("Cost so far", asked()).facts == (("Cost so far", "not known: the run's statuses are not there"),)


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
        data={"manifest_uri": "s3://a/m.json", "manifest_sha256": "5f"},
        manifest={
            "execution_arn": "arn:run-9",
            "training": {"input": {"output_uri": "s3://a/out/"}},
        },
    )
    assert part("For the record", given).facts == (
        ("Manifest", "s3://a/m.json"),
        ("Manifest SHA-256", "5f"),
        ("Output", "s3://a/out/"),
        ("Execution", "arn:run-9"),
    )


@pytest.mark.parametrize(("rows", "caption"), [(50, ""), (51, " (50 of 51 shown)")])
def test_a_table_shows_fifty_rows_and_says_of_how_many(rows: int, caption: str) -> None:
    gates = [{"name": f"gate {n}", "comparison": ">=", "passed": True} for n in range(rows)]
    (table,) = part("The candidate", asked("promotion", data={"verdict": {"gates": gates}})).tables
    assert (table.caption, len(table.rows)) == (f"Gates, failed ones first{caption}", 50)


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
            "goes_back": True,
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
                    ("2026-02-01 09:00 UTC", "PROMOTED (rollback)", "critical", "It served."),
                ),
            ),
        ),
    )
    first = Section("Runs before", (("Runs", "This is the first run of the model."),))
    assert part("Runs before", asked(runs=runs[:1])) == first
    (table,) = part("Runs before", asked(runs=[{"run_id": "run-8", "started_at": "some day"}])).tables
    assert table.rows == (("not known", "in progress", "", ""),)


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
            ("May answer", "everybody who may answer at all"),
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


def test_one_person_is_enough_where_one_is_asked_for() -> None:
    section = part("Time and answers", asked())
    assert dict(section.facts)["Approvals"] == "1 person must approve; one rejection is enough for a no"
    assert section.tables == ()
    assert clock_of(asked(), NOW) == "21 h 30 min left; 0 of 1 approvals given."


@pytest.mark.parametrize(("seconds", "left"), [(-1, "over"), (0, "over"), (1, "0 min left"), (90, "1 min left")])
def test_what_is_over_is_not_left(seconds: int, left: str) -> None:
    given = asked(deadline=(NOW + timedelta(seconds=seconds)).isoformat())
    assert dict(part("Time and answers", given).facts)["Deadline"].endswith(f"({left})")


def test_a_deputys_answer_says_so_and_who_may_answer_is_said_while_it_is_open() -> None:
    data = {
        "voters": ["ana"],
        "deputies": ["cleo"],
        "asked_by": ["dan"],
        "votes": [{**VOTES[0], "by": "cleo", "deputy": True}],
    }
    section = part("Time and answers", asked(data=data))
    facts = dict(section.facts)
    assert (facts["May answer"], facts["Deputies"]) == ("ana", "cleo (from 2026-03-02 17:00 UTC on)")
    assert facts["May not approve"] == "dan, who asked for the run"
    assert section.tables[0].rows[0][0] == "cleo (deputy)"
    over = dict(part("Time and answers", asked(data=data, deadline=NOW.isoformat())).facts)
    assert over.keys() == {"Asked", "Deadline", "Approvals"}


# What can be done about it.

SPEAKER = SETTINGS.speaker


def view(subject: str = "training", *, by_link: bool = False, result: Result | None = None, **given: Any) -> View:
    """The page of what is asked about."""
    data = {"why": "Every guard passed.", **given.pop("data", {})}
    found = asked(subject, data=data, **given)
    return approval_view(replace(found, wait=replace(found.wait, result=result)), SPEAKER, NOW, by_link=by_link)


def test_a_page_offers_both_answers_where_both_count() -> None:
    shown = view(plan_stands=True)
    assert (shown.title, shown.tone, shown.hint) == ("Approve the training of fraud?", "plain", "")
    assert shown.form == Form("?run=run-9", "training", None, approves=True)
    assert shown.notice == "Every guard passed. People are asked before the training."
    assert view("bake").notice == "Every guard passed. People are asked whether it stays."


def test_a_page_of_what_is_decided_or_over_takes_no_answer() -> None:
    decided = view(result=Result(Next.TRAIN, "Approved by ana."))
    (times,) = (section for section in decided.sections if section.heading == "Time and answers")
    assert dict(times.facts)["Deadline"] == "2026-03-03 09:30 UTC"
    assert (decided.form, decided.clock, decided.tone) == (None, "", "plain")
    assert (decided.title, decided.notice) == ("Training of fraud", "This was decided: Approved by ana.")
    broken = view(data={"ladder": None})
    assert (broken.form, broken.tone, broken.title) == (None, "warn", "Training of fraud")
    assert "is not whole (ladder)" in broken.notice
    lacking = view(result=Result(Next.TRAIN, "Approved by ana."), data={"ladder": None})
    assert (lacking.title, lacking.notice) == (decided.title, decided.notice)
    over = view(deadline=NOW.isoformat())
    assert (over.form, over.clock, over.tone) == (None, "", "warn")
    assert over.notice == "The deadline has passed, which means no."


def test_a_page_of_a_paused_model_takes_a_no_and_says_how_to_lift_the_switch() -> None:
    shown = view(switches=(KillSwitch("model:fraud", "ana", "Incident 7.", "2026-03-02T09:00:00+00:00"),))
    assert (shown.form is not None, shown.tone) == (True, "warn")
    assert "Incident 7. Approving has to wait; rejecting works. " in shown.notice
    assert "retraining resume --scope model:fraud" in shown.notice


def test_a_page_that_a_link_leads_to_takes_what_a_link_may_say() -> None:
    assert view(by_link=True).form == Form("?run=run-9", "training", None, approves=True)
    requested = view(by_link=True, data={"requested": True})
    assert requested.form == Form("?run=run-9", "training", None, approves=False)
    assert (requested.tone, requested.clock != "") == ("plain", True)
    assert requested.hint.startswith("A link does not say who you are, and this approval takes names")
    assert " To approve: retraining approve run-9 " in requested.hint
    stuck = view(by_link=True, plan_stands=False, data={"requested": True})
    assert stuck.hint.startswith("The manifest is not there")
    named = view(by_link=True, data={"voters": ["ana"]})
    assert (named.form, named.hint) == (None, "")
    assert "and a link names nobody. To approve: retraining approve run-9 " in named.notice
    assert "; To reject: retraining reject run-9 " in named.notice
    assert view(data={"voters": ["ana"]}).form is not None


DECIDED = {
    True: Ruling(ApprovalDecision.APPROVED, NOW.isoformat(), "ana"),
    False: Ruling(ApprovalDecision.REJECTED, NOW.isoformat(), "ana"),
}


@pytest.mark.parametrize(
    ("code", "ruling", "title", "notice", "tone"),
    [
        (VoteCode.DECIDED, DECIDED[True], "Decided", "Said. The run goes on.", "good"),
        (VoteCode.DECIDED, DECIDED[False], "Decided", "Said. The run ends without it.", "good"),
        (VoteCode.COUNTED, None, "Your approval is counted", "Said.", "good"),
        (VoteCode.EXPIRED, None, "The approval has expired", "Said.", "warn"),
        (VoteCode.LINK_INVALID, None, "Nothing was decided", "Said.", "warn"),
    ],
)
def test_the_page_after_an_answer_says_what_became_of_it(
    code: VoteCode, ruling: Ruling | None, title: str, notice: str, tone: str
) -> None:
    before = view()
    wait = replace(asked().wait, result=Result(Next.TRAIN, "Said.", ruling=ruling))
    shown = told_view(before, wait, code, "Said.")
    assert (shown.title, shown.notice, shown.tone) == (f"{title}: training of fraud", notice, tone)
    assert (shown.clock, shown.form, shown.sections) == ("", None, before.sections)


@pytest.mark.parametrize("result", [None, Result(Next.TRAIN, "Said.")])
def test_the_page_after_an_answer_says_that_a_run_goes_on_only_after_a_yes(result: Result | None) -> None:
    wait = replace(asked().wait, result=result)
    assert told_view(view(), wait, VoteCode.DECIDED, "Said.").notice == "Said. The run ends without it."


def test_a_page_says_which_policy_and_which_execution_asks_also_in_the_words_of_the_release_before() -> None:
    before = asked(manifest={"policy_version": "v7", "execution_arn": "arn:run-8"})
    assert dict(part("The policy", before).facts)["Decided under version"] == "v7"
    assert dict(part("For the record", before).facts)["Execution"] == "arn:run-8"
    assert dict(part("For the record", asked()).facts)["Execution"] == "arn:run-9"
    pinned = asked(manifest={"policy_version": "v7", "policy": {"version": "v8"}})
    assert dict(part("The policy", pinned).facts)["Decided under version"] == "v8"


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"plan_stands": False}, "The manifest is not there as it was when this was asked"),
        ({"data": {"voters": ["ana"], "asked_by": ["ana"]}}, "Nobody can approve this: it takes 1 of those"),
        ({"data": {"voters": ["ana"], "approvals_needed": 2}}, "Nobody can approve this: it takes 2 of those"),
    ],
)
def test_where_nobody_can_approve_any_more_a_page_says_so_and_rejects(given: dict[str, Any], hint: str) -> None:
    shown = view(**given)
    assert shown.form == Form("?run=run-9", "training", None, approves=False)
    assert shown.hint.startswith(hint)
    assert shown.tone == "warn"


def test_what_whoever_shows_a_page_may_not_read_hinders_no_approval_and_is_said() -> None:
    shown = view(plan_stands=None, unread=("The manifest may not be read by you.",))
    assert shown.form is not None
    assert shown.form.approves
    assert shown.notice.endswith("before the training. The manifest may not be read by you.")
    assert shown.tone == "warn"
