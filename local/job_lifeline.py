"""Runs a command and kills its whole process group when the embedded AWS that started it is gone.

Run as ``python -I -S job_lifeline.py COMMAND...`` with standard input a pipe whose other end the embedded AWS holds:
the pipe closes however that process dies, SIGKILL included. Exits with the command's own exit code, 128 + N when
signal N ended it, 127 when it cannot be started.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading


def _die_with_the_parent() -> None:
    while os.read(0, 4096):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> int:
    """Run the command named by the arguments, under the lifeline."""
    # A stop is a SIGTERM to the group; the command decides what to do with it, this process only outlives it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        command = subprocess.Popen(
            sys.argv[1:],
            stdin=subprocess.DEVNULL,
            # The ignored SIGTERM would be inherited through exec, and then no job could be stopped gently.
            preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),  # noqa: PLW1509 - there is one thread so far
        )
    except OSError as error:
        sys.stderr.write(f"cannot start {sys.argv[1]}: {error}\n")
        return 127
    threading.Thread(target=_die_with_the_parent, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        code = command.wait()
        return code if code >= 0 else 128 - code
    return 130


if __name__ == "__main__":
    # Not sys.exit: the thread blocked on the pipe must not delay the exit.
    os._exit(main())
