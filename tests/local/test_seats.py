"""Who walks when: executions share the seats that the cores carry."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from local import step_functions_executions as executions
from local import step_functions_seats as seats
from local.embedded_aws import wait_until
from local.seam import stepfunctions


@pytest.fixture(autouse=True)
def one_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seats, "SEATS", 1)
    monkeypatch.setattr(seats, "_seats", seats._Seats())


def test_who_has_begun_goes_on_before_others_begin_and_one_pause_too_many_keeps_its_seat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seats, "_pauses", threading.Semaphore(1))
    order: list[str] = []
    over = {name: threading.Event() for name in ("first", "second", "third")}

    def execution(name: str) -> Callable[[], None]:
        def walk() -> None:
            order.append(f"{name} begins")
            with seats.before_retry():
                over[name].wait(10)
            order.append(f"{name} goes on")

        return walk

    for name in ("first", "second", "third"):
        threading.Thread(target=seats.walk_seated, args=(execution(name),), daemon=True).start()
        # The second has the seat that the first gave back; the pauses are used up, so it keeps it, and the third does not begin.
        wait_until(lambda name=name: f"{name} begins" in order or seats._seats._new, within=10)
    over["third"].set()
    over["first"].set()
    wait_until(lambda: seats._seats._begun, within=10)
    assert order == ["first begins", "second begins"]

    over["second"].set()

    wait_until(lambda: len(order) == 6, within=10)
    assert order[2:] == ["second goes on", "first goes on", "third begins", "third goes on"]


def test_a_task_that_is_done_runs_out_of_no_time_while_it_waits_for_its_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS has no such queue: a job that ended within its task's time has."""
    answers: list[str] = []
    seated, leave = threading.Event(), threading.Event()

    def other() -> None:
        seated.set()
        leave.wait(10)

    def job(*_: Any) -> str:
        with seats.away():
            threading.Thread(target=seats.walk_seated, args=(other,), daemon=True).start()
            seated.wait(10)
        return "done"

    monkeypatch.setattr(stepfunctions.load(), "_invoke_resource", job)
    ask = threading.Thread(
        target=seats.walk_seated,
        args=(lambda: answers.append(executions._invoke_with_timeout("job", {}, 0.5)),),
        daemon=True,
    )
    ask.start()
    assert seated.wait(10)
    ask.join(1)
    leave.set()
    ask.join(10)

    assert answers == ["done"]


def test_an_execution_that_somebody_waits_for_is_walked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """StartSyncExecution answers when it has returned, seat or not."""
    walked: list[Any] = []
    monkeypatch.setattr(executions, "_walk", walked.append)
    known = {"sync": {"sync": True}, "other": {}}
    monkeypatch.setattr(stepfunctions.load(), "_executions", known)
    assert seats._seats.take(lambda: None, begun=False)

    for name in known:
        executions._run(name)

    assert walked == [known["sync"]]
