"""What plays on an embedded AWS of its own, the demo and the example of a stream: under nobody's profile, and nothing is left."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from local.embedded_aws import EmbeddedAwsError
from ops import package_zip
from ops.creditcard_world import WorldError
from ops.stack import OperatorError
from ops.stack_deployment import DeploymentError
from ops.terminal import Styled

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.terminal import Terminal


def played(play: Callable[[], int], terminal: Terminal, what: str) -> int:
    """Play it, and give its exit status: 1 with a sentence where something failed, 130 where it was ended from outside.

    Args:
        play: it; what it started has ended when it returns or raises.
        terminal: where a failure is said.
        what: it, in words, as in "the demo".
    """
    # Nobody's profile, session or endpoint of one service decides where its calls go.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    # A kill and a terminal that is closed end it as Ctrl-C does: with nothing left. nohup has it outlive its terminal.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        return play()
    except (
        WorldError,
        DeploymentError,
        package_zip.PackageError,
        EmbeddedAwsError,
        OperatorError,
        BotoCoreError,
        ClientError,
    ) as error:
        terminal.say()
        terminal.say(Styled("red", f"{what[0].upper()}{what[1:]} stopped:"), f" {error}")
        return 1
    except KeyboardInterrupt:
        terminal.say()
        terminal.say(f"Stopped; everything {what} started has ended.")
        return 130
