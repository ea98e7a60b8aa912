"""The page of a report: of the same records the same bytes, whoever makes it, until its version rises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import pytest

from orchestration.domain.gates import GateShown
from orchestration.domain.page import html
from orchestration.domain.prices import packaged_prices
from orchestration.domain.records import sha256
from orchestration.domain.report_page import Scale, report_page
from orchestration.domain.run_report import (
    REPORT_VERSION,
    EndpointShown,
    GuardShown,
    RunReport,
    VoteShown,
    run_report,
)
from tests.unit.fakes import World
from tests.unit.page_check import page_findings
from tests.unit.test_run_report import REPORTS, VERSION, WAYS, ended, records

PAGES = {
    "PROMOTED": "86261650ba5696e5",
    "ROLLED_BACK": "cf75eb89f8bcfc8e",
    "CANDIDATE_REJECTED": "ca394733a80e7452",
    "APPROVAL_REJECTED": "ec37a5a94a68e988",
    "FAILED": "6b36a746af2be4d0",
    "SUPERSEDED": "8e94cd19257bc918",
    "STOPPED": "41a96fcb873d9952",
    "way back": "df9f584fa9c3f153",
    "half approved": "d5bb6eab1312fd43",
    "without a verdict": "27db572219b58e1e",
}
"""How the digests of pages begin."""


@pytest.mark.parametrize("kind", REPORTS)
def test_a_page_that_changes_is_of_a_new_version(kind: str, world: World) -> None:
    """An audit makes reports of its own version again: change ``REPORT_VERSION`` with what this holds."""
    assert (REPORT_VERSION, sha256(ended(world, kind)["html"])[:16]) == (VERSION, PAGES[kind])


GATE = GateShown("auc at least 0.7", 0.9, 0.8, ">=", 0.7, 0.88, 0.92, 0.7, passed=True, sentence="It is.")
UNKNOWN_GATE = GateShown("mae", None, None, "<", None, None, None, None, passed=False, sentence="It was not measured.")
NOTHING = {each.name: None for each in fields(EndpointShown)}


def full(report: RunReport) -> RunReport:
    """What runs of the fakes never have."""
    first, *others = report.phases
    return replace(
        report,
        outcome="TRAINED",
        error="Boom",
        started_at=None,
        gates=(GATE, UNKNOWN_GATE, replace(GATE, lower=None), replace(GATE, upper=None), replace(GATE, champion=None)),
        gates_left_out=3,
        guards=(GuardShown("budget", passed=False, sentence="It is used up."), *report.guards),
        guards_left_out=1,
        votes=(VoteShown("bake", "EXPIRED", None, deputy=False, how=None, at=None, comment=""), *report.votes),
        votes_left_out=2,
        endpoint=replace(report.endpoint, name=None, registry="fraud/7", baseline="s3://b/next.json"),
        phases=tuple(replace(first, seconds=seconds) for seconds in (59.95, 60.0, 61.0, None)) + tuple(others),
        drift=replace(
            report.drift,
            window="2026-03-01 to 2026-03-02",
            report_uri="s3://reports/1",
            violations=(("amount", "type", "is text"),),
            violations_left_out=4,
        ),
        digests_left_out=5,
        unknown=("When it began.",),
    )


def bare(report: RunReport) -> RunReport:
    """What is left where no record says anything."""
    drift = replace(report.drift, metric=None, observed=0.2, threshold=0.4, lower_is_worse=True)
    nothing = EndpointShown(**{**NOTHING, "registry": "fraud/7", "baseline": "s3://b/next.json"})
    return replace(
        report,
        outcome="FAILED",
        goes_back=True,
        ended_at=None,
        end=None,
        gates=(),
        judged=None,
        guards=(),
        votes=(),
        endpoint=nothing,
        phases=(),
        drift=drift,
        links=(),
    )


def unmeasured(report: RunReport) -> RunReport:
    return replace(report, drift=replace(report.drift, observed=None))


def without_a_threshold(report: RunReport) -> RunReport:
    return replace(report, drift=replace(report.drift, threshold=None))


def nothing_observed(report: RunReport) -> RunReport:
    return replace(report, drift=replace(report.drift, observed=0.0))


@pytest.mark.parametrize(
    ("made", "digest"),
    [
        (full, "38a7e6f7bbdf7406"),
        (bare, "6c50193b2779cf74"),
        (unmeasured, "937810b029fea260"),
        (without_a_threshold, "907d29ef9ca700b7"),
        (nothing_observed, "a6057ff497121386"),
    ],
)
def test_what_else_a_page_may_show_is_of_its_version_too(
    made: Callable[[RunReport], RunReport], digest: str, world: World
) -> None:
    WAYS["PROMOTED"](world)
    page = report_page(made(run_report(records(world), packaged_prices())))
    assert page_findings(page) == []
    assert (REPORT_VERSION, sha256(page)[:16]) == (VERSION, digest)


def test_a_number_alone_is_drawn_in_the_middle_and_others_with_room_at_the_ends() -> None:
    assert [Scale.of((value, None), 0, 100).x(value) for value in (0.0, 5.0, -5.0)] == pytest.approx([50, 50, 50])
    assert Scale.of((0.0, 10.0), 0, 116).x(0.0) == pytest.approx(8)


@pytest.mark.parametrize("text", ["\U0001fae8", "\u0378", "\U000323b0"])
def test_a_character_that_only_some_versions_of_python_know_is_the_same_on_every_page(text: str) -> None:
    """An audit makes a report again, maybe with another Python than the function that wrote it."""
    assert html(f"<{text}>") == f"&lt;{text}&gt;"


@pytest.mark.parametrize(
    "text", ["\u2067", "\u061c", "\u2064", "\U0001343f", "\u202e", "\u200b", "\ud800", "\u2028", "\x00"]
)
def test_what_hides_or_turns_text_around_is_seen_on_a_page_whenever_it_came_into_unicode(text: str) -> None:
    assert html(text) == text.encode("unicode_escape").decode()
