"""The HistoryTable: model state, runs and their statuses, signals seen, slots, waits, kill switches.

One table, keys ``pk`` and ``sk``; every access is by key or a query on one partition, never a scan:

========================  =======================  ==========================================================
pk                        sk                       item
========================  =======================  ==========================================================
``MODEL#<model>``         ``STATE``                the model's state, its chain head, its pending signal
``MODEL#<model>``         ``RUN#<started>#<run>``  one line for each run of the model
``MODEL#<model>``         ``POLICY``               the last good policy file
``MODEL#<model>``         ``BAD_POLICY``           the version of the policy file that operators were told is not valid
``RUN#<run>``             ``RUN``                  the run: manifest, start, outcome
``RUN#<run>``             ``DECISION``             the signal this execution decided (expires)
``RUN#<run>``             ``UNDECIDED``            people were told that this execution decided nothing (expires)
``RUN#<run>``             ``STATUS#<rank>#<name>`` one append-only row for each status
``RUN#<run>``             ``WAIT#<wait id>``       a wait that is over, without its token
``SIGNAL#<signal>``       ``SIGNAL``               the decision on a signal (expires)
``ACTIVE``                ``RUN#<run>``            runs that have no outcome yet
``SLOTS``                 ``LEDGER``               the slot ledger
``WAITS``                 ``WAIT#<wait id>``       a parked task token
``APPROVALS``             ``WAIT#<wait id>``       a parked task token that waits for people
``CONTROLS``              ``<scope>``              a kill switch
``MODELS``                ``<model>``              a model that had a signal
``REPAIRS``               ``<time>#<kind>#<what>`` a repair of the sweep (expires)
========================  =======================  ==========================================================

Approvals stand in a partition of their own, so that the function people reach can be kept from every other token.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from orchestration.domain.contracts import UNATTRIBUTED, Status, WaitKind
from orchestration.domain.decision import KillSwitch
from orchestration.domain.json_values import canonical
from orchestration.domain.records import GENESIS
from orchestration.domain.slots import Holder, SlotLedger, Waiter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from types_boto3_dynamodb import DynamoDBClient

SIGNAL_MEMORY: Final = timedelta(days=90)
"""How long a signal is recognised as seen. EventBridge retries for a day; archives are replayed within weeks."""

RUN_STARTS_KEPT: Final = 1000
"""Starts kept for the budget; the schema allows at most 1000 runs."""


class Commit(StrEnum):
    """What became of a decision's transaction."""

    DONE = "DONE"
    DUPLICATE = "DUPLICATE"
    CONFLICT = "CONFLICT"


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model's state as stored. ``version`` is the number of writes; times are ISO-8601 texts in UTC."""

    model: str
    version: int = 0
    active_run_id: str | None = None
    cooldown_until: str | None = None
    run_starts: tuple[str, ...] = ()
    fruitless_runs: int = 0
    frozen_reason: str | None = None
    promoted_at: str | None = None
    pending: dict[str, Any] | None = None
    told_reason: str | None = None
    told_at: str | None = None
    chain_sequence: int = 0
    chain_head: str = GENESIS


@dataclass(frozen=True, slots=True)
class SeenSignal:
    """A signal that was decided before: its record's key and text, and what the state machine was told."""

    signal_id: str
    run_id: str
    record_key: str
    record: str
    payload: str
    told: bool


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run. ``manifest`` and ``run`` are JSON texts: the manifest, and what the state machine carries as ``$run``."""

    run_id: str
    model: str
    started_at: str
    execution_arn: str
    manifest: str
    run: str
    severity: str
    outcome: str | None = None
    ended_at: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A parked task token. ``subject`` is what is waited for; ``data`` belongs to the kind.

    ``revision`` counts the changes to a wait that is still parked.
    """

    wait_id: str
    kind: str
    subject: str
    run_id: str
    model: str
    token: str
    execution_arn: str
    parked_at: str
    deadline: str
    next_step_at: str
    step: int
    state: str
    data: dict[str, Any]
    result: dict[str, Any] | None = None
    revision: int = 0

    PARKED = "PARKED"
    RESOLVED = "RESOLVED"


