"""Processes that tests start."""

from __future__ import annotations

import signal


def hear_signals() -> None:
    """Take signals as a program at a terminal does.

    A shell has what it runs in the background ignore Ctrl-C, nohup the end of a terminal, and so what that starts.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
