"""Train, judge and serve the model of a stream: one script of SageMaker's script mode, for training jobs and for endpoints.

The learner is a logistic regression over the columns, their squares and their products, in numpy alone: small enough that a
year of trainings takes seconds, and its model is a file of numbers that runs no code when it is loaded. Of every chunk each
third row is kept from every training, so that candidate and champion are judged on rows that neither has seen.

In:  SM_CHANNEL_CHUNKS: a CSV file a chunk, in the order of their names; a row is the label, 0 or 1, and then the columns.
     Hyperparameters as options.
Out: SM_MODEL_DIR (``model.npz``), and ``evaluation.json`` in SageMaker's model-quality format at ``--evaluation-uri``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MODEL_FILE = "model.npz"

# Each third row of a chunk is for judging only.
JUDGED_ROW = 3

# Columns are clipped there, in standard deviations: a square of what was never seen would outweigh everything.
FARTHEST = 4.0

# Newton's method has come to rest by then; a ridge of 1 keeps it from running away where the classes can be told apart.
STEPS, RIDGE = 12, 1.0


class Chunk(NamedTuple):
    """Rows that came together: columns of shape ``(rows, columns)`` and labels 0/1 of shape ``(rows,)``."""

    columns: NDArray[np.float64]
    labels: NDArray[np.float64]

    def to_learn(self) -> Chunk:
        """The rows that may be trained on."""
        return self._rows(judged=False)

    def to_judge(self) -> Chunk:
        """The rows that nobody trains on."""
        return self._rows(judged=True)

    def _rows(self, *, judged: bool) -> Chunk:
        rows = (np.arange(len(self.labels)) % JUDGED_ROW == 0) == judged
        return Chunk(self.columns[rows], self.labels[rows])


@dataclass(frozen=True)
class Model:
    """Mean and scale of each column, and a weight for each feature."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]

    def answers(self, columns: NDArray[np.float64]) -> NDArray[np.int64]:
        """A label 0/1 for each row."""
        return (_features((columns - self.mean) / self.scale) @ self.weights > 0).astype(np.int64)


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """Chunks as one."""
    return Chunk(
        np.concatenate([chunk.columns for chunk in chunks]), np.concatenate([chunk.labels for chunk in chunks])
    )


def learned(chunks: Sequence[Chunk]) -> Model:
    """A model of the rows of chunks that may be trained on."""
    columns, labels = joined([chunk.to_learn() for chunk in chunks])
    mean, scale = np.nanmean(columns, axis=0), np.nanstd(columns, axis=0)
    # A column that does not vary says nothing; until it does it is not made a large number either.
    scale[scale < 1e-9] = 1.0  # noqa: PLR2004 - as good as no deviation
    features = _features((columns - mean) / scale)
    weights = np.zeros(features.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-features @ weights))
        slope = features.T @ (labels - chance) - RIDGE * weights
        bend = (features * (chance * (1 - chance))[:, None]).T @ features + RIDGE * np.eye(len(weights))
        weights += np.linalg.solve(bend, slope)
    return Model(mean, scale, weights)


def accuracy(model: Model, chunks: Sequence[Chunk]) -> float:
    """Share of right answers over the rows of chunks that nobody trains on."""
    columns, labels = joined([chunk.to_judge() for chunk in chunks])
    return float((model.answers(columns) == labels).mean())


def _features(standard: NDArray[np.float64]) -> NDArray[np.float64]:
    near = np.clip(np.nan_to_num(standard), -FARTHEST, FARTHEST)
    products = [near[:, one] * near[:, other] for one in range(near.shape[1]) for other in range(one, near.shape[1])]
    return np.column_stack([np.ones(len(near)), near, *products])


def read_chunks(folder: Path) -> list[Chunk]:
    """The chunks of a channel, in the order of their names."""
    tables = [np.loadtxt(path, delimiter=",", ndmin=2) for path in sorted(folder.rglob("*.csv"))]
    return [Chunk(table[:, 1:], table[:, 0]) for table in tables]


def evaluation(model: Model, champion: Model | None, chunks: Sequence[Chunk]) -> dict[str, Any]:
    """An evaluation report of a model, beside that of the champion on the same rows.

    Returns:
        The report in SageMaker's model-quality format; no ``champion`` in it where there is none.
    """

    def metrics(judged: Model) -> dict[str, Any]:
        value = {"value": accuracy(judged, chunks), "standard_deviation": "NaN"}
        return {"binary_classification_metrics": {"accuracy": value}}

    report = {"version": 0.0, "dataset": {"item_count": len(joined([chunk.to_judge() for chunk in chunks]).labels)}}
    return {**report, **metrics(model), **({"champion": metrics(champion)} if champion else {})}


def model_fn(model_dir: str) -> Model:
    """Load the model from an unpacked ``model.tar.gz``: what SageMaker's containers call first."""
    with np.load(Path(model_dir) / MODEL_FILE, allow_pickle=False) as kept:
        return Model(**kept)


def predict_fn(input_data: NDArray[np.float64], model: Model) -> NDArray[np.int64]:
    """A label 0/1 for each row; the containers read and write CSV themselves."""
    return model.answers(np.atleast_2d(input_data))


def champion_at(uri: str) -> Model:
    """The model that serves now, of ``s3://bucket/key`` of its ``model.tar.gz``."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "model.tar.gz")
        _bucket_client().download_file(*_place(uri), str(archive))
        with tarfile.open(archive) as packed:
            # Not as an argument, which Python before 3.11.4 does not take; it has no filters either.
            packed.extraction_filter = getattr(tarfile, "data_filter", None)
            packed.extractall(folder)  # noqa: S202 - filtered where Python can
        return model_fn(folder)


def _place(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")


def _bucket_client() -> Any:
    import boto3  # noqa: PLC0415 - an endpoint serves without it

    return boto3.client("s3")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on the last chunks of the channel, judge, and write model and evaluation."""
    parser = argparse.ArgumentParser(description="Train the model of a stream.")
    parser.add_argument("--window", type=int, required=True, help="chunks to train on, the last ones")
    parser.add_argument("--judged", type=int, required=True, help="chunks to judge on, the last ones")
    parser.add_argument("--champion", default="", help="s3://bucket/key of the model.tar.gz that serves now")
    parser.add_argument("--evaluation-uri", required=True, help="s3://bucket/key to write evaluation.json to")
    parser.add_argument("--chunks", type=Path, default=os.environ.get("SM_CHANNEL_CHUNKS"))
    parser.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR"))
    options = parser.parse_args(arguments)
    chunks = read_chunks(options.chunks)
    model = learned(chunks[-options.window :])
    report = evaluation(model, champion_at(options.champion) if options.champion else None, chunks[-options.judged :])
    np.savez(options.model_dir / MODEL_FILE, **asdict(model))
    bucket, key = _place(options.evaluation_uri)
    _bucket_client().put_object(
        Bucket=bucket, Key=key, Body=json.dumps(report).encode(), ContentType="application/json"
    )
    print(f"Trained on {min(options.window, len(chunks))} of {len(chunks)} chunks: {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
