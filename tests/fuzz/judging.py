"""One input against one reader: does it hold, in time and memory; and where is what did not."""

from __future__ import annotations

import hashlib
import logging
import time
import traceback
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.fuzz.readers import READERS, BrokenError

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).parents[2]
KEPT: Final = ROOT / "build" / "fuzz"

SECONDS: Final = 2.0
"""CPU of one input; the slowest reader plays a run of several steps in a tenth of it."""

BYTES: Final = 40_000_000
BYTES_EACH: Final = 200
"""Memory of one input: so much, and so much more for each of its bytes."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What an input broke."""

    reader: str
    given: bytes
    what: str

    @property
    def path(self) -> Path:
        """Where the input is kept."""
        return KEPT / f"{self.reader}.{hashlib.sha256(self.given).hexdigest()[:12]}"

    def keep(self) -> str:
        """Keep the input; gives what people are told, the command that repeats it last."""
        KEPT.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(self.given)
        shown = self.given[:300].decode(errors="backslashreplace")
        return f"{self.reader}: {self.what}\n  {len(self.given)} bytes: {shown!r}\n  make fuzz CASE={self.path.relative_to(ROOT)}"


def judge(reader: str, given: bytes, *, memory: bool = False) -> Fault | None:
    """Play an input. With ``memory`` what it takes is measured too, which takes five times as long."""
    # What is logged is another matter, and a thousand inputs log much.
    logging.disable(logging.CRITICAL)
    began = time.process_time()
    if memory:
        tracemalloc.start()
    try:
        what = _broken(READERS[reader].play, given)
        peak = tracemalloc.get_traced_memory()[1] if memory else 0
    finally:
        logging.disable(logging.NOTSET)
        tracemalloc.stop()
    took = time.process_time() - began
    if what is None and took > SECONDS * (10 if memory else 1):
        what = f"took {took:.1f} s"
    if what is None and peak > BYTES + BYTES_EACH * len(given):
        what = f"took {peak:,} bytes of memory"
    return None if what is None else Fault(reader, given, what)


def _broken(play: Callable[[bytes], None], given: bytes) -> str | None:
    try:
        play(given)
    except BrokenError as error:
        return str(error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a record that breaks its schema is no Exception in memory
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:200]} at {Path(place.filename).name}:{place.lineno}"
    return None
