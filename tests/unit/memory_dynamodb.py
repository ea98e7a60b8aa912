"""DynamoDB in memory, as far as HistoryTable uses it, for tests that take thousands of steps.

Conditions are evaluated for real; a form of expression that is not known here raises, so that it is not passed over.
The adapter itself is tested against moto, which knows DynamoDB better than this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, Any]


class ConditionalCheckFailedException(ClientError):  # noqa: N818 - boto3's name
    """As DynamoDB's client raises it."""


class TransactionCanceledException(ClientError):  # noqa: N818 - boto3's name
    """As DynamoDB's client raises it."""


class Exceptions:
    """What ``client.exceptions`` offers."""

    ConditionalCheckFailedException = ConditionalCheckFailedException
    TransactionCanceledException = TransactionCanceledException


class MemoryDynamoDB:
    """One table, whatever it is called."""

    exceptions = Exceptions

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}

    def get_item(self, *, Key: Item, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's names
        item = self.items.get(_key(Key))
        return {"Item": dict(item)} if item is not None else {}

    def put_item(self, **request: Any) -> dict[str, Any]:
        self._check(request, _key(request["Item"]))
        self.items[_key(request["Item"])] = dict(request["Item"])
        return {}

    def delete_item(self, **request: Any) -> dict[str, Any]:
        self._check(request, _key(request["Key"]))
        old = self.items.pop(_key(request["Key"]), None)
        return {"Attributes": old} if old is not None else {}

    def update_item(self, **request: Any) -> dict[str, Any]:
        key = _key(request["Key"])
        self._check(request, key)
        item = self.items.setdefault(key, dict(request["Key"]))
        names, values = request.get("ExpressionAttributeNames", {}), request["ExpressionAttributeValues"]
        for assignment in request["UpdateExpression"].removeprefix("SET ").split(", "):
            name, value = assignment.split(" = ")
            item[names.get(name, name)] = values[value]
        return {}

    def transact_write_items(self, *, TransactItems: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        steps = [next(iter(step.items())) for step in TransactItems]
        keys = [_key(request["Item" if kind == "Put" else "Key"]) for kind, request in steps]
        assert len(set(keys)) == len(keys), "a transaction names an item once"
        reasons = [
            {"Code": "None" if self._holds(request, key) else "ConditionalCheckFailed"}
            for (_, request), key in zip(steps, keys, strict=True)
        ]
        if any(reason["Code"] != "None" for reason in reasons):
            answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
            raise TransactionCanceledException(answer, "TransactWriteItems")
        for (kind, request), key in zip(steps, keys, strict=True):
            if kind == "Put":
                self.items[key] = dict(request["Item"])
            else:
                self.items.pop(key, None)
        return {}

    def query(self, **request: Any) -> dict[str, Any]:
        values = request["ExpressionAttributeValues"]
        pk, prefix = values[":pk"]["S"], values.get(":prefix", {}).get("S", "")
        keys = sorted(key for key in self.items if key[0] == pk and key[1].startswith(prefix))
        if not request.get("ScanIndexForward", True):
            keys.reverse()
        return {"Items": [dict(self.items[key]) for key in keys[: request.get("Limit")]]}

    def get_paginator(self, name: str) -> MemoryDynamoDB:
        assert name == "query"
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        yield self.query(**request)

    def _check(self, request: dict[str, Any], key: tuple[str, str]) -> None:
        if not self._holds(request, key):
            answer: Any = {"Error": {"Code": "ConditionalCheckFailedException"}}
            raise ConditionalCheckFailedException(answer, "PutItem")

    def _holds(self, request: dict[str, Any], key: tuple[str, str]) -> bool:
        condition = request.get("ConditionExpression")
        if not condition:
            return True
        item = self.items.get(key, {})
        names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})

        def term(text: str) -> bool:
            if match := re.fullmatch(r"attribute_(not_)?exists\((\S+)\)", text):
                return (names.get(match[2], match[2]) in item) is (match[1] is None)
            if match := re.fullmatch(r"(\S+) (=|<>) (\S+)", text):
                equal = bool(item.get(names.get(match[1], match[1])) == values[match[3]])
                return equal is (match[2] == "=")
            raise NotImplementedError(text)

        return any(all(map(term, group.split(" AND "))) for group in condition.split(" OR "))


def _key(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]
