"""One embedded AWS with one deployed stack whose functions go wrong when they are told to, for many cases after each other."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import uuid
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from local.embedded_aws import EmbeddedAws, wait_until
from ops import package_zip
from tests.stack.loop import TAKES_FROM_TOPICS, deployed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

INJECTOR = Path(__file__).with_name("injector.py")
HANDLERS = {
    "OrchestrationFunctionName": "orchestrate",
    "PromotionFunctionName": "promote",
    "VoteFunctionName": "vote",
    "OperatorFunctionName": "operate",
}
AT_ONCE = 8
ENDPOINT_SECONDS = 0.25
"""How long an endpoint takes to change; longer than the hand needs from the update to its answer."""


class Place:
    """Where cases are played, one at a time."""

    def __init__(self) -> None:
        self.shared: dict[str, Any] = {}
        self.of_cases_before: set[str] = set()
        """Trainings that are known to be of another case than the one that is played: none is asked for twice."""
        self._champions: list[str] = []
        self.folder = Path(tempfile.mkdtemp(prefix="faults-"))
        self.aws = EmbeddedAws(wait_scale=0.0, extra_env={"LOCAL_ENDPOINT_SECONDS": str(ENDPOINT_SECONDS)})

    def __enter__(self) -> Self:
        try:
            self.aws.start()
            self.loop = deployed(self.aws, self.folder, MaxConcurrentTrainings="1")
            self.tell("none")
            self._inject()
            self._listen()
            # The first sweep takes over from the release before and begins to list; the others are alike.
            self.loop.invoke({"action": "sweep"})
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.aws.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _inject(self) -> None:
        """Put the injector in front of the handlers: the very zip that is deployed, and two files more."""
        packed = io.BytesIO(package_zip.build().read_bytes())
        with zipfile.ZipFile(packed, "a") as archive:
            archive.write(INJECTOR, INJECTOR.name)
            archive.writestr("injector-folder", str(self.folder))
        functions = self.aws.client("lambda")
        for output, handler in HANDLERS.items():
            name = self.loop.outputs[output]
            functions.update_function_code(FunctionName=name, ZipFile=packed.getvalue())
            functions.update_function_configuration(FunctionName=name, Handler=f"{INJECTOR.stem}.{handler}")

    def _listen(self) -> None:
        """Keep every message to people in one queue."""
        sqs, sns = self.aws.client("sqs"), self.aws.client("sns")
        self._queue = sqs.create_queue(QueueName="people", Attributes={"Policy": json.dumps(TAKES_FROM_TOPICS)})[
            "QueueUrl"
        ]
        arn = sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        for topic in ("OperationsTopicArn", "EscalationTopicArn"):
            sns.subscribe(TopicArn=self.loop.outputs[topic], Protocol="sqs", Endpoint=arn)

    def new_name(self) -> str:
        """A name for a case, whose model's endpoint serves a first champion. Several are made at once: they take a moment."""
        if not self._champions:
            names = [f"c{uuid.uuid4().hex[:10]}" for _ in range(AT_ONCE)]
            # Else each of their events would start a process of its own.
            with self.deaf("WaitRule"):
                for name in names:
                    self.loop.champion(name, within=0)
                for name in names:
                    wait_until(lambda name=name: self.loop.endpoint_status(f"{name}-prod") == "InService")
            self._champions = names
        return self._champions.pop()

    @contextmanager
    def deaf(self, rule: str) -> Iterator[None]:
        """Have a rule of the stack deliver nothing meanwhile."""
        events, name = self.aws.client("events"), self.loop.rule(rule)
        events.disable_rule(Name=name)
        try:
            yield
        finally:
            events.enable_rule(Name=name)

    def tell(self, case: str, **rule: Any) -> None:
        """Say which case is played, and what is to go wrong in it: ``fault``, ``clock`` in seconds ahead, ``lifted``."""
        (self.folder / case).mkdir(exist_ok=True)
        written = self.folder / "rule.next"
        written.write_text(json.dumps({"case": case, **rule}))
        written.replace(self.folder / "rule.json")

    def seen(self, case: str) -> list[dict[str, Any]]:
        """The calls the functions made in a case, and the ends of their invocations, in order."""
        file = self.folder / case / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def fired(self, case: str) -> dict[str, Any] | None:
        """What the call that went wrong was asked in; None when it was never made."""
        file = self.folder / case / "fired"
        return json.loads(file.read_text()) if file.exists() else None

    def messages(self) -> list[dict[str, Any]]:
        """What people were told since this was asked last."""
        heard: list[dict[str, Any]] = []
        sqs = self.aws.client("sqs")
        while found := sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", []):
            entries = [{"Id": str(place), "ReceiptHandle": each["ReceiptHandle"]} for place, each in enumerate(found)]
            sqs.delete_message_batch(QueueUrl=self._queue, Entries=entries)
            heard += [json.loads(each["Body"]) for each in found]
        return heard

    def items(self) -> list[dict[str, Any]]:
        """Every item of the table, its attributes as plain values."""
        pages = self.aws.client("dynamodb").get_paginator("scan").paginate(TableName=self.loop.table)
        return [_plain(item) for page in pages for item in page["Items"]]

    def wipe(self) -> None:
        """Forget every fact, so that the next case begins in an empty table.

        What sweeps listed stays, of all cases together, but for the last anchor: each case's first sweep anchors.
        """
        table, client = self.loop.table, self.aws.client("dynamodb")
        key = {"pk": {"S": "LISTED"}, "sk": {"S": "SWEEP"}}
        client.update_item(TableName=table, Key=key, UpdateExpression="REMOVE anchor")
        for anchor in self.loop.keys("evidence/_anchors/"):
            self.loop.remove(anchor)
        keys = [{"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}} for item in self.items() if item["pk"] != "LISTED"]
        for start in range(0, len(keys), 25):
            requests = [{"DeleteRequest": {"Key": key}} for key in keys[start : start + 25]]
            client.batch_write_item(RequestItems={table: requests})


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """An item's attributes; texts marked ``json:`` are read, as docs/reliability.md's table of items says."""
    plain: dict[str, Any] = {}
    for name, attribute in item.items():
        ((kind, value),) = attribute.items()
        if kind == "N":
            plain[name] = float(value)
        elif kind == "S" and value.startswith("json:"):
            plain[name] = json.loads(value.removeprefix("json:"))
        else:
            plain[name] = value
    return plain
