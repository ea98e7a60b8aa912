"""What every model that could have been trained does on every later chunk, computed once and kept in build/.

A model is named by the last chunk of the window it was trained on. With its matrix at hand a policy of retraining is a lookup.

    python -m bench.policies.matrix    compute what is missing
"""

from __future__ import annotations

import hashlib
import itertools
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression

from bench.policies.streams import SEEDS, SOURCES, Stream, file_of, kept_in, prepare, read
from ops.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KEPT: Final = ROOT / "build" / "policy-bench" / "matrices"

WINDOW: Final = 8
"""Chunks a model is trained on: its own and those before it."""

CHECKED: Final = 2
"""Last chunks of the window on which a model trained on the others is checked, as teams do before they train on all."""

BINS: Final = 10
"""Of a column, with the same number of the window's rows in each. Source: the population stability index as commonly used."""

SMALLEST_SHARE: Final = 1e-4
"""Of a bin without a row, so that the index stays finite. Source: as Evidently does."""

Matrix = NDArray[np.float32]
"""Model x chunk; NaN where the model knew the chunk or there is no such model."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """All that can be known of a stream.

    Attributes:
        errors: share of wrong answers of a model on a chunk.
        estimates: what a monitor without labels takes for that share: one minus the mean of the calibrated confidence in the
            answers (confidence-based performance estimation).
        drifts: the largest population stability index of a column of the chunk against the model's window.
        promised: share of wrong answers of a model where it was checked before it began to serve.
        rows: of a chunk.
        seconds: it took to find out.
    """

    errors: Matrix
    estimates: Matrix
    drifts: Matrix
    promised: NDArray[np.float32]
    rows: int
    seconds: float = 0.0

    @property
    def chunks(self) -> int:
        """Of the stream."""
        return len(self.errors)


def learner(seed: int) -> HistGradientBoostingClassifier:
    """A gradient boosting of 30 small trees.

    It learns a window and answers all later chunks in 0.03 to 0.4 s, errs less than a single tree on these streams and about as
    little as a forest of 20 trees.
    """
    return HistGradientBoostingClassifier(
        max_iter=30, max_leaf_nodes=15, learning_rate=0.15, early_stopping=False, random_state=seed
    )


def compute(stream: Stream, window: int = WINDOW) -> Outcomes:
    """Train a model at the end of every chunk that ends a window, and try it on every later chunk."""
    begun = time.monotonic()
    chunks, rows, columns = stream.features.shape
    flat = stream.features.reshape(chunks * rows, columns)
    errors, estimates, drifts = (np.full((chunks, chunks), np.nan, dtype=np.float32) for _ in range(3))
    promised = np.full(chunks, np.nan, dtype=np.float32)
    for last in range(window - 1, chunks):
        first, checked, after = ((last + part) * rows for part in (1 - window, 1 - CHECKED, 1))
        trial = learner(stream.seed).fit(flat[first:checked], stream.labels.reshape(-1)[first:checked])
        sure, right = _answers(trial, flat[checked:after], stream.labels.reshape(-1)[checked:after])
        promised[last] = 1 - right.mean()
        if last + 1 == chunks:
            break
        calibrated = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(sure, right)
        model = learner(stream.seed).fit(flat[first:after], stream.labels.reshape(-1)[first:after])
        sure, right = _answers(model, flat[after:], stream.labels.reshape(-1)[after:])
        errors[last, last + 1 :] = 1 - right.reshape(-1, rows).mean(axis=1)
        estimates[last, last + 1 :] = 1 - calibrated.predict(sure).reshape(-1, rows).mean(axis=1)
        drifts[last, last + 1 :] = stability_index(flat[first:after], flat[after:].reshape(-1, rows, columns))
    return Outcomes(errors, estimates, drifts, promised, rows, time.monotonic() - begun)


def _answers(
    model: HistGradientBoostingClassifier, features: NDArray[np.float32], labels: NDArray[np.int8]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How sure the model is of each answer, and which are right."""
    shares = model.predict_proba(features)
    return shares.max(axis=1), model.classes_[shares.argmax(axis=1)] == labels


def stability_index(before: NDArray[np.float32], chunks: NDArray[np.float32]) -> NDArray[np.float64]:
    """The largest population stability index of a column, for each chunk.

    Args:
        before: rows x columns to compare with. A missing number counts as the smallest.
        chunks: chunks x rows x columns.
    """
    largest = np.zeros(len(chunks))
    for column in range(before.shape[1]):
        old, new = (np.nan_to_num(part[..., column], nan=-np.inf, neginf=-np.inf) for part in (before, chunks))
        finite = old[np.isfinite(old)]
        edges = np.unique(np.quantile(finite, np.arange(1, BINS) / BINS)) if len(finite) else np.zeros(1)
        edges = np.concatenate([[-np.finfo(np.float32).max], edges])
        old_share = np.bincount(np.searchsorted(edges, old, side="left"), minlength=len(edges) + 1) / len(old)
        places = np.searchsorted(edges, new, side="left") + (len(edges) + 1) * np.arange(len(new))[:, None]
        counts = np.bincount(places.reshape(-1), minlength=len(new) * (len(edges) + 1)).reshape(len(new), -1)
        old_share, new_share = (np.maximum(share, SMALLEST_SHARE) for share in (old_share, counts / new.shape[1]))
        largest = np.maximum(largest, ((new_share - old_share) * np.log(new_share / old_share)).sum(axis=1))
    return largest


def outcomes(name: str, seed: int) -> Outcomes:
    """What is kept of a stream; computed and kept if it is not there.

    Raises:
        OSError: the stream was not read yet.
    """
    file = _kept(name, seed)
    if not file.is_file():
        found = compute(read(name, seed))
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.npz")
        np.savez_compressed(part, **{each.name: getattr(found, each.name) for each in fields(found)})
        part.rename(file)
    with np.load(file) as kept:
        return Outcomes(**{each: kept[each] if kept[each].ndim else kept[each].item() for each in kept.files})


def _kept(name: str, seed: int) -> Path:
    """Another file once the data, this code or a library it uses changes."""
    made_by = hashlib.sha256(f"{sklearn.__version__} {np.__version__}".encode() + Path(__file__).read_bytes())
    made_by.update(file_of(name, seed, kept_in()).read_bytes())
    return KEPT / f"{name}-{seed}-{made_by.hexdigest()[:12]}.npz"


def prepare_outcomes(names: Sequence[str], seeds: Sequence[int], step: Callable[[int, int, str], None]) -> None:
    """Read and compute what is missing of these streams.

    Args:
        names: of streams.
        seeds: of each stream.
        step: told how many are done, of how many, and which one was last.

    Raises:
        FetchError: a file could not be had.
        ReadError: a stream could not be read.
    """
    total = len(names) * len(seeds)
    prepare(names, seeds, lambda text: step(0, total, text))
    for done, (name, seed) in enumerate(itertools.product(names, seeds), start=1):
        if not _kept(name, seed).is_file():
            step(done, total, f"{name}, seed {seed}: learned in {outcomes(name, seed).seconds:.0f} s")


if __name__ == "__main__":
    prepare_outcomes(
        [each.name for each in SOURCES], SEEDS, lambda done, total, text: print(f"{done}/{total} {text}", flush=True)
    )
    sys.exit(0)
