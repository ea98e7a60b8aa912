"""What AWS's quotas are held against: counted units, and the arithmetic between the two."""

from __future__ import annotations

import re

from ops import scale
from ops.scale import Quota, Rate, Taken
from tests.unit.table_units import MeteredDynamoDB, of_a_no

ITEM = {"pk": {"S": "MODEL#fraud"}, "sk": {"S": "STATE"}}


def test_a_minute_has_what_was_saved_up_and_what_comes_in_it() -> None:
    assert Rate(150, 800).in_a_minute(1) == 9_800
    assert Rate(150, 800).in_a_minute(3) == 3_266


def test_a_transaction_takes_two_units_for_each_kilobyte_and_for_a_check() -> None:
    table = MeteredDynamoDB()
    table.put_item(TableName="t", Item={**ITEM, "body": {"S": "x" * 1_100}})
    table.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": "t", "Item": {"pk": {"S": "HEADS"}, "sk": {"S": "fraud"}}}},
            {"ConditionCheck": {"TableName": "t", "Key": ITEM, "ConditionExpression": "attribute_exists(pk)"}},
        ]
    )

    assert table.written_units == {"MODEL": 2 + 2 * 2, "HEADS": 2}


def test_the_due_list_is_one_place_however_many_partitions_it_has() -> None:
    taken = Taken({}, {"DUE#0": 3, "DUE#7": 2, "DUE#EVENTS": 5, "HEADS": 4})

    assert (taken.shared("DUE#<0 to 7>"), taken.shared("HEADS"), taken.shared("SLOTS"), taken.units()) == (5, 4, 0, 14)


def test_a_signal_that_begins_no_run_changes_no_item_that_all_models_share() -> None:
    no = of_a_no()

    assert no.calls["TransactWriteItems"] == 1
    assert no.shared("CONTROLS") == no.shared("SLOTS") == no.shared("ACTIVE") == 0
    assert no.shared("HEADS") == 2


def test_what_is_reached_first_stands_first() -> None:
    lines = scale.signals_table(of_a_no()).splitlines()[2:]
    reached = [int(line.split("|")[3].replace(",", "")) for line in lines]

    assert len(lines) == len(scale.OF_A_SIGNAL)
    assert reached == sorted(reached)


def test_every_quota_says_where_it_stands() -> None:
    quotas: tuple[Quota, ...] = (*scale.OF_A_SIGNAL, *scale.OF_A_PROMOTION)

    assert [
        each.name for each in quotas if not re.search(r"\]\(https://docs\.aws\.amazon\.com/\S+\)", each.source)
    ] == []
    assert [each.name for each in quotas if each.least.in_a_minute(1) > each.most.in_a_minute(1)] == []
