"""DynamoDB in memory, as far as the stores use it, for tests that take thousands of steps.

Conditions and updates are evaluated for real; a form of expression that is not known here raises, so that it is not
passed over. The stores themselves are tested against moto, which knows DynamoDB better than this.

A transaction begins and commits. While it is between the two, whoever else writes one of its items meets a conflict, as
in DynamoDB: another transaction is cancelled, a single write is refused. A read that does not ask to be consistent is
refused: it may give what was there before the last write.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, Any]
Key = tuple[str, str]


class ConditionalCheckFailedException(ClientError):  # noqa: N818 - boto3's name
    """As DynamoDB's client raises it."""


class TransactionCanceledException(ClientError):  # noqa: N818 - boto3's name
    """As DynamoDB's client raises it."""


class AskedAgain(Exception):  # noqa: N818 - never raised: what became of an answer
    """The answer was lost and the SDK asked again by itself, so that a request meets what it did itself."""


ITEM_BYTES = 400 * 1024
"""How much an item holds."""

Enter = Callable[[str], BaseException | None]
"""Hears of a call before it has its effect, and may raise instead. What it gives is what the caller of a write gets for
an answer once the effect took place: an error to raise, or ``AskedAgain``."""


class Exceptions:
    """What ``client.exceptions`` offers."""

    ConditionalCheckFailedException = ConditionalCheckFailedException
    TransactionCanceledException = TransactionCanceledException


