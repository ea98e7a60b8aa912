"""Put small faults into the rules and writes of the package, one at a time, and see that a test notices each.

    python -m tests.mutants                      every mutant that has no verdict yet, then the table of README.md
    python -m tests.mutants --files fence votes  only modules whose path has one of the words
    python -m tests.mutants --fresh              forget earlier verdicts
    python -m tests.mutants --known              only those of known.toml, each with the test that has to kill it

Verdicts are kept in build/mutants: a kill as long as its function is the same and its test is there, a survival as long
as package and tests are the same, and not for more seconds of tests.
Survivors that are right have their reason in accepted.toml. Exit status 1: one has none, or a reason has no survivor.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import tomllib
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.mutants.mutations import ROOT, Key, Module, Mutant, modules
from tests.mutants.trials import CACHE, ELSEWHERE, WITHOUT_TEST, Verdict, digest_of_tests, test_files, try_all

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE: Final = Path(__file__).parent
README: Final = HERE / "README.md"
ACCEPTED: Final = HERE / "accepted.toml"
KNOWN: Final = HERE / "known.toml"
BEGIN: Final = "<!-- mutants: begin, written by `make mutants` -->"
END: Final = "<!-- mutants: end -->"
KEPT: Final = CACHE / "verdicts.jsonl"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a change of a function need not be noticed."""

    module: str
    function: str
    was: str
    becomes: str
    reason: str

    def covers(self, mutant: Mutant) -> bool:
        """Whether it is this mutant's."""
        return (self.module, self.function, self.was, self.becomes) == mutant.key[:4]

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.module} {self.function}: {self.was}  ->  {self.becomes or 'nothing'}"


def main(argv: Sequence[str] | None = None) -> int:
    """Try what is to be tried and say what survived."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--files", nargs="*", default=[], metavar="WORD", help="only modules whose path has a word")
    parser.add_argument("--match", default="", metavar="REGEX", help="only changes whose line of the report matches")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="mutants at once")
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="of tests for each mutant, the nearest and the quickest in turns (5)"
    )
    parser.add_argument("--fresh", action="store_true", help="forget the verdicts of earlier runs")
    parser.add_argument("--table", action="store_true", help="try nothing, write the table of what was tried so far")
    parser.add_argument("--known", action="store_true", help="only those of known.toml")
    arguments = parser.parse_args(argv)

    if arguments.known:
        return _try_known(arguments.jobs)
    found = modules(arguments.files)
    if not found:
        print(f"No module that is changed has {' or '.join(arguments.files)} in its path.", file=sys.stderr)
        return 2
    for module in found:
        module.mutants = [mutant for mutant in module.mutants if re.search(arguments.match, mutant.name)]
    if arguments.table:
        _write_table(found, _kept(found, 0, any_tests=True), accepted())
        return 0
    verdicts = {} if arguments.fresh else _kept(found, arguments.seconds)
    tried = [(module, mutant) for module in found for mutant in module.mutants if mutant.key not in verdicts]
    total = sum(len(module.mutants) for module in found)
    print(f"{total} mutants in {len(found)} modules, {len(tried)} of them without a verdict.", flush=True)
    began = time.monotonic()
    if tried:
        _try(tried, verdicts, arguments.jobs, arguments.seconds)
    reasons = accepted()
    left = _report(found, verdicts, reasons, stale=not arguments.match)
    if not arguments.files and not arguments.match:
        _write_table(found, verdicts, reasons)
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if left else 0


def accepted() -> list[Reason]:
    """Survivors that are right, each with its reason. An entry of the file holds several that have the same one."""
    entries = tomllib.loads(ACCEPTED.read_text(encoding="utf-8")).get("accepted", [])
    return [
        Reason(entry["module"], entry["function"], was, becomes, entry["reason"])
        for entry in entries
        for was, becomes in entry["changes"]
    ]


def known() -> dict[Key, str]:
    """Mutants with the test that has to kill each."""
    entries = tomllib.loads(KNOWN.read_text(encoding="utf-8"))["known"]
    return {
        (entry["module"], entry["function"], entry["was"], entry["becomes"], entry.get("nth", 1)): entry["test"]
        for entry in entries
    }


def _try_known(jobs: int) -> int:
    killers = known()
    found = modules([path for path, *_ in killers])
    tried = [(module, mutant) for module in found for mutant in module.mutants if mutant.key in killers]
    survived: list[Mutant] = []

    def told(mutant: Mutant, verdict: Verdict) -> None:
        if verdict.killed_by is None:
            survived.append(mutant)

    try_all(tried, workers=jobs, limit=0, told=told, killers=killers)
    for mutant in survived:
        print(f"survived {killers[mutant.key]}: {mutant.name}")
    for key in sorted(killers.keys() - {mutant.key for _, mutant in tried}):
        print(f"no such mutant any more: {key}")
    print(f"{len(killers)} known mutants, {len(tried) - len(survived)} killed.")
    return 0 if len(tried) - len(survived) == len(killers) else 1


def _try(tried: list[tuple[Module, Mutant]], verdicts: dict[Key, Verdict], jobs: int, limit: float) -> None:
    tests, digests = digest_of_tests(), {mutant.key: module.digest(mutant) for module, mutant in tried}
    count, survived, shown = 0, 0, 0.0
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with KEPT.open("a", encoding="utf-8") as file:

        def told(mutant: Mutant, verdict: Verdict) -> None:
            nonlocal count, survived, shown
            verdicts[mutant.key] = verdict
            line = {
                "key": mutant.key,
                "around": digests[mutant.key],
                "tests": tests,
                "limit": limit,
                "verdict": asdict(verdict),
            }
            file.write(json.dumps(line) + "\n")
            file.flush()
            count += 1
            survived += verdict.killed_by is None
            if time.monotonic() - shown > 10 or count == len(tried):
                shown = time.monotonic()
                print(f"{count}/{len(tried)} tried, {survived} survived, at {mutant.module}", flush=True)

        try_all(tried, workers=jobs, limit=limit, told=told)


def _kept(found: list[Module], limit: float, *, any_tests: bool = False) -> dict[Key, Verdict]:
    """Verdicts of earlier runs that still hold; with ``any_tests`` also survivals from before the tests were changed."""
    if not KEPT.exists():
        return {}
    tests = digest_of_tests()
    digests = {mutant.key: module.digest(mutant) for module in found for mutant in module.mutants}
    there = {
        f"{file.relative_to(ROOT)}::{name}"
        for file in test_files()
        for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))
    } - ELSEWHERE
    verdicts: dict[Key, Verdict] = {}
    for text in KEPT.read_text(encoding="utf-8").splitlines():
        line: dict[str, Any] = json.loads(text)
        key, verdict = tuple(line["key"]), Verdict(**line["verdict"])
        if digests.get(key) != line["around"]:
            continue
        if verdict.killed_by is None:
            holds = any_tests or (line["limit"] >= limit and line["tests"] == tests)
        else:
            holds = verdict.killed_by in WITHOUT_TEST or _base(verdict.killed_by) in there
        if holds:
            verdicts[key] = verdict
    return verdicts


def _base(test: str) -> str:
    """A test's file and function, without class and parameters."""
    file, *_, name = test.split("[", maxsplit=1)[0].split("::")
    return f"{file}::{name}"


