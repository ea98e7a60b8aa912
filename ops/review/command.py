"""``retraining review``: a page on this machine, to look at everything and to decide."""

from __future__ import annotations

import getpass
import os
import socket
import time
from typing import TYPE_CHECKING, Any

import click

from ops.desktop import has_desktop, opened
from ops.history import run_of
from ops.identities import identity_in
from ops.invocation import legal_identity, stack_command
from ops.review.desk import Desk
from ops.review.pages import HOME, path_to
from ops.review.reading import Refused, SignedIn, seen
from ops.review.server import PageServer
from ops.stack import OperatorError, Stack
from ops.terminal import Styled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.review.desk import Cast
    from ops.terminal import Terminal

LOOK_SECONDS = 0.5
"""Between two looks at whether the page is used."""


@stack_command("review")
@click.argument("run", default="", envvar="RETRAINING_RUN", callback=legal_identity)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port of 127.0.0.1; else one that is free.")
@click.option("--minutes", type=click.IntRange(1, 24 * 60), default=30, show_default=True, help="Unused, it ends.")
@click.option("--no-open", is_flag=True, help="Print the address and open no browser.")
def review(stack: Stack, terminal: Terminal, *, run: str, port: int, minutes: int, no_open: bool) -> int:
    """Decide on a page of your own machine: what waits for you, every run, model, signal and switch.

    With RUN it opens on that run. It asks AWS with your own credentials, of which ReviewerPolicy is enough, and ends by
    itself, or with Ctrl-C. Exit status 1: there is no such run, or the port is taken.
    """
    named = stack.place
    first = [stack]

    def find() -> Stack:
        # The one that is there already; later ones are found with the credentials there are then.
        return first.pop() if first else Stack(named.stack, named.region, named.profile or None)

    desk = Desk(SignedIn(find), minutes=minutes)
    run_id = _run(stack, run) if run else None
    path = path_to("run", run_id) if run_id else HOME
    try:
        server = PageServer(port, desk)
    except OSError as error:
        raise OperatorError(
            f"Port {port} of 127.0.0.1 cannot be had ({error.strerror}). Without --port one is taken that is free."
        ) from None
    aside, ended = terminal.aside, "Ended with Ctrl-C."
    try:
        with server.serving() as door:
            address = door.address(path)
            terminal.answer({"address": address, "run_id": run_id, "port": server.server_port, "minutes": minutes})
            try:
                _say_where(terminal, address, server.server_port, opens=not no_open and has_desktop(os.environ))
                while door.idle_seconds < 60 * minutes:
                    time.sleep(LOOK_SECONDS)
                ended = f"Ended: not used for {minutes} minute{'s' if minutes > 1 else ''}."
            except KeyboardInterrupt:
                aside.say()
    finally:  # a second Ctrl-C, while it ends, hides nothing
        aside.say(ended)
        say_casts(aside, desk.casts)
    return 0


def _run(stack: Stack, given: str) -> str:
    """The run that is named by its id, or by a signal or an execution; whose rights reach none is taken at their word."""
    found = seen(lambda: run_of(stack, given), "This run")
    return identity_in(given) if isinstance(found, Refused) else found


def _say_where(terminal: Terminal, address: str, port: int, *, opens: bool) -> None:
    """Say where the page is, and open it where there is a desktop."""
    terminal.say("The page is open, to whoever opens this address first:")
    terminal.say(f"  {address}")
    if opens:
        opened(address)
    else:
        terminal.say("From another machine, have ssh bring it there first, then open it:")
        terminal.command(way_here(os.environ, port))
    terminal.say("Ctrl-C ends it.")


def way_here(environ: Mapping[str, str], port: int) -> str:
    """The command by which a browser elsewhere reaches this machine's own page.

    Args:
        environ: where sshd left the address it was reached at.
        port: of the page.
    """
    there = environ.get("SSH_CONNECTION", "").split()
    host = there[2] if len(there) == 4 else socket.gethostname()  # noqa: PLR2004 - client, its port, server, its port
    return f"ssh {getpass.getuser()}@{host} -N -L {port}:127.0.0.1:{port}"


def say_casts(terminal: Terminal, casts: list[Cast]) -> None:
    """Say what was decided on the page."""
    if not casts:
        terminal.say("Nothing was decided on it.")
    for cast in casts:
        colour: Any = {True: "green", False: "yellow", None: "red"}[cast.counted]
        said = Styled(colour, cast.decision)
        terminal.say(said, f"  {cast.subject} of run {cast.run_id}: {cast.sentence}", hang=2)
