"""Ways to tamper with a history: in the table, in the bucket, in what AWS knows, and in all of them so that they agree.

Each kind changes a ``Scene`` in place and says what has to be found. A number of a case says which kinds come and where.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from ops.audit.findings import Fault
from ops.audit.gathered import Report
from ops.audit.reading import Reading
from ops.audit.walk import Audit
from orchestration.domain.canonical_json import canonical
from orchestration.domain.chain import GENESIS, record_hash
from orchestration.stores.table import from_item, to_item
from tests.unit.fake_services import FakeStepFunctions
from tests.unit.fakes import SETTINGS, World, execution_arn
from tests.unit.memory_dynamodb import MemoryDynamoDB
from tests.unit.memory_s3 import MemoryS3

BUCKET: Final = SETTINGS.automation_bucket
FOLDERS: Final = ("decisions/", "evidence/", "manifests/")

GARBAGE: Final[dict[str, bytes]] = {
    "text": b"not json",
    "nothing": b"",
    "binary": bytes(range(256)) * 9,
    "an array": b"[1, 2]",
    "a number": b"12",
    "not a number": b'{"schema_version": NaN}',
    "deep": b"[" * 100_000,
    "a record of nothing": b'{"schema_version":2,"kind":"decision","chain":{}}',
    "a chain of text": b'{"schema_version":2,"kind":"decision","chain":"first"}',
    "an unknown kind": b'{"schema_version":2,"kind":"rumour","chain":{"name":"fraud","sequence":1}}',
    "five megabytes": b'{"a":"' + b"x" * 5_000_000 + b'"}',
}


class Inline(Executor):
    """Runs at once what it is given."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - handed on as a pool would
            future.set_exception(error)
        return future


@dataclass
class Scene:
    """A history as it stands in table, bucket and AWS, to be tampered with."""

    database: MemoryDynamoDB
    s3: MemoryS3
    executions: FakeStepFunctions
    now: datetime

    @classmethod
    def of(cls, world: World) -> Scene:
        """Take a world's; its executions began two hours before now."""
        world.executions.began = world.clock() - timedelta(hours=2)
        return cls(world.database, MemoryS3(world.bucket.objects), world.executions, world.clock())

    def copy(self) -> Scene:
        """Make another one that may be changed."""
        database = MemoryDynamoDB()
        database.items = dict(self.database.items)
        executions = FakeStepFunctions(lambda _: None)
        executions.statuses, executions.more = dict(self.executions.statuses), dict(self.executions.more)
        executions.began = self.executions.began
        return Scene(database, self.s3.copy(), executions, self.now)

    def same_as(self, other: Scene) -> bool:
        """True when nothing is changed."""
        return (self.database.items, self.s3.objects, self.executions.statuses) == (
            other.database.items,
            other.s3.objects,
            other.executions.statuses,
        )

    def audit(self, **options: Any) -> Report:
        """Walk over it."""
        reading = Reading(
            self.s3, self.database, self.executions, bucket=BUCKET, table="history", machine=SETTINGS.state_machine_arn
        )
        return Audit(reading, Inline(), now=self.now, **options).run()

    # The table.

    def item(self, pk: str, sk: str) -> dict[str, Any]:
        """An item as values."""
        return from_item(self.database.items[pk, sk])

    def set(self, pk: str, sk: str, **values: Any) -> None:
        """Change attributes of an item; None takes one away."""
        kept = from_item(self.database.items.get((pk, sk), {}))
        self.database.items[pk, sk] = to_item({**kept, "pk": pk, "sk": sk, **values})

    def remove(self, pk: str, sk: str) -> None:
        """Take an item away."""
        del self.database.items[pk, sk]

    def keys(self, pk: str, sk: str = "") -> list[tuple[str, str]]:
        """Keys of the items of partitions that begin so."""
        return sorted(key for key in self.database.items if key[0].startswith(pk) and key[1].startswith(sk))

    def links(self) -> list[Link]:
        """Every link of every chain."""
        found = []
        for pk, sk in self.keys("CHAIN#"):
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                item = self.item(pk, sk)
                document = json.loads(item["record"])
                found.append(Link(pk.removeprefix("CHAIN#"), int(sk), str(item["kind"]), str(item["key"]), document))
        return found

    # The bucket.

    def body(self, key: str) -> bytes | None:
        """What an object holds."""
        versions = self.s3.objects.get((BUCKET, key), ())
        return versions[0].body if versions else None

    def objects(self, *prefixes: str) -> list[str]:
        """Keys under prefixes that hold something."""
        return sorted(
            key for bucket, key in self.s3.objects if bucket == BUCKET and key.startswith(prefixes) and self.body(key)
        )

    def write(self, random: Random, key: str, body: bytes | None) -> str:
        """Write an object as anybody would, or leaving no trace; gives how."""
        traceless = random.random() < 0.5
        (self.s3.rewrite if traceless else self.s3.put)(BUCKET, key, body)
        return "without a trace" if traceless else "over it"


