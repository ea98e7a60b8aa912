"""The process of ``retraining``, which hears Ctrl-C from its first line on: most of its time until a command begins goes by importing."""

from __future__ import annotations

import sys


def program() -> int:
    """Run the command line of this process; gives the exit status."""
    try:
        import signal  # noqa: PLC0415 - see above

        from ops.cli import main  # noqa: PLC0415 - likewise

        status = main()
    except KeyboardInterrupt:
        return _interrupted(sys.argv[1:])
    from ops.call import INTERRUPTED  # noqa: PLC0415 - likewise

    if status == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


def _interrupted(given: list[str]) -> int:
    """Tell programs that no command came to hear of the call; gives the exit status."""
    import signal  # noqa: PLC0415 - likewise

    # Pressed again, it would show a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from ops.call import INTERRUPTED, INTERRUPTED_SAID, error_document, is_for_programs  # noqa: PLC0415 - likewise
    from ops.terminal import Terminal  # noqa: PLC0415 - likewise

    terminal = Terminal(json=is_for_programs(given), goes_on=True)
    terminal.answer(error_document(INTERRUPTED_SAID, INTERRUPTED))
    return INTERRUPTED


if __name__ == "__main__":
    sys.exit(program())
