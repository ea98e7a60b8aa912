"""One DynamoDB table: keys, conditions, transactions, and the form of its items.

Keys are ``pk`` and ``sk``; every access is by key or a query on one partition, never a scan. What lies where, the
modules beside this one say: ``models``, ``runs``, ``waits``, ``slots``, ``controls``, ``due_items``, ``intentions``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from orchestration.domain.canonical_json import canonical
from orchestration.domain.errors import ContentionError, OrchestrationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from types_boto3_dynamodb import DynamoDBClient

Write = dict[str, Any]
"""One item of TransactWriteItems."""

ITEMS_A_CALL: Final = 100
"""Items that a transaction takes."""

CONFLICTS = frozenset({"TransactionConflictException", "TransactionInProgressException"})
"""Two writes of one item at once; the service asks the loser to come again. Single writes meet it too."""

PASSING = frozenset({"TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"})
"""Why a transaction that reads was cancelled, where the next one may not be."""


class Table:
    """Reads and writes items. Every write is conditional or idempotent, so a retry or a rival changes nothing twice."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name

    # Reading: always consistent, a decision on an old look is what this project exists to avoid.

    def _get(self, pk: str, sk: str) -> dict[str, Any] | None:
        answer = self._client.get_item(TableName=self._name, Key=to_item({"pk": pk, "sk": sk}), ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    def _get_all(self, keys: Sequence[tuple[str, str]]) -> list[dict[str, Any] | None]:
        """The items of these keys in their order, a call for each hundred. By TransactGetItems, which GetItem grants.

        Raises:
            ContentionError: one of them is just being written, or read too often.
        """
        found: list[dict[str, Any] | None] = []
        for begin in range(0, len(keys), ITEMS_A_CALL):
            part = keys[begin : begin + ITEMS_A_CALL]
            gets = [{"Get": {"TableName": self._name, "Key": to_item({"pk": pk, "sk": sk})}} for pk, sk in part]
            try:
                answer = self._client.transact_get_items(TransactItems=gets)  # type: ignore[arg-type] # built above
            except self._client.exceptions.TransactionCanceledException as error:
                if any(reason.get("Code") in PASSING for reason in error.response.get("CancellationReasons", [])):
                    raise ContentionError(
                        "What was read is just being written, or read too often. Try again."
                    ) from error
                raise
            found += [from_item(item["Item"]) if "Item" in item else None for item in answer["Responses"]]
        return found

    def _query(
        self,
        pk: str,
        prefix: str = "",
        *,
        until: str | None = None,
        after: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        only: Sequence[str] = (),
    ) -> Iterator[dict[str, Any]]:
        """Items of a partition in the order of their sort keys.

        Args:
            pk: the partition.
            prefix: beginning of the sort keys; empty for all.
            until: instead of a prefix, the last sort key wanted.
            after: instead of a prefix, the last sort key that is not wanted any more.
            newest_first: from the end.
            limit: at most so many, in one call.
            only: attributes to read; all when empty.
        """
        condition, values = "pk = :pk", {":pk": pk}
        if until is not None:
            condition, values = "pk = :pk AND sk <= :until", {":pk": pk, ":until": until}
        elif after is not None:
            condition, values = "pk = :pk AND sk > :after", {":pk": pk, ":after": after}
        elif prefix:
            condition, values = "pk = :pk AND begins_with(sk, :prefix)", {":pk": pk, ":prefix": prefix}
        arguments: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": to_item(values),
            "ConsistentRead": True,
            "ScanIndexForward": not newest_first,
        }
        if only:
            arguments |= {
                "Select": "SPECIFIC_ATTRIBUTES",
                "ProjectionExpression": ", ".join(f"#{name}" for name in only),
                "ExpressionAttributeNames": {f"#{name}": name for name in only},
            }
        if limit is not None:
            yield from map(from_item, self._client.query(**arguments, Limit=limit)["Items"])
            return
        for page in self._client.get_paginator("query").paginate(**arguments):
            yield from map(from_item, page["Items"])

    # Writing.

    def _put(
        self,
        item: dict[str, Any],
        condition: str | None = None,
        values: dict[str, Any] | None = None,
        names: Sequence[str] = (),
    ) -> Write:
        """A Put of a transaction; ``names`` are attributes the expression writes with a ``#``."""
        return {"Put": {"TableName": self._name, "Item": to_item(item), **_condition(condition, names, values)}}

    def _update(
        self,
        pk: str,
        sk: str,
        update: str,
        condition: str | None,
        values: dict[str, Any] | None = None,
        names: Sequence[str] = (),
    ) -> Write:
        return {
            "Update": {
                "TableName": self._name,
                "Key": to_item({"pk": pk, "sk": sk}),
                "UpdateExpression": update,
                **_condition(condition, names, values),
            }
        }

    def _delete(self, pk: str, sk: str, condition: str | None = None) -> Write:
        return {
            "Delete": {
                "TableName": self._name,
                "Key": to_item({"pk": pk, "sk": sk}),
                **_condition(condition, (), None),
            }
        }

    def _check(
        self, pk: str, sk: str, condition: str, values: dict[str, Any] | None = None, names: Sequence[str] = ()
    ) -> Write:
        """A ConditionCheck of a transaction: the item is not written, and nobody else may write it meanwhile."""
        return {
            "ConditionCheck": {
                "TableName": self._name,
                "Key": to_item({"pk": pk, "sk": sk}),
                **_condition(condition, names, values),
            }
        }

    def _transact(self, items: Sequence[Write]) -> list[str] | None:
        """None when written, else the cancellation code of each item in order.

        The SDK sends one ClientRequestToken with all its tries, so a try whose answer was lost finds its own write.

        Raises:
            OrchestrationError: DynamoDB takes an item never, one that is too large; trying again would change nothing.
        """
        try:
            self._client.transact_write_items(TransactItems=list(items))  # type: ignore[arg-type] # built above, checked by its tests
        except self._client.exceptions.TransactionCanceledException as error:
            reasons = error.response.get("CancellationReasons", [])
            _refuse_for_good(items, reasons)
            return [reason.get("Code", "None") for reason in reasons] or ["None"]
        except ClientError as error:
            if error.response["Error"]["Code"] in CONFLICTS:
                return ["TransactionConflict"]
            raise
        return None

    def _once(self, write: Write, writes: Sequence[Write]) -> bool:
        """A write with what must follow it. False when its own condition does not hold: it was made before.

        Raises:
            ContentionError: it met another write, or was throttled; nothing was written, and nobody knows yet.
        """
        codes = self._transact([write, *writes])
        if codes is not None and codes[0] != "ConditionalCheckFailed":
            raise ContentionError("Something else was written at the same moment; nothing was changed. Try again.")
        return codes is None

    def _write(self, write: Write) -> bool:
        """One write by itself. False when its condition does not hold.

        A conflict with a transaction raises, and is counted among the errors that may be gone at the next try.
        """
        ((kind, request),) = write.items()
        calls: dict[str, Any] = {
            "Put": self._client.put_item,
            "Update": self._client.update_item,
            "Delete": self._client.delete_item,
        }
        try:
            calls[kind](**request)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _refuse_for_good(items: Sequence[Write], reasons: Sequence[Any]) -> None:
    for item, reason in zip(items, reasons, strict=False):
        if reason.get("Code") == "ValidationError":
            ((_, request),) = item.items()
            key = from_item({name: (request.get("Item") or request["Key"])[name] for name in ("pk", "sk")})
            raise OrchestrationError(
                f"DynamoDB refuses the item {key['pk']} {key['sk']}: {reason.get('Message', 'no reason given')}. An item "
                "holds 400 KB: shorten what comes into it, an event, a policy or a report."
            )


def _condition(condition: str | None, names: Sequence[str], values: dict[str, Any] | None) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if condition:
        arguments["ConditionExpression"] = condition
    if names:
        arguments["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
    if values:
        arguments["ExpressionAttributeValues"] = to_item(values)
    return arguments


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