@dataclass(frozen=True)
class Link:
    """A link of a chain."""

    chain: str
    sequence: int
    kind: str
    key: str
    document: dict[str, Any]

    @property
    def item(self) -> tuple[str, str]:
        """Key of its item."""
        return f"CHAIN#{self.chain}", f"{self.sequence:012d}"

    def changed(self, **place: Any) -> tuple[str, str]:
        """Text and hash of its record at another place."""
        return hashed({**self.document, "chain": {**self.document["chain"], **place}})


@dataclass(frozen=True)
class Tampering:
    """What was done, and what has to be found: one of ``faults`` in ``chain`` at one of ``places``, or on ``subject``."""

    what: str
    faults: frozenset[Fault]
    chain: str | None = None
    places: frozenset[int] = field(default_factory=frozenset)
    subject: str | None = None
    provable: bool = True


def hashed(document: dict[str, Any]) -> tuple[str, str]:
    """Text and hash of a record that has its right hash."""
    digest = record_hash(document)
    return canonical({**document, "chain": {**document["chain"], "hash": digest}}), digest


def edited(random: Random, document: dict[str, Any]) -> dict[str, Any]:
    """A document with one value changed, anywhere but in its place."""
    made = copy.deepcopy(document)
    at: Any = made
    while True:
        names = list(at) if isinstance(at, dict) else list(range(len(at)))
        name = random.choice(
            [name for name in names if at is not made or name not in {"chain", "kind", "schema_version"}]
        )
        if isinstance(at[name], (dict, list)) and at[name]:
            at = at[name]
            continue
        value = at[name]
        if isinstance(value, bool):
            at[name] = not value
        elif isinstance(value, (int, float)):
            at[name] = value + 1
        else:
            at[name] = "changed" if value is None else f"{value}x"
        return made


def found(link: Link, *faults: Fault, what: str, after: int = 1) -> Tampering:
    """A tampering with one link: it is found there, or where the next one does not follow."""
    places = frozenset(range(link.sequence, link.sequence + after + 1))
    return Tampering(f"{what} of {link.chain} {link.sequence}", frozenset(faults), link.chain, places)


# The table.


def link_deleted(random: Random, scene: Scene) -> Tampering:
    link = random.choice(scene.links())
    scene.remove(*link.item)
    return found(link, Fault.MISSING, Fault.TRUNCATED, what="link deleted")


def link_edited(random: Random, scene: Scene) -> Tampering:
    link = random.choice(scene.links())
    scene.set(*link.item, record=canonical(edited(random, link.document)))
    return found(link, Fault.EDITED, what="text of link edited")


def link_edited_and_hashed(random: Random, scene: Scene) -> Tampering:
    link = random.choice(scene.links())
    text, digest = hashed(edited(random, link.document))
    scene.set(*link.item, record=text, hash=digest)
    return found(link, Fault.FORKED, Fault.EDITED, what="link edited and hashed anew")


