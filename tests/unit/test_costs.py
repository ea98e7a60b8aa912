"""What a run cost at list prices: of what ran and the prices of its Region; what nobody can say is not known, with the reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ops.project import ROOT
from orchestration.domain.contracts import Status
from orchestration.domain.costs import Cost, Tariff, endpoint_costs, fleet_shown, training_costs
from orchestration.domain.jobs import JOBS_KEPT, MOST_SECONDS, Instances, Job, Use
from orchestration.domain.prices import Prices, packaged_prices, read_prices
from orchestration.domain.run_report import RunRecords, RunReport, priced, run_report
from orchestration.steps.reports import read_records
from tests.unit import stories
from tests.unit.fakes import World
from tests.unit.history import promoted
from tests.unit.stories import do

TABLE = Prices(
    region="us-east-1",
    location="US East (N. Virginia)",
    date="2026-09-25",
    source="a test",
    transition=0.000025,
    hourly={"training": {"ml.m5.large": 0.115, "ml.g5.xlarge": 1.408}, "hosting": {"ml.m5.large": 0.2}},
)
HERE = Tariff(TABLE, "us-east-1")
VARIANT = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 2}
PLAN: dict[str, Any] = {
    "kind": "endpoint",
    "endpoint": "fraud-prod",
    "wanted_config": "new",
    "create_endpoint_config": {"ProductionVariants": [VARIANT]},
    "update_endpoint": {"DeploymentConfig": {"BlueGreenUpdatePolicy": {}}},
}


def train(*jobs: Job, tariff: Tariff = HERE) -> list[Cost]:
    return list(training_costs(tariff, {}, {"jobs": [job.as_record() for job in jobs]}))


def serve(status: str, plan: dict[str, Any] = PLAN, **more: Any) -> list[Cost]:
    given = {"seconds": 3600.0, "moved": None, "unmoved": True, **more}
    return list(endpoint_costs(HERE, plan, status, **given))


def test_a_job_costs_its_billed_time_on_all_its_instances() -> None:
    two = Job(Use.TRAINING, "t", (("ml.m5.large", 2),), 1800)
    mixed = Job(Use.TRAINING, "m", (("ml.m5.large", 2), ("ml.g5.xlarge", 1)), 3600, spot=True)
    assert train(two, mixed) == [
        Cost("training job t", "2 x ml.m5.large", 1.0, 0.115, None),
        Cost("training job m (spot)", "2 x ml.m5.large, 1 x ml.g5.xlarge", 3.0, 1.638, None),
    ]


def test_a_price_that_no_table_has_is_not_known_and_says_why() -> None:
    on = (("ml.m5.large", 1), ("ml.p9.large", 1))
    (cost,) = train(Job(Use.TRAINING, "t", on, 60))
    assert (cost.usd, cost.why) == (None, "The prices of us-east-1 have none of ml.p9.large for training.")
    (cost,) = train(Job(Use.PROCESSING, "p", on[:1], 60))
    assert cost.why == "The prices of us-east-1 have none of ml.m5.large for processing."


def test_a_price_of_transitions_is_told_to_a_millionth_of_a_dollar() -> None:
    assert Tariff(replace(TABLE, transition=0.0000271), "us-east-1").transitions(3) == 0.000081


@pytest.mark.parametrize(
    ("instances", "seconds", "hours"),
    [
        ((("ml.m5.large", 1),), MOST_SECONDS, MOST_SECONDS / 3600),
        ((("ml.m5.large", 1),), MOST_SECONDS + 1, None),
        ((), 60.0, None),
    ],
)
def test_what_ran_on_nothing_or_for_longer_than_anything_does_has_no_hours(
    instances: Instances, seconds: float, hours: float | None
) -> None:
    cost = HERE.cost("job", Use.TRAINING, instances, seconds)
    assert cost.hours == hours
    assert (cost.usd is None) == (hours is None)


def test_what_instances_were_for_is_to_be_on_record() -> None:
    (cost,) = train(Job(None, "s", (("ml.m5.large", 1),), 60))
    assert (cost.usd, cost.why) == (None, "No record says on what it ran, or for how long.")


@pytest.mark.parametrize(
    ("region", "why"),
    [
        ("eu-west-1", "The prices are those of us-east-1, and the run was in eu-west-1."),
        (None, "The prices are those of us-east-1, and no record says in which Region the run was."),
    ],
)
def test_a_price_of_another_region_is_no_price_of_the_run(region: str | None, why: str) -> None:
    elsewhere = Tariff(TABLE, region)
    (cost,) = train(Job(Use.TRAINING, "t", (("ml.m5.large", 1),), 3600), tariff=elsewhere)
    assert cost == Cost("training job t", "1 x ml.m5.large", 1.0, None, why)
    assert (elsewhere.transitions(10), HERE.transitions(10)) == (None, 0.00025)


def test_what_ran_for_no_time_cost_nothing_at_any_price() -> None:
    job = Job(Use.TRAINING, "t", (("ml.p9.large", 1),), 0)
    for tariff in (HERE, Tariff(TABLE, "eu-west-1")):
        assert train(job, tariff=tariff) == [Cost("training job t", "1 x ml.p9.large", 0.0, 0.0, None)]


def test_why_a_job_is_not_known_is_why_its_price_is_not() -> None:
    (cost,) = train(Job(None, "Score", unknown="Not looked up."))
    assert cost == Cost("step Score", None, None, None, "Not looked up.")


@pytest.mark.parametrize(
    ("manifest", "outcome", "why"),
    [
        ({"training": {"kind": "state_machine"}}, {"jobs": []}, "The team's own state machine trained"),
        ({}, {}, "The release that wrote the run's outcome did not keep"),
        ({}, {"jobs": [], "statuses": [{"status": "STOPPED"}]}, "The run ended before its training was over."),
        *(
            ({}, {"jobs": [], "statuses": [{"status": status}]}, "SageMaker named no job of it.")
            for status in ("TRAINING_FINISHED", "TRAINING_FAILED", "TRAINING_TIMED_OUT", "NO_CAPACITY")
        ),
    ],
)
def test_a_training_nobody_knows_the_jobs_of_says_why(
    manifest: dict[str, Any], outcome: dict[str, Any], why: str
) -> None:
    (cost,) = training_costs(HERE, manifest, outcome)
    assert (cost.usd, cost.instances) == (None, None)
    assert (cost.why or "").startswith(why)


def test_of_more_jobs_than_are_kept_one_says_so_and_no_more_are_read() -> None:
    jobs = [Job(Use.TRAINING, f"t{number}", (("ml.m5.large", 1),), 0) for number in range(JOBS_KEPT + 2)]
    assert [cost.what for cost in train(*jobs)] == [f"training job t{number}" for number in range(JOBS_KEPT + 1)]


def test_of_a_state_machine_that_names_its_training_job_the_rest_is_not_known() -> None:
    job = Job(Use.TRAINING, "t", (("ml.m5.large", 1),), 3600).as_record()
    named, rest = training_costs(HERE, {"training": {"kind": "state_machine"}}, {"jobs": [job]})
    assert (named.usd, rest.what, rest.usd) == (0.115, "training, whatever else ran", None)


def test_an_endpoint_has_both_fleets_while_it_moves_and_one_while_it_bakes() -> None:
    assert serve(Status.PROMOTION_STARTED, moved=900.0) == [
        Cost("endpoint fraud-prod, moving", "4 x ml.m5.large", 1.0, 0.2, None),
        Cost("endpoint fraud-prod, baking", "2 x ml.m5.large", 1.5, 0.3, None),
    ]
    assert serve(Status.ROLLBACK_STARTED) == [Cost("endpoint fraud-prod, moving", "4 x ml.m5.large", 4.0, 0.8, None)]
    for status in (Status.BAKE_APPROVAL_REQUESTED, Status.BAKE_APPROVED, Status.PROMOTION_BAKED):
        assert serve(status) == [Cost("endpoint fraud-prod", "2 x ml.m5.large", 2.0, 0.4, None)]
    assert serve(Status.CANDIDATE_EVALUATED) == []


def test_instances_that_take_part_of_the_traffic_or_only_copies_of_it_count() -> None:
    config = {"ProductionVariants": [VARIANT, VARIANT], "ShadowProductionVariants": [VARIANT]}
    (cost,) = serve(Status.PROMOTION_BAKED, {**PLAN, "create_endpoint_config": config})
    assert (cost.hours, cost.usd) == (6.0, 1.2)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"create_endpoint_config": None}, "What config new runs on stands in the records of whoever made it."),
        (
            {"create_endpoint_config": {"ProductionVariants": [{"ServerlessConfig": {"MemorySizeInMB": 2048}}]}},
            "A serverless endpoint is paid by its requests, which are in no record.",
        ),
        (
            {"create_endpoint_config": {"ProductionVariants": [VARIANT, {"InstanceType": "ml.m5.large"}]}},
            "Its config does not name all its instances.",
        ),
        ({"create_endpoint_config": {}}, "Its config does not name all its instances."),
        (
            {"update_endpoint": {"DeploymentConfig": {"RollingUpdatePolicy": {}}}},
            "It was replaced in batches; how many instances ran at a time is in no record.",
        ),
        (
            {"update_endpoint": {"DeploymentConfig": {"RollingUpdatePolicy": {}}}, "create_endpoint_config": {}},
            "Its config does not name all its instances.",
        ),
    ],
)
def test_what_an_endpoint_costs_is_not_known_where_its_instances_are_not(more: dict[str, Any], why: str) -> None:
    (cost,) = serve(Status.ROLLBACK_STARTED, {**PLAN, **more})
    assert (cost.usd, cost.why) == (None, why)


def test_how_long_an_endpoint_moved_is_not_known_of_a_run_that_died_meanwhile() -> None:
    (cost,) = serve(Status.PROMOTION_STARTED, unmoved=False)
    assert cost.why == "No record says when the endpoint had moved."
    moving, baking = serve(Status.PROMOTION_STARTED, unmoved=False, moved=900.0)
    assert (moving.usd, baking.usd) == (0.2, 0.3)
    (cost,) = serve(Status.PROMOTION_STARTED, {**PLAN, "create_endpoint_config": {}}, unmoved=False)
    assert cost.why == "Its config does not name all its instances."


def test_an_endpoint_that_moved_longer_than_its_status_lasted_did_not_bake() -> None:
    _, baking = serve(Status.PROMOTION_STARTED, seconds=600.0, moved=900.0)
    assert (baking.hours, baking.usd) == (0.0, 0.0)


def test_a_promotion_without_a_plan_is_not_known_and_nothing_else_costs() -> None:
    costly = {
        *(Status.BAKE_APPROVAL_REQUESTED, Status.BAKE_APPROVED, Status.PROMOTION_BAKED),
        *(Status.PROMOTION_STARTED, Status.ROLLBACK_STARTED),
    }
    for status in Status:
        unknown = [Cost("promotion", None, None, None, "No record has the plan of the promotion.")]
        assert serve(status, {}) == (unknown if status in costly else []), status


def test_what_others_deploy_is_not_known_and_what_is_only_registered_runs_nowhere() -> None:
    (cost,) = serve(Status.PROMOTION_STARTED, {"kind": "pipeline"})
    assert (cost.what, cost.usd) == ("deployment", None)
    assert serve(Status.PROMOTION_BAKED, {"kind": "pipeline"}) == []
    assert serve(Status.PROMOTION_STARTED, {"kind": "registry"}) == []
    assert serve(Status.PROMOTION_STARTED, {"kind": "none"}) == []


def test_a_serverless_endpoint_is_shown_as_such() -> None:
    config = {"ProductionVariants": [{"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}]}
    assert fleet_shown({**PLAN, "create_endpoint_config": config}) == "serverless, 2048 MB"
    assert fleet_shown(PLAN) == "2 x ml.m5.large"
    assert fleet_shown({}) is None


# The table.


def test_the_table_of_the_package_is_one_and_is_read_as_it_was_written() -> None:
    table = packaged_prices()
    assert (table.region, table.of(Use.TRAINING, "ml.m5.large")) == ("us-east-1", 0.115)
    assert read_prices(json.loads(json.dumps(table.as_record()))) == table


def test_ten_thousand_dollars_are_the_most_that_is_taken_for_a_price() -> None:
    dear = replace(TABLE, transition=10_000.0, hourly={"training": {"ml.m5.large": 10_000.0}})
    assert read_prices(json.loads(json.dumps(dear.as_record()))) == dear


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schema_version": 2}, "is no table of prices of version 1"),
        ({"region": None, "date": ""}, "is no table of prices: it lacks region, date"),
        ({"hourly": {"training": {"ml.m5.large": 0}}}, "has no price at hourly.training.ml.m5.large"),
        ({"hourly": {"training": {"ml.m5.large": "free"}}}, "has no price at hourly.training.ml.m5.large"),
        ({"hourly": {"notebook": {"ml.m5.large": 1}}}, "has no price at hourly.notebook.ml.m5.large"),
        ({"transition": -1}, "has no price at transition"),
        ({"transition": "free"}, "has no price at transition"),
        ({"transition": True}, "has no price at transition"),
        ({"hourly": None}, "has no prices at hourly"),
        ({"hourly": [1]}, "has no prices at hourly"),
        ({"hourly": {"training": 0.115}}, "has no prices at hourly.training"),
        ({"transition": 1e300}, "has no price at transition"),
        ({"transition": 10_000.5}, "has no price at transition"),
        ({"hourly": {"training": {"ml.m5.large": 10_000.5}}}, "has no price at hourly.training.ml.m5.large"),
        ({"hourly": {"training": {"ml.m5.large": 1e308}}}, "has no price at hourly.training.ml.m5.large"),
    ],
)
def test_what_is_no_table_of_prices_says_why(change: dict[str, Any], why: str) -> None:
    found = read_prices({**TABLE.as_record(), **change})
    assert isinstance(found, str)
    assert found.startswith(why)


def test_a_table_without_a_price_of_transitions_has_none() -> None:
    found = read_prices({**TABLE.as_record(), "transition": None})
    assert isinstance(found, Prices)
    assert Tariff(found, "us-east-1").transitions(10) is None


# In a report.


def report(world: World, prices: Prices = TABLE) -> RunReport:
    records = read_records(lambda key: world.bucket.read(world.bucket.uri(key)).body, "automation", "fraud", "run-1")
    return run_report(records, prices)


def test_the_total_of_a_run_is_what_is_known_and_says_that_it_is_a_lower_bound(world: World) -> None:
    promoted(world)
    made = report(world)
    baking = next(cost for phase in made.phases for cost in phase.costs if cost.what == "endpoint fraud-prod, baking")
    assert (baking.hours, baking.usd) == (0.516667, 0.103333)
    assert made.price.total_usd == pytest.approx(0.103333 + 17 * 0.000025)
    assert made.price.at_least
    told = priced(made.price)
    assert told.startswith("Price: at least 0.103758 USD. State transitions without retries: 17, 0.000425 USD.")
    assert told.endswith("Prices: US East (N. Virginia), 2026-09-25, by a test.")


def test_the_total_of_a_run_whose_costs_are_all_known_is_no_lower_bound(world: World) -> None:
    promoted(world)
    found = {**read_records(lambda key: world.bucket.read(world.bucket.uri(key)).body, "a", "fraud", "run-1").found}
    job = Job(Use.TRAINING, "t", (("ml.m5.large", 1),), 3600).as_record()
    found["outcome"] = {**found["outcome"], "jobs": [job]}
    manifest = found["manifest"]
    found["manifest"] = {**manifest, "training": {**manifest["training"], "kind": "training_job"}}
    made = run_report(RunRecords("fraud", "run-1", "automation", found), TABLE)
    assert made.price.at_least is False
    assert made.price.total_usd == pytest.approx(0.115 + 0.103333 + 17 * 0.000025)


def unreadable(status: str, outcome: dict[str, Any]) -> dict[str, Any]:
    rows = [{**row, "at": "soon" if row["status"] == status else row["at"]} for row in outcome["statuses"]]
    return {**outcome, "statuses": rows}


@pytest.mark.parametrize(
    ("name", "spoilt", "why"),
    [
        ("evaluation", lambda _: {}, "No record has the plan of the promotion."),
        ("evaluation", lambda found: {**found, "answer": {}}, "No record has the plan of the promotion."),
        ("verification", lambda _: {}, "No record says when the endpoint had moved."),
        ("outcome", lambda found: unreadable("PROMOTION_BAKED", found), "for how long."),
        ("outcome", lambda found: {**found, "statuses": []}, None),
        ("outcome", lambda found: {**found, "statuses": "PROMOTED"}, None),
        ("outcome", lambda _: {}, None),
        ("outcome", lambda found: {**found, "died": True}, None),
        ("outcome", lambda found: {**found, "error": "ContentionError"}, None),
    ],
)
def test_the_total_of_a_run_whose_records_do_not_tell_all_is_a_lower_bound(
    name: str, spoilt: Callable[[dict[str, Any]], dict[str, Any]], why: str | None, world: World
) -> None:
    promoted(world)
    found = {**read_records(lambda key: world.bucket.read(world.bucket.uri(key)).body, "a", "fraud", "run-1").found}
    job = Job(Use.TRAINING, "t", (("ml.m5.large", 1),), 3600).as_record()
    found["outcome"] = {**found["outcome"], "jobs": [job]}
    found["manifest"] = {**found["manifest"], "training": {**found["manifest"]["training"], "kind": "training_job"}}
    found[name] = spoilt(dict(found[name]))
    made = run_report(RunRecords("fraud", "run-1", "automation", found), TABLE)
    assert made.price.at_least
    assert (made.price.total_usd or 0.0) < 0.22
    told = [str(cost.why) for phase in made.phases for cost in phase.costs if cost.usd is None]
    assert any(each.endswith(why) for each in told) if why else not told


def test_in_another_region_a_report_has_no_price_and_still_the_hours(world: World) -> None:
    promoted(world)
    made = report(world, replace(TABLE, region="eu-west-1"))
    assert (made.price.transitions_usd, made.price.total_usd, made.price.at_least) == (None, None, True)
    assert priced(made.price).startswith("Price: not known. State transitions without retries: 17, price not known.")
    hours = [cost.hours for phase in made.phases for cost in phase.costs if cost.what.startswith("endpoint")]
    assert hours == [0.0, 0.516667, 0.0]


def test_what_serves_after_a_bake_that_a_pause_stopped_is_the_champion(world: World) -> None:
    stories.baking(world)
    do(world, "pause", scope="global", reason="Incident 7.")
    assert stories.next_of(world, "bake") == "roll_back"
    do(world, "roll_back", token="rollback")
    world.sagemaker.settle(stories.ENDPOINT)
    stories.tell_endpoint(world)
    do(world, "close")
    made = report(world)
    assert (made.outcome, made.endpoint.after) == ("STOPPED", stories.OLD)


def test_what_serves_after_a_stop_in_the_middle_of_a_way_back_is_not_known(world: World) -> None:
    stories.rejected_by_bake(world)
    do(world, "roll_back", token="rollback")
    stories.tell_dead(world, "ABORTED")
    made = report(world)
    assert (made.outcome, made.endpoint.after) == ("STOPPED", None)


def test_each_price_of_the_package_stands_in_the_docs_with_at_least_two_sources() -> None:
    page = (ROOT / "docs" / "reference" / "prices.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(ml\.\S+)` \| (\w+) \| ([\d.]+) \| ([A-Z](?:, [A-Z])*) \|$", page, re.MULTILINE)
    sources = dict(re.findall(r"^\| ([A-Z]) \| .+ \| (\d{4}-\d\d-\d\d|-) \|$", page, re.MULTILINE))
    table = packaged_prices()

    assert {(use, name): float(price) for name, use, price, _ in rows} == {
        (use, name): price for use, prices in table.hourly.items() for name, price in prices.items()
    }
    by = [set(letters.split(", ")) for *_, letters in rows]
    assert [letters for letters in by if len(letters) < 2 or all(sources[letter] == "-" for letter in letters)] == []
    assert set.union(*by) == set(sources)
    dates = sorted(set(sources.values()) - {"-"})
    assert table.date == f"{dates[0]} to {dates[-1]}"
    assert f"{table.transition:f}" in page
