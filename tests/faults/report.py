"""What was played: kept by the state of the product, and summed up in docs/reliability.md."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.faults.cases import BROKEN, HELD, UNREACHED, Came
from tests.faults.cells import Point

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "reliability.md"
IN_MEMORY: Final = ("interleavings", "safeguards")
PRODUCT: Final = ("src", "statemachine.asl.json", "automation-orchestration-pipeline.yaml")
CHANGED: Final = "-changed-"
BEGIN: Final = "<!-- begin: make faults -->"
END: Final = "<!-- end: make faults -->"


def _git(*arguments: str) -> str:
    git = shutil.which("git") or "git"
    found = subprocess.run([git, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - git itself
    return found.stdout.strip()


@dataclass(frozen=True)
class Kept:
    """What was played on one state of the product."""

    folder: Path

    @classmethod
    def of_this_product(cls) -> Kept:
        """Of the state that is committed; each state of changes that are not has a name, and so cases, of its own."""
        changed = f"{CHANGED}{_digest_of_product()}" if _git("status", "--porcelain", "--", *PRODUCT) else ""
        folder = ROOT / "build" / "faults" / f"{product_commit()}{changed}"
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder)

    def points(self) -> list[Point]:
        """The calls stories make, as they were found."""
        file = self.folder / "points.json"
        return [Point(**each) for each in json.loads(file.read_text())] if file.exists() else []

    def keep_points(self, points: Iterable[Point]) -> None:
        """Keep them."""
        (self.folder / "points.json").write_text(json.dumps([asdict(point) for point in points], indent=0))

    def results(self) -> dict[str, Came]:
        """What came of each case, the last time it was played."""
        file = self.folder / "played.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return {came.name: came for came in (Came(**json.loads(line)) for line in lines)}

    def in_memory(self, *, broken: bool = False) -> dict[str, str]:
        """What was played in memory and held, by its name, with what it said; with ``broken`` also what did not hold."""
        found: dict[str, str] = {}
        for name in IN_MEMORY:
            for file in (self.folder / f"{name}.txt", *([self.folder / f"{name}.broken"] if broken else [])):
                if file.exists():
                    found[name] = file.read_text()
        return found

    def keep_in_memory(self, name: str, said: str, *, well: bool) -> None:
        """Keep what came of it."""
        broken = self.folder / f"{name}.broken"
        broken.unlink(missing_ok=True)
        (self.folder / f"{name}.txt" if well else broken).write_text(said)

    def add(self, came: Came) -> None:
        """Keep what came of a case."""
        with (self.folder / "played.jsonl").open("a") as file:
            file.write(json.dumps(asdict(came)) + "\n")


def product_commit() -> str:
    """The last commit that changed the product."""
    return _git("log", "-1", "--format=%h", "--abbrev=8", "--", *PRODUCT)


def _digest_of_product() -> str:
    """A digest of the product's files as they lie there."""
    files = (ROOT / name for name in _git("ls-files", "-co", "--exclude-standard", "--", *PRODUCT).splitlines())
    found = [(str(file.relative_to(ROOT)), file.read_bytes()) for file in sorted(set(files)) if file.is_file()]
    return hashlib.sha256(repr(found).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Summary:
    """Counts by axis; what cannot be, by its reason; and what was said of what was played in memory, by its name."""

    axes: dict[str, Counter[str]]
    cannot: Counter[str]
    in_memory: dict[str, str]
    seconds: float
    commit: str

    @property
    def broken(self) -> int:
        """How many cases are broken."""
        return sum(count[BROKEN] for count in self.axes.values())


def axis_of(name: str) -> str:
    """The axis of a case: for faults their kind, else what is done."""
    parts = name.split("/")
    return parts[-2].replace("-", " ") if parts[0] == "fault" else parts[0].replace("-", " ")


def summed(names: Sequence[str], kept: Kept, cannot: Counter[str]) -> Summary:
    """Sum up what was played of these cases."""
    results = kept.results()
    axes: dict[str, Counter[str]] = {}
    for name in names:
        count = axes.setdefault(axis_of(name), Counter())
        count["cases"] += 1
        count[results[name].result if name in results else "left"] += 1
    seconds = sum(came.seconds for name, came in results.items() if name in set(names))
    return Summary(axes, cannot, kept.in_memory(broken=True), seconds, kept.folder.name)


def table(summary: Summary) -> str:
    """The table as Markdown."""
    total: Counter[str] = Counter()
    lines = [
        "| what goes wrong | cases | held | broken | not reached | not played |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for axis, count in summary.axes.items():
        total += count
        lines.append(_row(axis, count))
    lines.append(_row("**all**", total))
    lines += [
        "",
        f"Commit {summary.commit}, {summary.seconds:.0f} s of playing. A call that was *not reached* was not made when the",
        "case was played, since events overtook it. What changed in the product since then:",
        f"`git log --oneline {summary.commit.partition(CHANGED)[0]}.. -- {' '.join(PRODUCT)}`.",
        "",
        "Cells that cannot be, by their reason:",
        "",
    ]
    lines += [f"- {count}: {reason}." for reason, count in sorted(summary.cannot.items())]
    lines += ["", "In memory:", ""]
    lines += [f"- {name}: {summary.in_memory.get(name, 'not played')}." for name in IN_MEMORY]
    return "\n".join(lines)


def _row(axis: str, count: Counter[str]) -> str:
    cells = [axis, *(str(count[name]) for name in ("cases", HELD, BROKEN, UNREACHED, "left"))]
    return f"| {' | '.join(cells)} |"


def write(summary: Summary, page: Path = PAGE) -> None:
    """Put the table between its marks."""
    text = page.read_text()
    if BEGIN not in text:
        return
    page.write_text(re.sub(f"{BEGIN}.*{END}", f"{BEGIN}\n{table(summary)}\n{END}", text, flags=re.DOTALL))