def link_relabelled(random: Random, scene: Scene) -> Tampering:
    link = random.choice(scene.links())
    changes: list[tuple[str, Any]] = [
        ("hash", "0" * 64),
        ("key", "evidence/elsewhere.json"),
        ("kind", "rumour"),
        ("chain", "other"),
        ("sequence", 99),
        ("key", ""),
        ("hash", None),
        ("sequence", "1"),
        ("sequence", 0.5),
        ("record", None),
        ("record", 12),
        ("record", [1]),
    ]
    name, value = random.choice(changes)
    scene.set(*link.item, **{name: value})
    return found(link, Fault.EDITED, what=f"{name} of link")


def link_of_strange_types(random: Random, scene: Scene) -> Tampering:
    link = random.choice(scene.links())
    name = random.choice(["record", "hash", "key", "sequence", "kind"])
    strange: dict[str, Any] = random.choice([{"B": b"\x00\xff"}, {"S": "json:{"}, {"NULL": True}, {"M": {}}, {"L": []}])
    scene.database.items[link.item] = {**scene.database.items[link.item], name: strange}
    return found(link, Fault.EDITED, what=f"{name} of link made {strange}")


def links_swapped(random: Random, scene: Scene) -> Tampering | None:
    links = scene.links()
    one = random.choice(links)
    other = random.choice([link for link in links if link.chain == one.chain])
    if one == other:
        return None
    for link, source in ((one, other), (other, one)):
        values = {"record": canonical(source.document), "hash": source.document["chain"]["hash"], "key": source.key}
        scene.set(*link.item, kind=source.kind, **values)
    return found(one, Fault.REORDERED, what=f"swapped with {other.sequence} link")


def links_put_in_another_order(random: Random, scene: Scene) -> Tampering | None:
    one = random.choice(scene.links())
    other = next((link for link in scene.links() if (link.chain, link.sequence) == (one.chain, one.sequence + 1)), None)
    if other is None:
        return None
    before = one.document["chain"]["previous_hash"]
    for link, source in ((one, other), (other, one)):
        text, before = source.changed(sequence=link.sequence, previous_hash=before)
        scene.set(*link.item, kind=source.kind, key=source.key, record=text, hash=before)
    return found(one, Fault.FORKED, Fault.EDITED, what="put behind the next link", after=2)


def link_invented(random: Random, scene: Scene) -> Tampering:
    last = {link.chain: link for link in scene.links()}
    link = random.choice(sorted(last.values(), key=lambda link: link.chain))
    text, digest = link.changed(sequence=link.sequence + 1, previous_hash=link.document["chain"]["hash"])
    added = Link(link.chain, link.sequence + 1, link.kind, link.key, {})
    values: dict[str, Any] = {"chain": link.chain, "sequence": added.sequence, "key": link.key, "kind": link.kind}
    scene.set(*added.item, record=text, hash=digest, **values)
    return found(added, Fault.TRUNCATED, what="link invented")


def link_without_a_place(random: Random, scene: Scene) -> Tampering:
    link = random.choice(scene.links())
    sort_key = random.choice(["000000000000", "-00000000001", "x", "00000000001x", "1", "000000000001.5"])
    item = scene.item(*link.item)
    scene.set(f"CHAIN#{link.chain}", sort_key, **{name: item.get(name) for name in item if name not in {"pk", "sk"}})
    places = frozenset({0})
    return Tampering(f"link at {sort_key} of {link.chain}", frozenset({Fault.INVENTED}), link.chain, places)


def head_changed(random: Random, scene: Scene) -> Tampering:
    link = random.choice(scene.links())
    ways: list[dict[str, Any]] = [
        {"hash": "f" * 64},
        {"sequence": link.sequence - 1},
        {"sequence": 10**6},
        {"sequence": "two"},
        {"hash": None},
        {"sequence": None},
        {},
    ]
    way = random.choice(ways)
    if way:
        scene.set("HEADS", link.chain, **way)
    else:
        scene.remove("HEADS", link.chain)
    return Tampering(f"head of {link.chain}: {way}", frozenset({Fault.TRUNCATED, Fault.FORKED}), link.chain)


