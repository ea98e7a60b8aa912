"""Runs the embedded AWS in the foreground: ``python -m local [--port N]``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from local.server import REGION, PortTakenError, Server, listen, prepare, ready_line
from local.server_lifeline import Lifeline

_PORT_TAKEN = 2
AWS_STAYS_INSIDE = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }'
"""Version 1 of the AWS CLI takes addresses of its own for SQS, EMR and others, whatever AWS_ENDPOINT_URL says."""


def path_of_commands() -> str:
    """What has a shell find `aws` and `retraining` of this checkout."""
    return f'export PATH="{Path(sys.executable).parent}:$PATH"'


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description="An AWS on this machine: ministack, and a SageMaker that really trains, processes and serves. "
        "Stop it with Ctrl-C; it forgets everything and leaves nothing behind.",
        epilog="Environment: PORT (default of --port), SFN_WAIT_SCALE (0 skips waits and retry pauses of state "
        "machines and functions), LOCAL_ENDPOINT_SECONDS (how long an endpoint is Creating or Updating, default 0.5).",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=os.environ.get("PORT") or "4566",
        help="port to listen on, 0 for any free one (default %(default)s)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--verbose", action="store_true", help="log every call, not only what went wrong")
    parser.add_argument("--log-file", type=Path, help="write the log there instead of to standard error")
    parser.add_argument("--ready-fd", type=int, help="write one JSON line to this file descriptor when ready")
    parser.add_argument(
        "--parent-pipe", action="store_true", help="stop when standard input closes, with the process that holds it"
    )
    given = parser.parse_args()
    if given.log_file is not None and not given.log_file.parent.is_dir():
        parser.error(f"--log-file: there is no folder {given.log_file.parent}; make it first")
    return given


def _log_to(path: Path | None, *, verbose: bool) -> None:
    level = logging.INFO if verbose else logging.WARNING
    # Before ministack is imported: it configures the root logger unless somebody has.
    os.environ["LOG_LEVEL"] = logging.getLevelName(level)
    layout = "%(asctime)s %(levelname)s [%(name)s] %(message)s"
    handler = logging.FileHandler(path) if path else logging.StreamHandler()
    logging.basicConfig(level=level, format=layout, handlers=[handler])


def main() -> int:
    """Parse the command line and serve until stopped; give the exit code of a start that failed."""
    arguments = _arguments()
    try:
        listener = listen(arguments.host, arguments.port)
    except PortTakenError as error:
        sys.stderr.write(
            f"Port {arguments.port} on {arguments.host} cannot be used ({error}): stop the program that has it, or "
            f"choose another with PORT=4567 or --port 4567.\n"
        )
        return _PORT_TAKEN
    port = listener.getsockname()[1]
    _log_to(arguments.log_file, verbose=arguments.verbose)
    home = prepare(arguments.host, port)
    lifeline = Lifeline(
        home,
        arguments.log_file if arguments.parent_pipe else None,
        parent_pipe=arguments.parent_pipe,
        not_kept=[listener.fileno(), *([] if arguments.ready_fd is None else [arguments.ready_fd])],
    )
    server = Server(listener, home, lifeline)

    def announce() -> None:
        if arguments.ready_fd is not None:
            with os.fdopen(arguments.ready_fd, "w") as ready:
                ready.write(ready_line(port, arguments.host))
            return
        sys.stdout.write(
            f"The embedded AWS is ready. In another terminal:\n\n"
            f"  export AWS_ENDPOINT_URL=http://{arguments.host}:{port} AWS_DEFAULT_REGION={REGION}\n"
            f"  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test\n"
            f"  {path_of_commands()}\n"
            f"  {AWS_STAYS_INSIDE}\n\n"
            f"Ctrl-C stops it; everything in it is forgotten.\n"
        )
        sys.stdout.flush()

    server.run(announce)
    return 0


if __name__ == "__main__":
    sys.exit(main())
