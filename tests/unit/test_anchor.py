"""The anchor: one hash over the heads of all chains, told once a day."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest

from orchestration.domain.chain import Head
from orchestration.domain.merkle import merkle_root, root_of
from orchestration.steps.anchoring import anchor_heads
from tests.contract.template import ROOT
from tests.unit import stories
from tests.unit.fakes import ProcessDiedError, World
from tests.unit.stories import do

PAGE = ROOT / "docs" / "records.md"

# Certificate Transparency's own test tree (google/certificate-transparency, merkletree tests): leaves and roots of growth.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_pages_lines_give_the_root_of_an_anchor(size: int) -> None:
    (code,) = re.findall(r"<!-- snippet: root -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own page's snippet is what is tested
    heads = [Head(f"model-{size - place}", place + 1, f"{place:064x}") for place in range(size)]
    told = [{"chain": head.chain, "sequence": head.sequence, "hash": head.hash} for head in heads]
    assert names["root"](told) == root_of(heads)


@pytest.mark.parametrize("size", range(1, 9))
def test_a_tree_has_the_root_that_certificate_transparency_gives_it(size: int) -> None:
    assert merkle_root([bytes.fromhex(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size - 1]


def test_the_empty_tree_and_the_order_of_names() -> None:
    assert merkle_root([]) == hashlib.sha256(b"").digest()
    heads = [Head("b", 1, "1" * 64), Head("a", 2, "2" * 64)]
    assert root_of(heads) == root_of(heads[::-1])
    assert root_of(heads) != root_of([Head("b", 1, "1" * 64), Head("a", 3, "2" * 64)])


def anchors(world: World) -> list[str]:
    return world.keys("evidence/_anchors/")


def test_the_heads_are_anchored_once_a_day_and_only_when_one_has_moved(world: World) -> None:
    do(world, "sweep")
    assert (anchors(world), world.told("RECORDS_ANCHORED")) == ([], [])
    stories.decided(world)
    do(world, "sweep")
    assert anchors(world) == []
    world.clock.forward(hours=24)
    for _ in range(3):
        do(world, "sweep")
    (key,) = anchors(world)
    anchor = world.read(key)
    (message,) = world.told("RECORDS_ANCHORED")
    assert anchor["root"] in message.sentence
    assert anchor["root"] == root_of(Head(**head) for head in anchor["heads"])
    assert {head["chain"] for head in anchor["heads"]} == {"fraud"}
    head = world.table.chain_head("fraud")
    do(world, "pause", scope="global", by="ana", reason="Incident 7.")
    world.clock.forward(hours=24)
    do(world, "sweep")
    assert len(anchors(world)) == 2
    assert {each["chain"] for each in world.read(anchors(world)[-1])["heads"]} == {"_loop", "fraud"}
    assert world.table.chain_head("fraud").sequence >= head.sequence
    world.clock.forward(hours=24)
    do(world, "sweep")
    assert (len(anchors(world)), len(world.told("RECORDS_ANCHORED"))) == (2, 2)


def test_an_anchor_is_told_with_its_root_its_time_and_what_to_do_with_it(world: World) -> None:
    stories.operate(world, "pause", scope="global", reason="Incident 7.", swept=False)
    world.clock.forward(microseconds=7)
    anchor_heads(world.ports, None)
    root = root_of([world.table.chain_head("_loop")])
    (message,) = world.told("RECORDS_ANCHORED")
    assert message.sentence == f"The records of 1 chain had the root {root} at 2026-03-02 12:00 UTC."
    assert f"retraining verify-audit --anchor {root} --stack " in str(message.next_steps[0])
    assert dict(message.facts)["root"] == root


@pytest.mark.parametrize("call", range(1, 60))
def test_a_sweep_that_dies_while_it_anchors_is_made_up_for_with_the_root_that_was_written(
    call: int, world: World
) -> None:
    do(world, "sweep")
    stories.decided(world)
    world.clock.forward(hours=24)
    world.outside.die_before(call)
    try:
        do(world, "sweep")
    except ProcessDiedError:
        world.outside.live()
        do(world, "pause", scope="global", by="ana", reason="Incident 7.")
    world.outside.live()
    world.clock.forward(minutes=10)
    do(world, "sweep")
    (key,) = anchors(world)
    told = {message.facts[0][1] for message in world.told("RECORDS_ANCHORED")}
    assert told == {world.read(key)["root"]}
    assert json.loads(json.dumps(world.read(key)))["kind"] == "anchor"