def tail_cut_in_table(random: Random, scene: Scene) -> Tampering | None:
    link = random.choice(scene.links())
    if link.sequence == 1:
        return None
    for later in scene.links():
        if later.chain == link.chain and later.sequence >= link.sequence:
            scene.remove(*later.item)
    scene.set("HEADS", link.chain, sequence=link.sequence - 1, hash=link.document["chain"]["previous_hash"])
    faults = {Fault.TRUNCATED, Fault.INVENTED}
    return found(link, *faults, what="table cut before")


def model_not_listed(random: Random, scene: Scene) -> Tampering:
    _, model = random.choice(scene.keys("MODELS"))
    scene.remove("MODELS", model)
    return Tampering(f"{model} no longer listed", frozenset({Fault.UNLISTED}), model)


def model_listed_that_is_none(random: Random, scene: Scene) -> Tampering:
    name = f"model-{random.randrange(100)}"
    scene.set("MODELS", name)
    return Tampering(f"{name} listed", frozenset({Fault.TRUNCATED}), name)


def run_changed(random: Random, scene: Scene) -> Tampering:
    run = random.choice([link for link in scene.links() if link.kind == "manifest"])
    run_id = run.document["run_id"]
    pk, item = f"RUN#{run_id}", scene.item(f"RUN#{run_id}", "RUN")
    ways: list[dict[str, Any]] = [
        {"outcome": "PROMOTED" if item.get("outcome") != "PROMOTED" else "FAILED"},
        {"manifest": canonical(edited(random, json.loads(item["manifest"])))},
        {"manifest": "no json"},
        {"reason": "all was well"},
        {"ended_at": "2026-01-01T00:00:00+00:00"},
        {"started_at": "2026-01-01T00:00:00+00:00"},
        {"execution_arn": execution_arn("other")},
        {"model": "other"},
        {"manifest": None},
        {},
    ]
    way = random.choice(ways)
    if way:
        scene.set(pk, "RUN", **way)
    else:
        scene.remove(pk, "RUN")
    return Tampering(f"{pk}: {way}", frozenset({Fault.CONTRADICTED, Fault.WITHOUT_RECORD}), run.chain)


def run_fact_changed(random: Random, scene: Scene) -> Tampering | None:
    runs = {link.document["run_id"]: link.chain for link in scene.links() if link.kind == "manifest"}
    closed = {link.document["run_id"] for link in scene.links() if link.kind == "outcome"}
    keys = [key for key in scene.keys("RUN#", "VERDICT#evaluation") if key[0][4:] in runs]
    keys += [key for key in scene.keys("STATUS#", "STATUS#") if key[0][7:] in closed]
    keys += scene.keys("APPROVAL#") + scene.keys("WAIT#", "bake")
    keys += [key for key in scene.keys("MODEL#", "RUN#") if key[1].rsplit("#", 1)[-1] in runs]
    pk, sk = random.choice(keys)
    item = scene.item(pk, sk)
    chain = item.get("model") or runs.get(item.get("run_id") or pk.partition("#")[2])
    if random.random() < 0.3:
        scene.remove(pk, sk)
    elif "verdict" in item:
        name = random.choice(["next", "reason", "evaluation", "versions", "evaluation_uri"])
        scene.set(pk, sk, verdict={**item["verdict"], name: {"changed": "yes"} if name == "evaluation" else "changed"})
    elif "result" in item:
        scene.set(pk, sk, result={**item["result"], random.choice(["next", "reason", "decision"]): "changed"})
    elif "votes" in (item.get("data") or {}):
        scene.set(pk, sk, data={**item["data"], "votes": [{"by": "nobody"}]})
    else:
        scene.set(pk, sk, **{"at" if "at" in item else "started_at": "2026-01-01T00:00:00+00:00"})
    if scene.database.items.get((pk, sk)) == to_item(item):
        return None
    return Tampering(f"{pk}/{sk} changed", frozenset({Fault.CONTRADICTED}), chain)


