"""The bench measures: each part runs to its table, the page has the same rows, and it says so when it cannot."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest

from bench import __main__ as bench
from bench import month, weekly, whole_loop
from bench.readme import README, labels, table_of
from bench.stack import PathError
from tests.contract import lambda_runtime
from tests.stack.loop import Loop

if sys.platform != "linux":
    pytest.skip("Lambda's runtime client has wheels for Linux only", allow_module_level=True)

SMALL = {
    "startup": ["--starts", "1"],
    "loop": ["--events", "1", "--signals", "2"],
    "weekly": ["--events", "1"],
    "calls": ["--models", "20", "--foreign", "10"],
    "month": ["--events", "1"],
}
"""Parts in the smallest size; tests/unit/test_simulation.py has the others."""


@pytest.mark.parametrize("part", SMALL)
def test_a_short_run_of_each_part_ends_in_the_rows_of_the_page(
    part: str, loop: Loop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the stack of the other stories; the bench deploys one of its own in the same way."""
    for module in (whole_loop, weekly, month):
        monkeypatch.setattr(module, "deployed_loop", lambda: contextlib.nullcontext(loop))
    monkeypatch.setenv("COLUMNS", "1000")

    status = bench.main(["--dry-run", "--only", part, *SMALL[part]])

    printed = capsys.readouterr()
    assert status == 0, printed.err
    assert f"`python -m bench --only {part} {' '.join(SMALL[part])}`, Python" in printed.out
    assert labels(printed.out) == labels(table_of(README.read_text(encoding="utf-8"), part)) != []


def test_every_part_has_its_place_on_the_page() -> None:
    text = README.read_text(encoding="utf-8")

    assert [part for part in bench.PARTS if f"`python -m bench --only {part}`" not in table_of(text, part)] == []


def test_a_part_that_measures_something_else_than_it_should_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(*_: object) -> None:
        raise PathError("a promotion: 'ROLLED_BACK' instead of 'PROMOTED'")

    monkeypatch.setattr(bench, "measure_loop", measure)

    assert bench.main(["--dry-run", "--only", "loop"]) == 1
    assert "bench: a promotion" in capsys.readouterr().err


def test_a_bench_without_the_runtime_client_says_what_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lambda_runtime, "ENVIRONMENT", tmp_path)

    assert bench.main(["--dry-run", "--only", "startup", "--starts", "1"]) == 1
    assert f"bench: There is no {tmp_path}. `make bench` makes it" in " ".join(capsys.readouterr().err.split())
