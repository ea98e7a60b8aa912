"""Feed every reader of foreign text what nobody planned for, for some seconds, and keep what breaks one.

    python -m tests.fuzz --seconds 60          a new seed, printed first
    python -m tests.fuzz --seconds 60 --seed 7 the same inputs again
    python -m tests.fuzz --readers policy page only these readers
    python -m tests.fuzz --case build/fuzz/policy.0123456789ab

Exit status 1: an input broke something. It lies below build/fuzz, and the last line said of it is the command that
repeats it.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import textwrap
import time
from pathlib import Path

from tests.fuzz.judging import judge
from tests.fuzz.readers import READERS
from tests.fuzz.rounds import byte_round, document_round

DOCUMENTS, BYTES = 40, 120
"""Inputs of a round."""


def main() -> int:
    """Run the command."""
    arguments = argparse.ArgumentParser(prog="make fuzz", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    arguments.add_argument("--seconds", type=float, default=os.environ.get("SECONDS") or 60, help="(SECONDS=)")
    arguments.add_argument(
        "--seed", type=int, default=os.environ.get("SEED") or secrets.randbelow(10**6), help="(SEED=)"
    )
    arguments.add_argument(
        "--readers",
        nargs="*",
        choices=list(READERS),
        default=list(READERS),
        metavar="READER",
        help=f"only these of {', '.join(READERS)}",
    )
    arguments.add_argument(
        "--case", type=_kept, default=os.environ.get("CASE") or None, help="an input that was kept (CASE=)"
    )
    options = arguments.parse_args()
    if options.case:
        return _repeat(options.case)
    return _run(options.seconds, options.seed, options.readers)


def _kept(given: str) -> Path:
    path = Path(given)
    if not path.is_file() or path.name.split(".")[0] not in READERS:
        raise argparse.ArgumentTypeError(f"{given} is no input that was kept: build/fuzz/<reader>.<digest>")
    return path


def _repeat(path: Path) -> int:
    fault = judge(path.name.split(".")[0], path.read_bytes(), memory=True)
    print("It holds." if fault is None else fault.keep())
    return int(fault is not None)


def _run(seconds: float, seed: int, names: list[str]) -> int:
    print(f"seed {seed}: make fuzz SECONDS={seconds:g} SEED={seed}", flush=True)
    tried = dict.fromkeys(names, 0)
    broken: dict[str, set[str]] = {name: set() for name in names}
    until, said, number = time.monotonic() + seconds, time.monotonic(), seed
    while time.monotonic() < until:
        for name in names:
            for fault in (*document_round(name, number, DOCUMENTS), *byte_round(name, number, BYTES, memory=True)):
                tried[name] += 1
                # One input for each kind of fault: the others say the same.
                kind = (
                    ""
                    if fault is None
                    else "".join(character for character in fault.what if not character.isdigit())[:60]
                )
                if fault is not None and kind not in broken[name]:
                    broken[name].add(kind)
                    print(fault.keep(), flush=True)
            if (time.monotonic() - said > 10 and sys.stdout.isatty()) or time.monotonic() - said > 30:
                said = time.monotonic()
                print(f"{sum(tried.values()):,} inputs, {max(0, round(until - said))} s left", flush=True)
            if time.monotonic() > until:
                break
        number += 1
    print(textwrap.fill(", ".join(f"{name} {count:,}" for name, count in tried.items()), 80))
    faults = sum(map(len, broken.values()))
    print(f"{sum(tried.values()):,} inputs, {faults} kind(s) of fault; seed {seed}")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