def signal_changed(random: Random, scene: Scene) -> Tampering:
    link = random.choice([link for link in scene.links() if link.kind == "decision"])
    pk = f"SIGNAL#{link.document['signal_id']}"
    ways: list[dict[str, Any]] = [
        {"run_id": "run-of-nobody"},
        {"record_key": "decisions/elsewhere.json"},
        {"sequences": [1000]},
        {"chain": "other"},
        {"payload": "{}"},
        {"run_id": None},
        {},
    ]
    way = random.choice(ways)
    if way:
        scene.set(pk, "SIGNAL", **way)
    else:
        scene.remove(pk, "SIGNAL")
    faults = {Fault.CONTRADICTED, Fault.EDITED}
    return Tampering(f"{pk}: {way}", frozenset(faults), link.chain, frozenset({link.sequence}))


def switch_changed(random: Random, scene: Scene) -> Tampering:
    ways: list[dict[str, Any]] = [
        {"sk": "source:alarm", "by": "somebody else"},
        {"sk": "source:alarm", "reason": "another one"},
        {"sk": "global", "by": "ops", "reason": "quietly", "since": "2026-03-02T00:00:00+00:00"},
        {"sk": "model:fraud", "by": "ops", "reason": "quietly", "since": "2026-03-02T00:00:00+00:00"},
        {"sk": "source:alarm", "by": None},
        {"sk": "source:alarm"},
    ]
    way = random.choice(ways)
    if len(way) > 1:
        scene.set("CONTROLS", way["sk"], **{name: value for name, value in way.items() if name != "sk"})
    else:
        scene.remove("CONTROLS", "source:alarm")
    return Tampering(f"switch {way}", frozenset({Fault.CONTRADICTED}), subject="CONTROLS")


def state_changed(random: Random, scene: Scene) -> Tampering | None:
    pk, _ = random.choice([key for key in scene.keys("MODEL#", "STATE") if key[0] != "MODEL#_unattributed"])
    before = scene.item(pk, "STATE")
    ways: list[dict[str, Any]] = [
        {"frozen_reason": "frozen by nobody"},
        {"fruitless_runs": 7},
        {"cooldown_until": None},
        {"run_starts": []},
        {"active_run_id": "run-of-nobody"},
        {"promoted_at": "2026-01-01T00:00:00+00:00"},
    ]
    way = random.choice(ways)
    scene.set(pk, "STATE", **way)
    if before == scene.item(pk, "STATE"):
        return None
    return Tampering(f"{pk}: {way}", frozenset({Fault.CONTRADICTED}), pk.removeprefix("MODEL#"))


def run_invented(random: Random, scene: Scene) -> Tampering:
    model = random.choice(["fraud", "spam", "churn"])
    scene.set(f"MODEL#{model}", "RUN#2026-03-02T12:00:00+00:00#run-x", run_id="run-x", outcome="PROMOTED")
    return Tampering(f"run of {model} invented", frozenset({Fault.WITHOUT_RECORD}), model)


# The bucket.


def object_deleted(random: Random, scene: Scene) -> Tampering:
    link = random.choice(scene.links())
    how = scene.write(random, link.key, None)
    return found(link, Fault.MISSING, Fault.DELETED, what=f"object deleted {how}")


def object_edited(random: Random, scene: Scene) -> Tampering:
    link = random.choice(scene.links())
    made = edited(random, link.document)
    anew = random.random() < 0.5
    text = hashed(made)[0] if anew else canonical(made)
    how = scene.write(random, link.key, text.encode())
    what = f"object edited {how}{', hashed anew' if anew else ''}"
    return found(link, Fault.EDITED, Fault.FORKED, what=what)


def object_written_otherwise(random: Random, scene: Scene) -> Tampering:
    link = random.choice(scene.links())
    ways = [json.dumps(link.document, indent=1), json.dumps(link.document), canonical(link.document) + "\n"]
    how = scene.write(random, link.key, random.choice(ways).encode())
    return found(link, Fault.EDITED, what=f"object written otherwise {how}")


