"""Who walks when: executions share the seats that the cores carry."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from local import step_functions_seats as seats
from local.embedded_aws import wait_until


def test_who_has_begun_goes_on_before_others_begin_and_one_pause_too_many_keeps_its_seat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seats, "SEATS", 1)
    monkeypatch.setattr(seats, "_seats", seats._Seats())
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
