"""The bench measures: each half runs to its table, and says so when it cannot."""

from __future__ import annotations

import contextlib
import sys

import pytest

from bench import __main__ as bench
from bench import whole_loop
from bench.whole_loop import PATHS, PathError
from tests.stack.loop import Loop

if sys.platform != "linux":
    pytest.skip("Lambda's runtime client has wheels for Linux only", allow_module_level=True)


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (["--only", "startup", "--starts", "1"], ["OrchestrationFunction, cold", "OrchestrationFunction, warm"]),
        (["--only", "loop", "--events", "1", "--signals", "2"], ["event to promoted", *(name for name, _, _ in PATHS)]),
    ],
    ids=["startup", "loop"],
)
def test_a_short_run_of_each_half_ends_in_its_table(
    options: list[str], rows: list[str], loop: Loop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the stack of the other stories; the bench deploys one of its own in the same way."""
    monkeypatch.setattr(whole_loop, "_deployed", lambda: contextlib.nullcontext(loop))

    status = bench.main(["--dry-run", *options])

    printed = capsys.readouterr()
    assert status == 0, printed.err
    assert [row for row in rows if f"| {row}" not in printed.out] == []


def test_a_half_that_measures_something_else_than_it_should_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(*_: object) -> None:
        raise PathError("a promotion: 'ROLLED_BACK' instead of 'PROMOTED'")

    monkeypatch.setattr(bench, "measure_loop", measure)

    assert bench.main(["--dry-run", "--only", "loop"]) == 1
    assert "bench: a promotion" in capsys.readouterr().err