def object_is_garbage(random: Random, scene: Scene) -> Tampering:
    link, name = random.choice(scene.links()), random.choice(list(GARBAGE))
    how = scene.write(random, link.key, GARBAGE[name])
    return found(link, Fault.EDITED, Fault.SWAPPED, what=f"object replaced by {name} {how}")


def objects_swapped(random: Random, scene: Scene) -> Tampering | None:
    one, other = random.choice(scene.links()), random.choice(scene.links())
    first, second = scene.body(one.key), scene.body(other.key)
    if one.key == other.key or first is None or second is None:
        return None
    scene.write(random, one.key, second)
    scene.write(random, other.key, first)
    return found(one, Fault.SWAPPED, what=f"object swapped with {other.chain} {other.sequence}'s")


def object_written_again(random: Random, scene: Scene) -> Tampering | None:
    link = random.choice(scene.links())
    body = scene.body(link.key)
    if body is None:
        return None
    if random.random() < 0.5:
        scene.s3.put(BUCKET, link.key, None)
    scene.s3.put(BUCKET, link.key, body)
    return found(link, Fault.SEVERAL_VERSIONS, Fault.DELETED, what="object written again")


def garbage_added(random: Random, scene: Scene) -> Tampering:
    name = random.choice(list(GARBAGE))
    folder = random.choice(
        [*FOLDERS, "rejected/", "decisions/fraud/", "evidence/spam/run-1/", "manifests/nobody/", "evidence//"]
    )
    key = f"{folder}{random.randrange(10**6)}.json"
    scene.s3.put(BUCKET, key, GARBAGE[name])
    return Tampering(f"{name} added at {key}", frozenset({Fault.EXTRA}), subject=key)


def record_invented(random: Random, scene: Scene) -> Tampering:
    link = random.choice(scene.links())
    places: list[Any] = [0, -1, "3", 1.5, True, None, [], 10**6, link.sequence, link.sequence + 1, 2**70]
    place = random.choice(places)
    text, _ = link.changed(sequence=place)
    key = link.key.replace(".json", f"-{random.randrange(10**6)}.json")
    scene.s3.put(BUCKET, key, text.encode())
    faults = {Fault.EXTRA, Fault.INVENTED, Fault.FORKED, Fault.SWAPPED, Fault.TRUNCATED}
    return Tampering(f"{place!r} invented at {key}", frozenset(faults), subject=key)


def record_follows_the_last(random: Random, scene: Scene) -> Tampering:
    last = {link.chain: link for link in scene.links()}
    link = random.choice(sorted(last.values(), key=lambda link: link.chain))
    text, _ = hashed(
        {
            **edited(random, link.document),
            "chain": {
                **link.document["chain"],
                "sequence": link.sequence + 1,
                "previous_hash": link.document["chain"]["hash"],
            },
        }
    )
    key = link.key.replace(".json", "-next.json")
    scene.s3.put(BUCKET, key, text.encode())
    faults = {Fault.TRUNCATED, Fault.INVENTED, Fault.FORKED}
    return Tampering(f"record behind the last at {key}", frozenset(faults), subject=key)


def record_copied(random: Random, scene: Scene) -> Tampering | None:
    link = random.choice(scene.links())
    body = scene.body(link.key)
    if body is None:
        return None
    folder = random.choice(["decisions/spam/2026/03/02/", "evidence/fraud/run-1/", "manifests/nobody/"])
    key = f"{folder}copy-{random.randrange(10**6)}.json"
    scene.s3.put(BUCKET, key, body)
    faults = {Fault.SWAPPED, Fault.FORKED, Fault.INVENTED, Fault.EXTRA}
    return Tampering(f"copy of {link.key} at {key}", frozenset(faults), subject=key)