class MemoryDynamoDB:
    """One table, whatever it is called.

    ``about`` are the keys of the call that is heard of; ``between``, where it is given, hears of each transaction between its
    begin and its commit. ``commits`` counts the writes of the table, ``read`` the bytes of what was read, ``written`` has the number of each key's last one, and
    ``conflicts`` counts the writes that met another.
    """

    exceptions = Exceptions

    def __init__(self, enter: Enter = lambda _: None) -> None:
        self.items: dict[Key, Item] = {}
        self.about: Sequence[Key] = ()
        self.between: Enter | None = None
        self.commits = self.conflicts = self.read = 0
        self.written: dict[Key, int] = {}
        self._ongoing: Counter[Key] = Counter()
        self._enter = enter
        self.writes = 0
        self._conflicts_at: int | None = None

    def conflict_at(self, write: int | None) -> None:
        """Let one write meet a transaction on the same item, counted from 1; None lets all pass."""
        self.writes, self._conflicts_at = 0, write

    def _meets_another(self, *keys: Key) -> list[bool]:
        """For each item, whether a transaction on it is going on."""
        self.writes += 1
        met = [self._ongoing[key] > 0 for key in keys]
        if self.writes == self._conflicts_at:
            met[0] = True
        self.conflicts += any(met)
        return met

    # Reading.

    def get_item(self, *, Key: Item, **request: Any) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.about = (_key(Key),)
        self._enter("GetItem")
        _refuse_old_looks(request)
        item = self.items.get(_key(Key))
        self.read += size(item or {})
        return {"Item": dict(item)} if item is not None else {}

    def transact_get_items(self, *, TransactItems: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.about = [_key(step["Get"]["Key"]) for step in TransactItems]
        self._enter("TransactGetItems")
        if not 0 < len(self.about) <= 100 or len(set(self.about)) < len(self.about):
            raise _error("ValidationException", "None, more than 100, or one item twice", "TransactGetItems")
        met = [self._ongoing[key] > 0 for key in self.about]
        if any(met):
            raise _canceled([{"Code": "TransactionConflict" if conflict else "None"} for conflict in met])
        found = [self.items.get(_key(step["Get"]["Key"])) for step in TransactItems]
        return {"Responses": [{} if item is None else {"Item": dict(item)} for item in found]}

    def query(self, **request: Any) -> dict[str, Any]:
        self.about = ((request["ExpressionAttributeValues"][":pk"]["S"], ""),)
        self._enter("Query")
        _refuse_old_looks(request)
        condition, values = request["KeyConditionExpression"], request["ExpressionAttributeValues"]
        known: dict[str, Callable[[str], bool]] = {
            "pk = :pk": lambda _: True,
            "pk = :pk AND begins_with(sk, :prefix)": lambda sk: sk.startswith(str(values[":prefix"]["S"])),
            "pk = :pk AND sk > :after": lambda sk: sk > str(values[":after"]["S"]),
            "pk = :pk AND sk <= :until": lambda sk: sk <= str(values[":until"]["S"]),
        }
        _refuse_unused(request, condition)
        # Like DynamoDB, by the bytes of the text.
        keys = sorted(
            (key for key in self.items if key[0] == values[":pk"]["S"] and known[condition](key[1])),
            key=lambda key: key[1].encode(),
        )
        if not request.get("ScanIndexForward", True):
            keys.reverse()
        names = request.get("ExpressionAttributeNames", {})
        wanted = [names[part] for part in request.get("ProjectionExpression", "").split(", ") if part]
        self.read += sum(size(self.items[key]) for key in keys[: request.get("Limit")])
        return {
            "Items": [
                {name: value for name, value in self.items[key].items() if not wanted or name in wanted}
                for key in keys[: request.get("Limit")]
            ]
        }

    def get_paginator(self, name: str) -> MemoryDynamoDB:
        assert name == "query"
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        yield self.query(**request)

    # Writing.

    def put_item(self, **request: Any) -> dict[str, Any]:
        return self._single("PutItem", "Put", request)

    def delete_item(self, **request: Any) -> dict[str, Any]:
        return self._single("DeleteItem", "Delete", request)

    def update_item(self, **request: Any) -> dict[str, Any]:
        return self._single("UpdateItem", "Update", request)

    def transact_write_items(self, *, TransactItems: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        steps = [next(iter(step.items())) for step in TransactItems]
        keys = [_request_key(kind, request) for kind, request in steps]
        self.about = keys
        lost = _told(self._enter("TransactWriteItems"))
        if len(set(keys)) != len(keys):
            raise _error(
                "ValidationException",
                "Transaction request cannot include multiple operations on one item",
                "TransactWriteItems",
            )
        large = [self._too_large(kind, request, key) for (kind, request), key in zip(steps, keys, strict=True)]
        if any(large):
            why = {"Code": "ValidationError", "Message": "Item size to update has exceeded the maximum allowed size"}
            raise _canceled([why if too_large else {"Code": "None"} for too_large in large])
        if len(keys) > 100:
            raise _error("ValidationException", "Member must have length less than or equal to 100", "Transact")
        met = self._meets_another(*keys)
        if any(met):
            raise _canceled([{"Code": "TransactionConflict" if conflict else "None"} for conflict in met])
        if self.between is not None:
            self._ongoing.update(keys)
            try:
                self.about = keys
                lost = _told(self.between("Commit")) or lost
            finally:
                self._ongoing.subtract(keys)
        reasons = [
            {"Code": "None" if self._holds(request, key) else "ConditionalCheckFailed"}
            for (_, request), key in zip(steps, keys, strict=True)
        ]
        if any(reason["Code"] != "None" for reason in reasons):
            raise lost or _canceled(reasons)
        self.commits += 1
        for (kind, request), key in zip(steps, keys, strict=True):
            self._apply(kind, request, key)
        if lost is not None:
            raise lost
        return {}

    def _single(self, operation: str, kind: str, request: dict[str, Any]) -> dict[str, Any]:
        key = _request_key(kind, request)
        self.about = (key,)
        lost = self._enter(operation)
        self._write(operation, kind, request, key)
        if isinstance(lost, AskedAgain):
            self._write(operation, kind, request, key)
        elif lost is not None:
            raise lost
        return {}

    def _write(self, operation: str, kind: str, request: dict[str, Any], key: Key) -> None:
        if any(self._meets_another(key)):
            raise _error("TransactionConflictException", "Transaction is ongoing for the item", operation)
        if not self._holds(request, key):
            answer: Any = {"Error": {"Code": "ConditionalCheckFailedException", "Message": "failed"}}
            raise ConditionalCheckFailedException(answer, operation)
        # After the condition, which may be what says that there is anything to change.
        if self._too_large(kind, request, key):
            raise _error("ValidationException", "Item size has exceeded the maximum allowed size", operation)
        self.commits += 1
        self._apply(kind, request, key)

    def _too_large(self, kind: str, request: dict[str, Any], key: Key) -> bool:
        """Whether an item would hold more than it can, after a put or an update."""
        if kind == "Update":
            return size(_updated(self.items.get(key, dict(request["Key"])), request)) > ITEM_BYTES
        return kind == "Put" and size(request["Item"]) > ITEM_BYTES

    def _apply(self, kind: str, request: dict[str, Any], key: Key) -> None:
        if kind == "ConditionCheck":
            return
        self.written[key] = self.commits
        if kind == "Put":
            self.items[key] = dict(request["Item"])
        elif kind == "Delete":
            self.items.pop(key, None)
        elif kind == "Update":
            self.items[key] = _updated(self.items.get(key, dict(request["Key"])), request)
        else:
            raise NotImplementedError(kind)

    def _holds(self, request: dict[str, Any], key: Key) -> bool:
        condition = request.get("ConditionExpression", "")
        _refuse_unused(request, f"{condition} {request.get('UpdateExpression', '')}")
        if not condition:
            return True
        item = self.items.get(key, {})
        names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})

        def term(text: str) -> bool:
            if match := re.fullmatch(r"attribute_(not_)?exists\((\S+)\)", text):
                return (_name(match[2], names) in item) is (match[1] is None)
            if match := re.fullmatch(r"(\S+) (=|<>) (:\S+)", text):
                # Like DynamoDB: an attribute that is not there is not equal to anything.
                return (item.get(_name(match[1], names)) == values[match[3]]) is (match[2] == "=")
            raise NotImplementedError(text)

        # Every term is read, so that one nobody knows raises whatever the others say.
        groups = [[term(text) for text in group.split(" AND ")] for group in condition.split(" OR ")]
        return any(map(all, groups))


