"""Cold starts of the real Lambda package, as a ratio to the smallest handler that has an S3 client.

Each start is a new process under AWS's runtime client with only Lambda's libraries beside the package. The two are
started in turn, so that whatever else the machine does falls on both alike; the ratio of the medians is what is
reported, since milliseconds say more about the machine than about the package.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ops import package_zip
from tests.contract.lambda_runtime import LambdaRuntime
from tests.contract.template import Template

if TYPE_CHECKING:
    from collections.abc import Callable

BARE_HANDLER: Final = """
import boto3
s3 = boto3.client("s3")
def handle(event, context):
    return "ready"
"""

UNKNOWN_ACTION: Final = {"action": "measure"}
"""Makes the function compose everything it has and then refuse, without a call to any service."""

WARM_CALLS: Final = 20


class StartError(Exception):
    """The package did not start; the text is what the runtime said."""


@dataclass(frozen=True, slots=True)
class Startup:
    """Medians in seconds."""

    runs: int
    bare_cold: float
    cold: float
    warm: float

    @property
    def ratio(self) -> float:
        """How many times as long as the bare handler the package takes to its first answer."""
        return self.cold / self.bare_cold


def measure_startup(runs: int, step: Callable[[str], None]) -> Startup:
    """Start both packages `runs` times in turn.

    Args:
        runs: how often.
        step: told after each start what was done.

    Raises:
        StartError: a package failed to start.
    """
    # What the template says of it with the parameters' defaults: handler and environment change together with it.
    function = Template.read().resolve().resources["OrchestrationFunction"]["Properties"]
    environment = {name: str(value) for name, value in function["Environment"]["Variables"].items()}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bare = Path(folder, "bare.zip")
        with zipfile.ZipFile(bare, "w") as archive:
            archive.writestr("bare.py", BARE_HANDLER)
        real = package_zip.build(Path(folder, "orchestration.zip"))
        bare_cold, cold, warm = [], [], []
        for run in range(1, runs + 1):
            bare_cold.append(_first_answer(bare, "bare.handle", {})[0])
            seconds, calls = _first_answer(real, function["Handler"], environment)
            cold.append(seconds)
            warm += calls
            step(f"cold start {run} of {runs}")
    return Startup(runs, *(statistics.median(values) for values in (bare_cold, cold, warm)))


def _first_answer(package: Path, handler: str, environment: dict[str, str]) -> tuple[float, list[float]]:
    """Seconds from the start of the process to its first answer, and those of some answers after it."""
    with LambdaRuntime(package, handler, environment) as function:
        began = time.perf_counter()  # the package is unpacked by now, as it is in Lambda when the process starts
        first = _checked(function.invoke(UNKNOWN_ACTION))
        cold = time.perf_counter() - began
        warm = []
        for _ in range(WARM_CALLS):
            began = time.perf_counter()
            _checked(function.invoke(UNKNOWN_ACTION))
            warm.append(time.perf_counter() - began)
    del first
    return cold, warm


def _checked(answer: Any) -> Any:
    if isinstance(answer, dict) and answer.get("errorType") != "InvalidRequestError":
        raise StartError(str(answer.get("errorMessage")))
    return answer


def startup_table(measured: Startup) -> str:
    """The cold starts as a table in Markdown."""
    return "\n".join(
        (
            f"Median of {measured.runs} starts.",
            "",
            "| Lambda package | time | ratio |",
            "| --- | ---: | ---: |",
            f'| bare handler with `boto3.client("s3")`, cold | {measured.bare_cold * 1000:.0f} ms | 1.00 |',
            f"| OrchestrationFunction, cold | {measured.cold * 1000:.0f} ms | {measured.ratio:.2f} |",
            f"| OrchestrationFunction, warm, nothing to do | {measured.warm * 1000:.1f} ms | |",
        )
    )