def chain_invented(random: Random, scene: Scene) -> Tampering:
    link = random.choice([link for link in scene.links() if link.kind == "decision"])
    document = {**link.document, "model": "ghost"}
    text, _ = hashed({**document, "chain": {"name": "ghost", "sequence": 1, "previous_hash": "0" * 64}})
    key = f"decisions/ghost/2026/03/02/{link.document['signal_id']}.json"
    scene.s3.put(BUCKET, key, text.encode())
    return Tampering("chain of ghost invented", frozenset({Fault.INVENTED, Fault.TRUNCATED}), subject=key)


def rejected_event_changed(random: Random, scene: Scene) -> Tampering | None:
    keys = scene.objects("rejected/")
    if not keys:
        return None
    key = random.choice(keys)
    body = random.choice([None, b'{"event": {}, "sentence": "all was well"}', b"{"])
    how = scene.write(random, key, body)
    faults = {Fault.MISSING, Fault.DELETED, Fault.EDITED, Fault.EXTRA, Fault.SEVERAL_VERSIONS}
    return Tampering(f"{key} {how}", frozenset(faults), subject="rejected/")


def anchor_edited(random: Random, scene: Scene) -> Tampering | None:
    keys = scene.objects("evidence/_anchors/")
    if not keys:
        return None
    key = random.choice(keys)
    body = scene.body(key)
    assert body is not None
    document = json.loads(body)
    head = random.choice(document["heads"])
    head["sequence"] += 1
    how = scene.write(random, key, random.choice([canonical(document).encode(), b"[]", b"{}", b"\xff"]))
    return Tampering(f"{key} edited {how}", frozenset({Fault.NOT_AS_ANCHORED}), subject=key)


def artifact_changed(random: Random, scene: Scene) -> Tampering | None:
    uris = {uri: link for link in scene.links() if link.kind == "verdict" for uri in link.document["versions"]}
    if not uris:
        return None
    uri = random.choice(sorted(uris))
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    scene.s3.put(bucket, key, random.choice([None, b"other weights"]))
    return Tampering(f"{uri} changed", frozenset({Fault.ARTIFACT_CHANGED}), uris[uri].chain, subject=uri)


# What AWS knows.


def execution_unknown(random: Random, scene: Scene) -> Tampering:
    link = random.choice([link for link in scene.links() if link.kind == "decision"])
    scene.executions.statuses.pop(str(link.document["execution_arn"]), None)
    return found(link, Fault.WITHOUT_EXECUTION, what="execution unknown", after=0)


def execution_unrecorded(random: Random, scene: Scene) -> Tampering:
    arn = execution_arn(f"unrecorded-{random.randrange(10**6)}")
    status = random.choice(["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"])
    scene.executions.end(arn, status, output=random.choice(['{"outcome": "PROMOTED"}', "{", "[]"]))
    return Tampering(f"{arn} {status}", frozenset({Fault.WITHOUT_RECORD}), subject=arn)


# Both sides.


def record_taken_out(random: Random, scene: Scene) -> Tampering:
    link = random.choice(scene.links())
    scene.remove(*link.item)
    scene.s3.rewrite(BUCKET, link.key, None)
    faults = {Fault.MISSING, Fault.TRUNCATED, Fault.FORKED}
    return found(link, *faults, what="record taken out of both")


def chain_rewritten_with_a_name_nobody_can_ask_for(random: Random, scene: Scene) -> Tampering:
    """Table and bucket agree afterwards, and a run or signal has no name that a table could have."""
    link = random.choice([link for link in scene.links() if "run_id" in link.document])
    name = random.choice([name for name in ("run_id", "signal_id") if name in link.document])
    rewrite_from(scene, link, {**link.document, name: random.choice(["", "x" * 5000, "\x00", "🦆" * 600])})
    return found(link, *Fault, what=f"{name} rewritten in both from", after=10**6)


def chain_rewritten(random: Random, scene: Scene) -> Tampering:
    """Table and bucket agree afterwards: every link from one on is written anew. Only facts beside it may tell."""
    link = random.choice(scene.links())
    rewrite_from(scene, link, edited(random, link.document))
    return found(link, *Fault, what="rewritten in both from", after=10**6)


