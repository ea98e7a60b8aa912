"""Models, their signals and policies.

==================  =======================  =========================================================================
pk                  sk                       item
==================  =======================  =========================================================================
``MODEL#<model>``   ``STATE``                the model's state, its pending signal
``MODEL#<model>``   ``RUN#<started>#<run>``  one line for each run of the model
``MODEL#<model>``   ``POLICY``               the last good policy file
``MODEL#<model>``   ``WATCH``                since when its monitor is silent, where its policy expects one to speak
``MODEL#<model>``   ``BAD_POLICY``           the version of the policy file that operators were told is not valid
``RUN#<run>``       ``DECISION``             the signal this execution decided (expires)
``RUN#<run>``       ``UNDECIDED``            people were told that this execution decided nothing (expires)
``RUN#<run>``       ``IGNORED``              the event this execution ignored (expires)
``MODEL#<model>``   ``IGNORED#<at>#<run>``   the same, for its model and for ``_unattributed`` (expires)
``SIGNAL#<id>``     ``SIGNAL``               the decision on a signal (expires)
``REQUEST#<id>``    ``REQUEST``              a retraining, or a way back, an operator asked for, and who (expires)
``REQUEST#<run>``   ``ROLLBACK``             that an operator wants a run's candidate taken back, and who (expires)
``MODELS``          ``<model>``              a model that had a signal
==================  =======================  =========================================================================
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from orchestration.domain.contracts import SMOKE_MODEL, UNATTRIBUTED
from orchestration.domain.json_values import fields_of
from orchestration.domain.kept_request import KeptRequest, KeptRollback
from orchestration.domain.silence import Watch
from orchestration.domain.stored_model import RUN_STARTS_KEPT, StoredModel
from orchestration.stores.chains import Chains, head_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestration.domain.chain import Head, Link
    from orchestration.stores.table import Write

SIGNAL_MEMORY: Final = timedelta(days=90)
"""How long a signal is recognised as seen. EventBridge retries for a day; archives are replayed within weeks."""


class Commit(StrEnum):
    """What became of a decision's transaction."""

    DONE = "DONE"
    DUPLICATE = "DUPLICATE"
    CONFLICT = "CONFLICT"


@dataclass(frozen=True, slots=True)
class SeenSignal:
    """A signal that was decided before: its records' places in their chain, what the workflow was told, the event itself.

    ``sequences`` are the decision's and, of a run, its manifest's; ``seals`` are those links', none in items of the release
    before. ``event`` is kept until the records are written, so
    that a process that dies loses nothing. ``record`` is the record's text in items of the release before, which had no
    places.
    """

    signal_id: str
    run_id: str
    record_key: str
    payload: str
    told: bool
    chain: str = ""
    sequences: tuple[int, ...] = ()
    event: str | None = None
    record: str | None = None
    seals: tuple[str, ...] = ()

    def record_in(self, links: Sequence[Link]) -> dict[str, Any]:
        """The record of the decision, among its links."""
        decision = next((link for link in links if link.sequence in self.sequences[:1]), None)
        found: dict[str, Any] = json.loads(decision.record if decision is not None else self.record or "{}")
        return found


@dataclass(frozen=True, slots=True)
class Known:
    """What a decision begins with: the signal if it was decided before, where the chain ends, and the model's state.

    ``good_version`` is of the model's policy file the last version that was valid.
    """

    seen: SeenSignal | None
    head: Head
    state: StoredModel
    good_version: str | None


@dataclass(frozen=True, slots=True)
class IgnoredEvent:
    """An event that was understood and says nothing about any model. ``run_id`` is the execution; ``at`` ISO-8601 in UTC.

    ``signal_id`` is the signal it says again, of a delivery that came before.
    """

    run_id: str
    model: str | None
    at: str
    reason: str
    sentence: str
    event_id: str | None
    source: str | None
    detail_type: str | None
    signal_id: str | None = None