def _report(found: list[Module], verdicts: dict[Key, Verdict], reasons: list[Reason], *, stale: bool) -> bool:
    """Print counts and what is left, with ``stale`` also reasons without a survivor. True when something is."""
    survivors = [mutant for module in found for mutant in module.mutants if verdicts[mutant.key].killed_by is None]
    bare = [mutant for mutant in survivors if not any(reason.covers(mutant) for reason in reasons)]
    for mutant in bare:
        print(f"survived ({verdicts[mutant.key].tests} tests): {mutant.name}")
    paths = {module.path for module in found}
    unused = [
        reason
        for reason in reasons
        if stale and reason.module in paths and not any(reason.covers(mutant) for mutant in survivors)
    ]
    for reason in unused:
        print(f"no such survivor: {reason}")
    total = sum(len(module.mutants) for module in found)
    print(
        f"{total} mutants, {total - len(survivors)} killed, {len(survivors) - len(bare)} survivors with a reason, "
        f"{len(bare)} without, {len(unused)} reasons without a survivor."
    )
    return bool(bare or unused)


def _write_table(found: list[Module], verdicts: dict[Key, Verdict], reasons: list[Reason]) -> None:
    rows = [
        "| module | mutants | tried | killed | with a reason | without |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    sums: Counter[str] = Counter()
    for module in found:
        if not module.mutants:
            continue
        tried = [mutant for mutant in module.mutants if mutant.key in verdicts]
        survivors = [mutant for mutant in tried if verdicts[mutant.key].killed_by is None]
        right = sum(any(reason.covers(mutant) for reason in reasons) for mutant in survivors)
        counts = {
            "all": len(module.mutants),
            "tried": len(tried),
            "killed": len(tried) - len(survivors),
            "right": right,
            "left": len(survivors) - right,
        }
        sums.update(counts)
        rows.append(_row(f"`{module.path}`", counts))
    rows.append(_row("all", sums))
    text = README.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN, 1)
    README.write_text(f"{head}{BEGIN}\n\n" + "\n".join(rows) + f"\n\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def _row(name: str, counts: dict[str, int]) -> str:
    return f"| {name} | {' | '.join(str(counts[key]) for key in ('all', 'tried', 'killed', 'right', 'left'))} |"


if __name__ == "__main__":
    sys.exit(main())
