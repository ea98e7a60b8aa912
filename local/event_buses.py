"""Event buses of other accounts, as AWS guards them: one takes events only from whom its policy names.

The event that arrives keeps the account of its sender, which is what a rule's pattern names.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ministack.core.responses import (
    error_response_json,
    get_account_id,
    get_region,
    json_response,
    new_uuid,
    set_request_account_id,
)

from local.seam import Repair, eventbridge

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.sagemaker_records import Document

_BUS = re.compile(r"arn:aws:events:([a-z0-9-]+):(\d{12}):event-bus/(.+)")


OTHER_ACCOUNTS = Repair(
    "buses of other accounts",
    alone="no bus of another account",
    aws="it takes events from whom its policy names, with the sender's account in them; others are refused with "
    "`AccessDeniedException`",
    source="https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html",
)


@OTHER_ACCOUNTS.wraps(eventbridge, "_put_events")
def _put(original: Callable[..., Any], data: Document, allow_aws_source: bool = False) -> Any:
    entries = data.get("Entries", [])
    buses = [_abroad(entry) for entry in entries]
    if not any(buses):
        return original(data, allow_aws_source=allow_aws_source)
    results: list[Document] = []
    for entry, bus in zip(entries, buses, strict=True):
        if bus is not None and not _lets_in(*bus):
            message = f"Account {get_account_id()} is not authorized to perform: events:PutEvents on resource: "
            return error_response_json("AccessDeniedException", message + entry["EventBusName"], HTTPStatus.BAD_REQUEST)
        if bus is None or str(entry.get("Source")).startswith("aws."):
            own = {key: value for key, value in entry.items() if bus is None or key != "EventBusName"}
            results += json.loads(original({"Entries": [own]}, allow_aws_source=allow_aws_source)[2])["Entries"]
        else:
            results.append({"EventId": _deliver(entry, *bus)})
    failed = sum("ErrorCode" in result for result in results)
    return json_response({"FailedEntryCount": failed, "Entries": results})


def _abroad(entry: Document) -> tuple[str, str] | None:
    """Account and name of the bus an entry is for; None when it is one of the caller's own, or of another Region."""
    found = _BUS.fullmatch(str(entry.get("EventBusName") or ""))
    if found is None or found[1] != get_region() or found[2] == get_account_id():
        return None
    return found[2], found[3]


def _lets_in(account: str, bus: str) -> bool:
    """Whether the policy of a bus names the caller's account or everybody. One with a condition lets nobody in here."""
    caller = get_account_id()
    policy = eventbridge.event_bus_policies.get_scoped(account, get_region(), bus, {})
    principals = [
        statement["Principal"].get("AWS") if isinstance(statement["Principal"], dict) else statement["Principal"]
        for statement in policy.get("Statement", [])
        if statement["Effect"] == "Allow" and "Condition" not in statement
    ]
    return any(principal in {"*", caller, f"arn:aws:iam::{caller}:root"} for principal in principals)


def _deliver(entry: Document, account: str, bus: str) -> str:
    """Hand an event to the rules of another account's bus and give its id."""
    sender = get_account_id()
    record = {
        "EventId": new_uuid(),
        "Source": entry.get("Source", ""),
        "DetailType": entry.get("DetailType", ""),
        "Detail": entry.get("Detail", "{}"),
        "EventBusName": bus,
        "Time": int(eventbridge.now_ts()),
        "Resources": entry.get("Resources", []),
        "Account": sender,
        "Region": get_region(),
    }
    set_request_account_id(account)
    try:
        eventbridge.dispatch_event(record, eventbridge.pattern_event_view(record))
    finally:
        set_request_account_id(sender)
    return str(record["EventId"])