def size(item: Item) -> int:
    """Bytes of an item, roughly as DynamoDB counts them."""
    return sum(len(name) + len(str(next(iter(value.values()))).encode()) for name, value in item.items())


def _told(lost: BaseException | None) -> BaseException | None:
    """What the caller of a transaction gets for an answer. The SDK's own second try carries the token of the first."""
    return None if isinstance(lost, AskedAgain) else lost


def _updated(item: Item, request: dict[str, Any]) -> Item:
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    after = dict(item)
    sets, _, removes = request["UpdateExpression"].partition(" REMOVE ")
    if not sets.startswith("SET "):
        raise NotImplementedError(request["UpdateExpression"])
    for assignment in sets.removeprefix("SET ").split(", "):
        name, value = assignment.split(" = ")
        # As DynamoDB does, from the item as it was before the update.
        after[_name(name, names)] = values[value] if value in values else item[_name(value, names)]
    for name in filter(None, removes.split(", ")):
        after.pop(_name(name, names), None)
    return after


def _name(text: str, names: dict[str, str]) -> str:
    return names[text] if text.startswith("#") else text


def _refuse_unused(request: dict[str, Any], expressions: str) -> None:
    """DynamoDB takes no name and no value that no expression uses."""
    used = _placeholders(f"{expressions} {request.get('ProjectionExpression', '')}")
    given = {*request.get("ExpressionAttributeNames", {}), *request.get("ExpressionAttributeValues", {})}
    if used != given:
        raise _error("ValidationException", f"unused or undefined in expressions: {sorted(used ^ given)}", "Request")


@cache
def _placeholders(expressions: str) -> frozenset[str]:
    return frozenset(re.findall(r"[#:]\w+", expressions))


def _refuse_old_looks(request: dict[str, Any]) -> None:
    """A decision on what was so a moment ago is what the stores exist to avoid."""
    assert request.get("ConsistentRead") is True, "a read that may be old"


def _request_key(kind: str, request: dict[str, Any]) -> Key:
    return _key(request["Item" if kind == "Put" else "Key"])


def _key(item: Item) -> Key:
    key = item["pk"]["S"], item["sk"]["S"]
    if not all(key) or len(key[0].encode()) > 2048 or len(key[1].encode()) > 1024:
        raise _error("ValidationException", "One or more parameter values are not valid", "Request")
    return key


def _canceled(reasons: list[dict[str, str]]) -> TransactionCanceledException:
    answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
    return TransactionCanceledException(answer, "TransactWriteItems")


def _error(code: str, message: str, operation: str) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(answer, operation)