class HistoryTable:
    """Reads and writes the table. Every write is conditional, so a retry or a rival changes nothing twice."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name

    # Models and signals.

    def model(self, model: str) -> StoredModel:
        """The model's state; a fresh one (version 0) when none is stored."""
        item = self._get(f"MODEL#{model}", "STATE")
        if item is None:
            return StoredModel(model)
        fields = {name: item[name] for name in StoredModel.__slots__ if name in item and name != "model"}
        fields["run_starts"] = tuple(item.get("run_starts", ()))
        return StoredModel(model, **fields)

    def signal(self, signal_id: str) -> SeenSignal | None:
        """The decision on this signal, if it was decided."""
        item = self._get(f"SIGNAL#{signal_id}", "SIGNAL")
        return None if item is None else SeenSignal(**{name: item[name] for name in SeenSignal.__slots__})

    def decision_of(self, run_id: str) -> SeenSignal | None:
        """The decision an execution made, if it made one before it was interrupted."""
        item = self._get(f"RUN#{run_id}", "DECISION")
        return None if item is None else self.signal(item["signal_id"])

    def commit_decision(self, state: StoredModel, seen: SeenSignal, run: StoredRun | None, *, now: datetime) -> Commit:
        """Write decision, model state and (for a run) the run in one transaction.

        Args:
            state: the new state, carrying the version that was read.
            seen: the decision.
            run: the run it starts, or None.
            now: the decision's time.
        """
        items = [
            self._put(
                {
                    "pk": f"SIGNAL#{seen.signal_id}",
                    "sk": "SIGNAL",
                    **asdict(seen),
                    "expires_at": int((now + SIGNAL_MEMORY).timestamp()),
                },
                "attribute_not_exists(pk)",
            ),
            self._put_model(state),
            self._put(
                {
                    "pk": f"RUN#{seen.run_id}",
                    "sk": "DECISION",
                    "signal_id": seen.signal_id,
                    "expires_at": int((now + SIGNAL_MEMORY).timestamp()),
                },
                None,
            ),
        ]
        if state.version == 0:
            items.append(self._put({"pk": "MODELS", "sk": state.model}, None))
        if run is not None:
            items += [
                self._put({"pk": f"RUN#{run.run_id}", "sk": "RUN", **asdict(run)}, "attribute_not_exists(pk)"),
                self._put(
                    {
                        "pk": "ACTIVE",
                        "sk": f"RUN#{run.run_id}",
                        "model": run.model,
                        "execution_arn": run.execution_arn,
                        "started_at": run.started_at,
                    },
                    "attribute_not_exists(pk)",
                ),
                self._put(_status_item(run.run_id, Status.RETRAINING_DECIDED, now.isoformat(), {}), None),
                self._put(_line_item(run), None),
            ]
        reasons = self._transact(items)
        if reasons is None:
            return Commit.DONE
        return Commit.DUPLICATE if reasons[0] == "ConditionalCheckFailed" else Commit.CONFLICT

    def save_model(self, state: StoredModel) -> bool:
        """Write a model's state unless someone else wrote since it was read. True when written."""
        return self._transact([self._put_model(state)]) is None

    def _put_model(self, state: StoredModel) -> dict[str, Any]:
        written = replace(state, version=state.version + 1, run_starts=state.run_starts[-RUN_STARTS_KEPT:])
        item = {"pk": f"MODEL#{state.model}", "sk": "STATE", **asdict(written)}
        if state.version == 0:
            return self._put(item, "attribute_not_exists(pk)")
        return self._put(item, "#version = :version", {"#version": "version"}, {":version": state.version})

    def models(self) -> list[str]:
        """Names of all models that had a signal."""
        return [item["sk"] for item in self._query("MODELS", "") if item["sk"] != UNATTRIBUTED]

    # Policies.

    def good_policy(self, model: str) -> tuple[str, bytes] | None:
        """Version and bytes of the last policy file that was valid."""
        item = self._get(f"MODEL#{model}", "POLICY")
        return None if item is None else (item["version_id"], item["body"].encode())

    def keep_good_policy(self, model: str, version: str, body: bytes) -> None:
        """Remember a valid policy file. Idempotent."""
        self._client.put_item(
            TableName=self._name,
            Item=to_item(
                {"pk": f"MODEL#{model}", "sk": "POLICY", "version_id": version, "body": body.decode("utf-8-sig")}
            ),
        )

    def noted_bad_policy(self, model: str) -> str | None:
        """The version of the model's policy file that operators were told is not valid."""
        item = self._get(f"MODEL#{model}", "BAD_POLICY")
        return None if item is None else str(item["version_id"])

    def note_bad_policy(self, model: str, version: str) -> None:
        """Note that operators were told of this version. Idempotent."""
        self._client.put_item(
            TableName=self._name,
            Item=to_item({"pk": f"MODEL#{model}", "sk": "BAD_POLICY", "version_id": version}),
        )

    # Runs.

    def run(self, run_id: str) -> StoredRun | None:
        """A run, or None when this id never became one."""
        item = self._get(f"RUN#{run_id}", "RUN")
        if item is None:
            return None
        return StoredRun(**{name: item[name] for name in StoredRun.__slots__ if name in item})

    def runs_of_model(self, model: str, limit: int = 20) -> list[dict[str, Any]]:
        """Lines of the model's latest runs, newest first."""
        return list(self._query(f"MODEL#{model}", "RUN#", newest_first=True, limit=limit))

    def active_runs(self) -> list[dict[str, Any]]:
        """Runs without an outcome: run id, model, execution ARN, start."""
        return [{**item, "run_id": item["sk"].removeprefix("RUN#")} for item in self._query("ACTIVE", "RUN#")]

    def statuses(self, run_id: str) -> list[dict[str, Any]]:
        """Status rows of a run in order."""
        return list(self._query(f"RUN#{run_id}", "STATUS#"))

    def add_status(self, run_id: str, status: Status, at: str, details: dict[str, Any]) -> bool:
        """Append a status row. False when the run has that status already, so a retry tells nobody twice."""
        try:
            self._client.put_item(
                TableName=self._name,
                Item=to_item(_status_item(run_id, status, at, details)),
                ConditionExpression="attribute_not_exists(pk)",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def told_undecided(self, run_id: str) -> bool:
        """True when people were told that an execution failed before its decision."""
        return self._get(f"RUN#{run_id}", "UNDECIDED") is not None

    def mark_undecided_told(self, run_id: str, *, at: datetime) -> None:
        """Note that they were. Idempotent."""
        item = {"pk": f"RUN#{run_id}", "sk": "UNDECIDED", "expires_at": int((at + SIGNAL_MEMORY).timestamp())}
        self._client.put_item(TableName=self._name, Item=to_item(item))

    def mark_told(self, run_id: str, status: Status) -> None:
        """Note on a status row that programs and people were told of it. Idempotent."""
        self._client.update_item(
            TableName=self._name,
            Key=to_item({"pk": f"RUN#{run_id}", "sk": f"STATUS#{status.rank:02d}#{status}"}),
            UpdateExpression="SET told = :told",
            ExpressionAttributeValues=to_item({":told": True}),
        )

    def close_run(self, state: StoredModel, run: StoredRun) -> bool:
        """Write a run's outcome, its last status and the model's state in one transaction.

        Returns:
            False when someone wrote the model's state in between, or the run has its outcome already.
        """
        outcome = Status(run.outcome or Status.FAILED)
        items = [
            self._put_model(state),
            self._put(
                {"pk": f"RUN#{run.run_id}", "sk": "RUN", **asdict(run)},
                "attribute_exists(pk) AND attribute_not_exists(outcome)",
            ),
            self._put(_line_item(run), None),
            self._put(_status_item(run.run_id, outcome, run.ended_at or "", {"reason": run.reason or ""}), None),
            {
                "Delete": {
                    "TableName": self._name,
                    "Key": to_item({"pk": "ACTIVE", "sk": f"RUN#{run.run_id}"}),
                }
            },
        ]
        return self._transact(items) is None

    # Slots.

    def slots(self) -> SlotLedger:
        """The slot ledger."""
        item = self._get("SLOTS", "LEDGER")
        if item is None:
            return SlotLedger()
        return SlotLedger(
            holders=tuple(Holder(**entry) for entry in item["holders"]),
            waiters=tuple(Waiter(**entry) for entry in item["waiters"]),
            fence=item["fence"],
            version=item["version"],
        )

    def save_slots(self, ledger: SlotLedger) -> bool:
        """Write the ledger unless someone else wrote since it was read. True when written."""
        item = {"pk": "SLOTS", "sk": "LEDGER", **asdict(replace(ledger, version=ledger.version + 1))}
        if ledger.version == 0:
            return self._transact([self._put(item, "attribute_not_exists(pk)")]) is None
        return (
            self._transact(
                [self._put(item, "#version = :version", {"#version": "version"}, {":version": ledger.version})]
            )
            is None
        )

    # Waits.

    def wait(self, wait_id: str) -> Wait | None:
        """A wait that is not over."""
        item = self._get(_waits_partition(wait_id), f"WAIT#{wait_id}")
        return None if item is None else _wait(item)

    def waits(self) -> list[Wait]:
        """All waits that are not over."""
        return [_wait(item) for pk in ("WAITS", "APPROVALS") for item in self._query(pk, "WAIT#")]

    def waits_without_tokens(self) -> list[Wait]:
        """All waits that are not over, as people may see them: the tokens stay in the table.

        IAM allows reviewers this query only with every attribute named, so the names are spelled out.
        """
        fields = [name for name in Wait.__dataclass_fields__ if name != "token"]
        query = self._client.get_paginator("query").paginate
        return [
            _wait({**from_item(item), "token": ""})
            for pk in ("WAITS", "APPROVALS")
            for page in query(
                TableName=self._name,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues=to_item({":pk": pk}),
                ConsistentRead=True,
                Select="SPECIFIC_ATTRIBUTES",
                ProjectionExpression=", ".join(f"#{name}" for name in fields),
                ExpressionAttributeNames={f"#{name}": name for name in fields},
            )
            for item in page["Items"]
        ]

    def finished_wait(self, run_id: str, wait_id: str) -> dict[str, Any] | None:
        """The result of a wait that is over."""
        return self._get(f"RUN#{run_id}", f"WAIT#{wait_id}")

    def past_wait(self, run_id: str, wait_id: str) -> Wait | None:
        """A wait that is over, as it stood at its end; its token is gone."""
        item = self.finished_wait(run_id, wait_id)
        return None if item is None else _wait({**item, "token": "", "state": Wait.RESOLVED})

    def park(self, wait: Wait) -> bool:
        """Store a parked token; the same wait again gets the new token and keeps all else. False when it was resolved."""
        item = {**_wait_key(wait), **asdict(wait)}
        try:
            self._client.put_item(
                TableName=self._name, Item=to_item(item), ConditionExpression="attribute_not_exists(pk)"
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return self._change_parked(
                wait,
                "SET #token = :token, #execution = :execution",
                {"#token": "token", "#execution": "execution_arn"},
                {":token": wait.token, ":execution": wait.execution_arn},
            )
        return True

    def update_wait(self, before: Wait, after: Wait) -> bool:
        """Change a parked wait, or resolve it, unless someone changed it since ``before`` was read. True when written."""
        return self._change_parked(
            before,
            "SET #state = :state, #step = :step, #next = :next, #data = :data, #revision = :new"
            + ("" if after.result is None else ", #result = :result"),
            {
                "#step": "step",
                "#next": "next_step_at",
                "#data": "data",
                "#revision": "revision",
                **({} if after.result is None else {"#result": "result"}),
            },
            {
                ":state": after.state,
                ":step": after.step,
                ":next": after.next_step_at,
                ":data": after.data,
                ":old": before.revision,
                ":new": before.revision + 1,
                ":result": after.result,
            },
            condition=" AND #revision = :old",
        )

    def resolve_wait(self, wait: Wait, result: dict[str, Any]) -> bool:
        """Fix the result of a wait. The first to call decides; False for everyone after."""
        return self._change_parked(
            wait,
            "SET #state = :resolved, #result = :result",
            {"#result": "result"},
            {":resolved": Wait.RESOLVED, ":result": result},
        )

    def _change_parked(
        self, wait: Wait, update: str, names: dict[str, str], values: dict[str, Any], condition: str = ""
    ) -> bool:
        try:
            self._client.update_item(
                TableName=self._name,
                Key=to_item(_wait_key(wait)),
                UpdateExpression=update,
                ConditionExpression="#state = :parked" + condition,
                ExpressionAttributeNames={"#state": "state", **names},
                ExpressionAttributeValues=to_item({":parked": Wait.PARKED, **values}),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def finish_wait(self, wait: Wait, result: dict[str, Any], *, at: str, delivered: bool) -> None:
        """Move a wait to its run's history, without its token. Idempotent."""
        done = {key: value for key, value in asdict(wait).items() if key not in {"token", "state"}}
        done |= {
            "pk": f"RUN#{wait.run_id}",
            "sk": f"WAIT#{wait.wait_id}",
            "result": result,
            "ended_at": at,
            "delivered": delivered,
        }
        self._transact(
            [
                self._put(done, None),
                {
                    "Delete": {
                        "TableName": self._name,
                        "Key": to_item(_wait_key(wait)),
                    }
                },
            ]
        )

    # Kill switches.

    def kill_switches(self) -> tuple[KillSwitch, ...]:
        """Every switch that is thrown."""
        return tuple(
            KillSwitch(scope=item["sk"], by=item["by"], reason=item["reason"], since=item["since"])
            for item in self._query("CONTROLS", "")
        )

    def throw_switch(self, switch: KillSwitch) -> bool:
        """Throw a kill switch. False when it was thrown before."""
        item = {"pk": "CONTROLS", "sk": switch.scope, "by": switch.by, "reason": switch.reason, "since": switch.since}
        try:
            self._client.put_item(
                TableName=self._name, Item=to_item(item), ConditionExpression="attribute_not_exists(pk)"
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def lift_switch(self, scope: str) -> bool:
        """Lift a kill switch. False when it was not thrown."""
        answer = self._client.delete_item(
            TableName=self._name, Key=to_item({"pk": "CONTROLS", "sk": scope}), ReturnValues="ALL_OLD"
        )
        return bool(answer.get("Attributes"))

    # Repairs.

    def record_repair(self, kind: str, subject: str, *, at: datetime) -> None:
        """Note a repair of the sweep."""
        item = {
            "pk": "REPAIRS",
            "sk": f"{at.isoformat()}#{kind}#{subject}",
            "kind": kind,
            "subject": subject,
            "expires_at": int((at + SIGNAL_MEMORY).timestamp()),
        }
        self._client.put_item(TableName=self._name, Item=to_item(item))

    # The service.

    def _get(self, pk: str, sk: str) -> dict[str, Any] | None:
        answer = self._client.get_item(TableName=self._name, Key=to_item({"pk": pk, "sk": sk}), ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    def _query(
        self, pk: str, prefix: str, *, newest_first: bool = False, limit: int | None = None
    ) -> Iterator[dict[str, Any]]:
        condition, values = "pk = :pk", {":pk": pk}
        if prefix:
            condition, values = "pk = :pk AND begins_with(sk, :prefix)", {":pk": pk, ":prefix": prefix}
        arguments: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": to_item(values),
            "ConsistentRead": True,
            "ScanIndexForward": not newest_first,
        }
        if limit is not None:
            yield from map(from_item, self._client.query(**arguments, Limit=limit)["Items"])
            return
        for page in self._client.get_paginator("query").paginate(**arguments):
            yield from map(from_item, page["Items"])

    def _put(
        self,
        item: dict[str, Any],
        condition: str | None,
        names: dict[str, str] | None = None,
        values: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        put: dict[str, Any] = {"TableName": self._name, "Item": to_item(item)}
        if condition:
            put["ConditionExpression"] = condition
        if names:
            put["ExpressionAttributeNames"] = names
        if values:
            put["ExpressionAttributeValues"] = to_item(values)
        return {"Put": put}

    def _transact(self, items: list[dict[str, Any]]) -> list[str] | None:
        """None when written, else the cancellation code of each item in order."""
        try:
            self._client.transact_write_items(TransactItems=items)  # type: ignore[arg-type] # built above, checked by its tests
        except self._client.exceptions.TransactionCanceledException as error:
            return [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", [])] or ["None"]
        except ClientError as error:
            # Two transactions on one item at once; the service asks the loser to come again.
            if error.response["Error"]["Code"] in {"TransactionConflictException", "TransactionInProgressException"}:
                return ["TransactionConflict"]
            raise
        return None


def _status_item(run_id: str, status: Status, at: str, details: dict[str, Any]) -> dict[str, Any]:
    return {
        "pk": f"RUN#{run_id}",
        "sk": f"STATUS#{status.rank:02d}#{status}",
        "status": str(status),
        "at": at,
        "details": details,
    }


def _line_item(run: StoredRun) -> dict[str, Any]:
    return {
        "pk": f"MODEL#{run.model}",
        "sk": f"RUN#{run.started_at}#{run.run_id}",
        "run_id": run.run_id,
        "started_at": run.started_at,
        "severity": run.severity,
        "outcome": run.outcome,
        "ended_at": run.ended_at,
        "reason": run.reason,
    }


def _waits_partition(wait_id: str) -> str:
    """The partition of a wait: its kind is the second part of its id, and a run's id holds no colon."""
    return "APPROVALS" if wait_id.split(":", 2)[1:2] == [WaitKind.APPROVAL] else "WAITS"


def _wait_key(wait: Wait) -> dict[str, Any]:
    return {"pk": _waits_partition(wait.wait_id), "sk": f"WAIT#{wait.wait_id}"}


def _wait(item: dict[str, Any]) -> Wait:
    return Wait(**{name: item[name] for name in Wait.__dataclass_fields__ if name in item})


def to_item(values: dict[str, Any]) -> dict[str, Any]:
    """DynamoDB attribute values of a flat dict. None is left out.

    Lists and dicts become JSON texts marked by ``json:``; so does a text that starts like that itself.
    """
    item: dict[str, Any] = {}
    for key, value in values.items():
        if value is None:
            continue
        if isinstance(value, bool):
            item[key] = {"BOOL": value}
        elif isinstance(value, (int, float)):
            item[key] = {"N": repr(value)}
        elif isinstance(value, (dict, list, tuple)) or str(value).startswith("json:"):
            item[key] = {"S": "json:" + canonical(value)}
        else:
            item[key] = {"S": str(value)}
    return item


def from_item(item: Any) -> dict[str, Any]:
    """Inverse of ``to_item``. Integers come back as int, other numbers as float."""
    values: dict[str, Any] = {}
    for key, attribute in item.items():
        ((kind, value),) = attribute.items()
        if kind == "N":
            values[key] = int(value) if value.lstrip("-").isdigit() else float(value)
        elif kind == "S" and value.startswith("json:"):
            values[key] = json.loads(value[5:])
        else:
            values[key] = value
    return values