def _ignored(item: dict[str, Any]) -> IgnoredEvent:
    fields: dict[str, Any] = {name: item.get(name) for name in IgnoredEvent.__slots__}
    return IgnoredEvent(**fields)


def _seen(item: dict[str, Any]) -> SeenSignal:
    fields = {name: item[name] for name in SeenSignal.__slots__ if name in item}
    kept = {name: tuple(item.get(name, ())) for name in ("sequences", "seals")}
    return SeenSignal(**{**fields, **kept})


def _model(model: str, item: dict[str, Any] | None) -> StoredModel:
    if item is None:
        return StoredModel(model)
    fields = {name: item[name] for name in StoredModel.__slots__ if name in item and name != "model"}
    fields["run_starts"] = tuple(item.get("run_starts", ()))
    return StoredModel(model, **fields)


class Models(Chains):
    """Model states, seen signals, policies."""

    def model(self, model: str) -> StoredModel:
        """The model's state; a fresh one (version 0) when none is stored."""
        return _model(model, self._get(f"MODEL#{model}", "STATE"))

    def known(self, signal_id: str, chain: str) -> Known:
        """What a decision begins with, in one read and of one moment.

        Raises:
            ContentionError: some of it is just being written.
        """
        keys = [(f"SIGNAL#{signal_id}", "SIGNAL"), ("HEADS", chain)]
        seen, head, state, policy = self._get_all([*keys, *((f"MODEL#{chain}", sk) for sk in ("STATE", "POLICY"))])
        return Known(
            None if seen is None else _seen(seen),
            head_of(chain, head, state),
            _model(chain, state),
            None if policy is None else str(policy["version_id"]),
        )

    def models(self) -> list[str]:
        """Names of all models that had a signal; the one that tests a stack is none."""
        return [item["sk"] for item in self._query("MODELS") if item["sk"] not in {UNATTRIBUTED, SMOKE_MODEL}]

    def models_with_pending(self) -> list[str]:
        """Names of the models that have a pending signal; a read for each hundred of all models.

        Raises:
            ContentionError: a signal of one is just being decided.
        """
        names = self.models()
        states = self._get_all([(f"MODEL#{name}", "STATE") for name in names])
        return [name for name, state in zip(names, states, strict=True) if state is not None and state.get("pending")]

    def signal(self, signal_id: str) -> SeenSignal | None:
        """The decision on this signal, if it was decided."""
        item = self._get(f"SIGNAL#{signal_id}", "SIGNAL")
        return None if item is None else _seen(item)

    def record_of(self, seen: SeenSignal) -> dict[str, Any]:
        """The record of a signal's decision.

        Raises:
            OrchestrationError: it is not the one that was committed with the decision.
        """
        link = self.link(seen.chain, seen.sequences[0], *seen.seals[:1]) if seen.sequences else None
        return seen.record_in([] if link is None else [link])

    def links_of(self, seen: SeenSignal) -> list[Link]:
        """The links of a signal's decision and, of a run, its manifest, that are there.

        Raises:
            OrchestrationError: one is not the one that was committed with the decision.
        """
        found = [self.link(seen.chain, *place) for place in zip_longest(seen.sequences, seen.seals)]
        return [link for link in found if link is not None]

    def decision_of(self, run_id: str) -> SeenSignal | None:
        """The decision an execution made, if it made one before it was interrupted."""
        item = self._get(f"RUN#{run_id}", "DECISION")
        return None if item is None else self.signal(item["signal_id"])

    def commit_decision(
        self, state: StoredModel, seen: SeenSignal, writes: Sequence[Write], *, now: datetime
    ) -> Commit:
        """Write a decision, the model's state and what follows from them in one transaction.

        Args:
            state: the new state, carrying the version that was read.
            seen: the decision.
            writes: the run it starts, the due items of what must follow.
            now: the decision's time.
        """
        expires_at = int((now + SIGNAL_MEMORY).timestamp())
        items = [
            self._put(
                {"pk": f"SIGNAL#{seen.signal_id}", "sk": "SIGNAL", **fields_of(seen), "expires_at": expires_at},
                "attribute_not_exists(pk)",
            ),
            self.model_write(state),
            self._put(
                {
                    "pk": f"RUN#{seen.run_id}",
                    "sk": "DECISION",
                    "signal_id": seen.signal_id,
                    "expires_at": expires_at,
                }
            ),
            *writes,
        ]
        if state.version == 0:
            items.append(self._put({"pk": "MODELS", "sk": state.model}))
        reasons = self._transact(items)
        if reasons is None:
            return Commit.DONE
        return Commit.DUPLICATE if reasons[0] == "ConditionalCheckFailed" else Commit.CONFLICT

    def save_model(self, state: StoredModel, writes: Sequence[Write] = ()) -> bool:
        """Write a model's state unless someone else wrote since it was read. True when written."""
        return self._transact([self.model_write(state), *writes]) is None

    def model_write(self, state: StoredModel) -> Write:
        """The write of a model's state: nobody wrote since the version it carries was read."""
        written = replace(state, version=state.version + 1, run_starts=state.run_starts[-RUN_STARTS_KEPT:])
        item = {"pk": f"MODEL#{state.model}", "sk": "STATE", **fields_of(written)}
        if state.version == 0:
            return self._put(item, "attribute_not_exists(pk)")
        return self._put(item, "#version = :version", {":version": state.version}, names=["version"])

    def active_check(self, model: str, run_id: str) -> Write:
        """Condition of a transaction: the run is its model's."""
        return self._check(f"MODEL#{model}", "STATE", "active_run_id = :run", {":run": run_id})

    # Requests.

    def kept_request(self, request_id: str) -> KeptRequest | None:
        """A request as its asker made it; only the function operators call can write one."""
        item = self._get(f"REQUEST#{request_id}", "REQUEST")
        if item is None:
            return None
        return KeptRequest(**{name: item[name] for name in KeptRequest.__slots__ if name in item})

    def keep_request(self, request: KeptRequest, writes: Sequence[Write], *, at: datetime) -> bool:
        """Keep a request, with what must follow it. False when it was kept before.

        Raises:
            ContentionError: see ``_once``.
        """
        expires_at = int((at + SIGNAL_MEMORY).timestamp())
        item = {"pk": f"REQUEST#{request.request_id}", "sk": "REQUEST", **fields_of(request), "expires_at": expires_at}
        return self._once(self._put(item, "attribute_not_exists(pk)"), writes)

    def kept_rollback(self, run_id: str) -> KeptRollback | None:
        """That somebody wants a run's candidate taken back, as the asker made it."""
        item = self._get(f"REQUEST#{run_id}", "ROLLBACK")
        return None if item is None else KeptRollback(**{name: item[name] for name in KeptRollback.__slots__})

    def keep_rollback(self, asked: KeptRollback, writes: Sequence[Write], *, at: datetime) -> bool:
        """Keep it, with what must follow it. False when it was kept before.

        Raises:
            ContentionError: see ``_once``.
        """
        expires_at = int((at + SIGNAL_MEMORY).timestamp())
        item = {"pk": f"REQUEST#{asked.run_id}", "sk": "ROLLBACK", **fields_of(asked), "expires_at": expires_at}
        return self._once(self._put(item, "attribute_not_exists(pk)"), writes)

    def rollback_check(self, run_id: str) -> Write:
        """Condition of a transaction: nobody wants the run's candidate taken back."""
        return self._check(f"REQUEST#{run_id}", "ROLLBACK", "attribute_not_exists(pk)")

    # Monitors that are expected to speak.

    def watch(self, model: str) -> Watch | None:
        """Since when the model's monitor is silent; None where nobody listens for it."""
        item = self._get(f"MODEL#{model}", "WATCH")
        if item is None:
            return None
        fields = {name: item[name] for name in Watch.__slots__ if name != "model"}
        return Watch(model, **{**fields, "hours": float(fields["hours"])})

    def watch_write(self, watch: Watch, before: Watch | None) -> Write:
        """The write of a watch, over the one that was read."""
        item = {"pk": f"MODEL#{watch.model}", "sk": "WATCH", **fields_of(watch)}
        if before is None:
            return self._put(item, "attribute_not_exists(pk)")
        values = {":since": before.since, ":watch_id": before.watch_id}
        return self._put(item, "#since = :since AND watch_id = :watch_id", values, names=["since"])

    def keep_watch(self, watch: Watch, before: Watch | None, writes: Sequence[Write]) -> bool:
        """Write a watch, with what must follow it. False when somebody wrote since it was read."""
        return self._transact([self.watch_write(watch, before), *writes]) is None

    # Policies.

    def good_policy(self, model: str) -> tuple[str, bytes] | None:
        """Version and bytes of the last policy file that was valid."""
        item = self._get(f"MODEL#{model}", "POLICY")
        return None if item is None else (item["version_id"], item["body"].encode())

    def keep_good_policy(self, model: str, version: str, body: bytes) -> None:
        """Remember a valid policy file. Idempotent."""
        item = {"pk": f"MODEL#{model}", "sk": "POLICY", "version_id": version, "body": body.decode("utf-8-sig")}
        self._write(self._put(item))

    def noted_bad_policy(self, model: str) -> str | None:
        """The version of the model's policy file that operators were told is not valid."""
        item = self._get(f"MODEL#{model}", "BAD_POLICY")
        return None if item is None else str(item["version_id"])

    def note_bad_policy(self, model: str, version: str) -> None:
        """Note that operators were told of this version. Idempotent."""
        self._write(self._put({"pk": f"MODEL#{model}", "sk": "BAD_POLICY", "version_id": version}))

    # Executions that decided nothing.

    def note_ignored(self, ignored: IgnoredEvent, writes: Sequence[Write] = ()) -> bool:
        """Remember an event that says nothing about any model, with what follows. False when it was noted before.

        Raises:
            ContentionError: see ``_once``.
        """
        at = datetime.fromisoformat(ignored.at)
        row = {**fields_of(ignored), "expires_at": int((at + SIGNAL_MEMORY).timestamp())}
        lists = {UNATTRIBUTED, ignored.model or UNATTRIBUTED}
        lines = [
            self._put({"pk": f"MODEL#{name}", "sk": f"IGNORED#{ignored.at}#{ignored.run_id}", **row})
            for name in sorted(lists)
        ]
        item = {"pk": f"RUN#{ignored.run_id}", "sk": "IGNORED", **row}
        return self._once(self._put(item, "attribute_not_exists(pk)"), [*lines, *writes])

    def ignored_event(self, run_id: str) -> IgnoredEvent | None:
        """The event that an execution ignored, if it ignored one."""
        item = self._get(f"RUN#{run_id}", "IGNORED")
        return None if item is None else _ignored(item)

    def ignored_events(self, model: str) -> Iterator[IgnoredEvent]:
        """Events about a model that were ignored, newest first, page by page; ``_unattributed``: all of them."""
        for item in self._query(f"MODEL#{model}", "IGNORED#", newest_first=True):
            yield _ignored(item)

    def note_undecided(self, run_id: str, writes: Sequence[Write], *, at: datetime) -> bool:
        """Note that an execution failed before its decision, with what must follow. False when it was noted before.

        Raises:
            ContentionError: see ``_once``.
        """
        expires_at = int((at + SIGNAL_MEMORY).timestamp())
        item = {"pk": f"RUN#{run_id}", "sk": "UNDECIDED", "expires_at": expires_at}
        return self._once(self._put(item, "attribute_not_exists(pk)"), writes)
