"""Start the loop again with an event that was kept before it was decided, a dead letter, or a rejected one whose cause was mended.

make replay EVENT=rejected/14f5d41096dc3ee07ad92b66de04cc50.json    a key of the AutomationBucket
make replay EVENT=event.json                                        a local file
make replay DEAD_LETTERS=1                                          everything in the dead-letter queue
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.stack import OperatorError, Stack, json_given, parser, required, run, variable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ops.terminal import Terminal


def replay(options: argparse.Namespace, stack: Stack, terminal: Terminal) -> int:
    """Start one execution for each event; a signal that was decided before stays decided."""
    if options.dead_letters in {"1", "true", "yes"}:
        return _dead_letters(stack, terminal)
    place = required(options.event, "EVENT", "make replay EVENT=rejected/<id>.json")
    terminal.say(f"started {_start(stack, _event(stack, place))}")
    return 0


def _event(stack: Stack, place: str) -> Any:
    path = Path(place)
    if path.is_file():
        return json_given(place, path.read_bytes())
    kept = stack.read_json(place.removeprefix(f"s3://{stack.outputs['AutomationBucketName']}/"))
    if kept is None:
        raise OperatorError(f"There is neither a file {place} nor such a key in the AutomationBucket.")
    # An event that was rejected, or of an execution that decided nothing: then with its name.
    return kept["event"] if set(kept) - {"run_id"} == {"event", "sentence"} else kept


def _dead_letters(stack: Stack, terminal: Terminal) -> int:
    queue, sqs, count = stack.outputs["DeadLetterQueueUrl"], stack.client("sqs"), 0
    while True:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        if not messages:
            terminal.say(f"{count} event(s) replayed; the dead-letter queue is empty.")
            return 0
        for message in messages:
            try:
                event = json_given(f"Dead letter {message['MessageId']}", message["Body"])
            except OperatorError as error:
                terminal.say(f"left in the queue: {error}")
                continue
            terminal.say(f"started {_start(stack, event)}")
            # Deleted only once it runs: an event is delivered twice rather than never.
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            count += 1


def _start(stack: Stack, event: Any) -> str:
    answer = stack.client("stepfunctions").start_execution(
        stateMachineArn=stack.outputs["StateMachineArn"], name=f"replay-{uuid.uuid4()}", input=json.dumps(event)
    )
    return str(answer["executionArn"]).rsplit(":", 1)[-1]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = parser("replay", __doc__)
    arguments.add_argument(
        "--event", default=variable("EVENT"), help="a key of the AutomationBucket or a file (EVENT=)"
    )
    arguments.add_argument(
        "--dead-letters", default=variable("DEAD_LETTERS"), help="1 replays the dead-letter queue (DEAD_LETTERS=1)"
    )
    return run(replay, arguments, argv)


if __name__ == "__main__":
    sys.exit(main())