def rewrite_from(scene: Scene, link: Link, document: dict[str, Any]) -> None:
    """Put another record in a link's place, and every later one behind it, in table and bucket."""
    previous = str(link.document["chain"]["previous_hash"])
    for later in scene.links():
        if later.chain == link.chain and later.sequence >= link.sequence:
            made = document if later == link else later.document
            text, previous = hashed({**made, "chain": {**later.document["chain"], "previous_hash": previous}})
            scene.set(*later.item, record=text, hash=previous)
            scene.s3.rewrite(BUCKET, later.key, text.encode())
            scene.set("HEADS", link.chain, sequence=later.sequence, hash=previous)
            if later.kind == "manifest":
                scene.set(f"RUN#{later.document['run_id']}", "RUN", manifest=text)


def write_anew(scene: Scene, chain: str, documents: list[dict[str, Any]]) -> None:
    """Put other records in the place of a whole chain, so that table and bucket agree; each lies where it lay."""
    keys = {canonical(link.document): (link.key, link.kind) for link in scene.links() if link.chain == chain}
    for link in scene.links():
        if link.chain == chain:
            scene.remove(*link.item)
            scene.s3.rewrite(BUCKET, link.key, None)
    previous = GENESIS
    for sequence, document in enumerate(documents, 1):
        key, kind = keys[canonical(document)]
        text, digest = hashed({**document, "chain": {"name": chain, "sequence": sequence, "previous_hash": previous}})
        link = Link(chain, sequence, kind, key, document)
        scene.set(*link.item, chain=chain, sequence=sequence, kind=kind, key=key, record=text, hash=digest)
        scene.s3.rewrite(BUCKET, key, text.encode())
        scene.set("HEADS", chain, sequence=sequence, hash=digest)
        previous = digest


Kind = Callable[[Random, Scene], Tampering | None]

PROVABLE: Final[tuple[Kind, ...]] = (
    link_deleted,
    link_edited,
    link_edited_and_hashed,
    link_relabelled,
    link_of_strange_types,
    links_swapped,
    links_put_in_another_order,
    link_invented,
    link_without_a_place,
    head_changed,
    tail_cut_in_table,
    model_not_listed,
    model_listed_that_is_none,
    run_changed,
    run_fact_changed,
    signal_changed,
    switch_changed,
    state_changed,
    run_invented,
    object_deleted,
    object_edited,
    object_written_otherwise,
    object_is_garbage,
    objects_swapped,
    object_written_again,
    garbage_added,
    record_invented,
    record_follows_the_last,
    record_copied,
    chain_invented,
    rejected_event_changed,
    anchor_edited,
    artifact_changed,
    execution_unknown,
    execution_unrecorded,
    record_taken_out,
    chain_rewritten_with_a_name_nobody_can_ask_for,
)
"""Kinds that have to be found, whatever they hit."""

UNPROVABLE: Final[tuple[Kind, ...]] = (chain_rewritten,)
"""Kinds that need not be found: table and bucket are rewritten together."""


def tampered(case: int, original: Scene) -> tuple[Scene, list[Tampering]]:
    """One tampering for an even case, two for an odd one; the kinds come in turn, so that none is left out."""
    random = Random(case)  # noqa: S311 - which case it is, not a secret
    kinds = PROVABLE + UNPROVABLE
    while True:
        scene = original.copy()
        chosen = [kinds[case // 2 % len(kinds)], *([random.choice(kinds)] if case % 2 else [])]
        done = [_apply(random, scene, kind) for kind in chosen]
        if all(done) and not scene.same_as(original):
            return scene, [tampering for tampering in done if tampering]


def _apply(random: Random, scene: Scene, kind: Kind) -> Tampering | None:
    made = None
    with contextlib.suppress(KeyError, IndexError):  # the one before took away what this one would change
        made = kind(random, scene)
    return made and Tampering(made.what, made.faults, made.chain, made.places, made.subject, kind not in UNPROVABLE)


def cases(count: int, first: int = 0) -> Iterator[int]:
    """Numbers of cases that go through all kinds, one and two at a time."""
    yield from range(first, first + count)
