"""Train the fraud model and judge it: a SageMaker script-mode training script.

It trains a candidate on part of the fresh data, then evaluates candidate and champion (when one is given) on
the same rows neither of them has seen, because only that makes their numbers comparable. It needs
``inference.py`` beside it and nothing else from this folder.

In:  SM_CHANNEL_TRAIN (``*.csv`` with a header row, label ``is_fraud``), optional SM_CHANNEL_CHAMPION
     (``model.tar.gz`` of the serving model), hyperparameters as options.
Out: SM_MODEL_DIR (``model.joblib``, ``code/inference.py``), SM_OUTPUT_DATA_DIR (``evaluation.json``, ``baseline.csv``), the
     same files at ``--evaluation-uri`` and ``--baseline-uri``, and on failure the reason in ``<OPT_ML>/output/failure``.

``evaluation.json`` is in SageMaker's model-quality format ("Model quality metrics" in the developer guide); its
``champion`` object holds the same metrics for the champion and is absent when none could be evaluated. ``difference``
says then how far the difference of the two areas under the curve may be off, which a policy with
``evaluation.confidence`` asks for. ``baseline.csv`` are the features it was trained on: what a monitor compares requests with once
this model serves.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import joblib
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    # The type checker sees the repository; SageMaker runs the files of this folder from one directory.
    from examples.creditcard import inference
else:
    import inference

LABEL = "is_fraud"
DECISION_THRESHOLD = 0.5
# SageMaker's rule for standard deviations: five samples of 80 %, and none below 200 rows.
RESAMPLES, RESAMPLE_SHARE, RESAMPLE_MINIMUM = 5, 0.8, 200
# The string SageMaker writes where a standard deviation was not computed.
NOT_COMPUTED = "NaN"
# Of each bound of the difference on its own; a policy's evaluation.confidence may be as much.
CONFIDENCE = 0.95


class TrainingError(Exception):
    """Training is not possible; the text is for the operator."""


def read_channel(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read every CSV file of a channel.

    Returns:
        Features of shape ``(rows, len(inference.FEATURES))`` and labels 0/1 of shape ``(rows,)``.
    """
    features, labels = [], []
    for path in sorted(folder.rglob("*.csv")):
        try:
            with path.open(encoding="utf-8", newline="") as file:
                header = [name.strip() for name in next(csv.reader(file), [])]
            if LABEL not in header:
                raise TrainingError(f"{path} has no column {LABEL} in its header row.")
            text = path.read_text(encoding="utf-8")
            features.append(inference.input_fn(text))
            position = header.index(LABEL)
            rows = [row for row in csv.reader(text.splitlines()) if row]
            labels.append(np.asarray([float(row[position]) for row in rows[1:]], dtype=np.float64))
        except (OSError, ValueError) as error:
            raise TrainingError(f"{path} cannot be used for training: {error}") from error
    if not features:
        raise TrainingError(f"There is no CSV file in {folder}.")
    x, y = np.concatenate(features), np.concatenate(labels)
    if not np.isin(y, (0.0, 1.0)).all():
        raise TrainingError(f"Column {LABEL} must hold 0 or 1 only.")
    return x, y


def split(labels: NDArray[np.float64], holdout_fraction: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw the rows for training and for the holdout, each class in the same proportion."""
    rng = np.random.default_rng(seed)
    training, holdout = [], []
    for value in (0.0, 1.0):
        rows = rng.permutation(np.flatnonzero(labels == value))
        count = round(len(rows) * holdout_fraction)
        if not 0 < count < len(rows):
            raise TrainingError(f"{len(rows)} rows with {LABEL}={value:.0f} are too few to train and to evaluate on.")
        holdout.append(rows[:count])
        training.append(rows[count:])
    return np.concatenate(training), np.concatenate(holdout)


def ratio(part: float, whole: float) -> float:
    """Divide; a ratio of nothing counts as 0, as scikit-learn has it."""
    return part / whole if whole else 0.0


def confusion(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """Count true negatives, false positives, false negatives and true positives."""
    fraud, flagged = labels == 1.0, scores >= DECISION_THRESHOLD
    return (
        int(np.count_nonzero(~fraud & ~flagged)),
        int(np.count_nonzero(~fraud & flagged)),
        int(np.count_nonzero(fraud & ~flagged)),
        int(np.count_nonzero(fraud & flagged)),
    )


def point_metrics(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> dict[str, float]:
    """Compute each metric once, from labels 0/1 and probabilities of one shape ``(rows,)``."""
    tn, fp, fn, tp = confusion(labels, scores)
    recall, precision = ratio(tp, tp + fn), ratio(tp, tp + fp)

    def f_score(beta: float) -> float:
        return ratio((1 + beta**2) * precision * recall, beta**2 * precision + recall)

    return {
        "auc": float(roc_auc_score(labels, scores)),
        "accuracy": ratio(tp + tn, len(labels)),
        "recall": recall,
        "precision": precision,
        "f0_5": f_score(0.5),
        "f1": f_score(1.0),
        "f2": f_score(2.0),
        "true_positive_rate": recall,
        "true_negative_rate": ratio(tn, tn + fp),
        "false_positive_rate": ratio(fp, tn + fp),
        "false_negative_rate": ratio(fn, tp + fn),
    }


def quality(labels: NDArray[np.float64], scores: NDArray[np.float64], seed: int) -> dict[str, Any]:
    """Build a ``binary_classification_metrics`` object from labels 0/1 and probabilities of shape ``(rows,)``."""
    samples: list[dict[str, float]] = []
    rng = np.random.default_rng(seed)
    if len(labels) >= RESAMPLE_MINIMUM:
        for _ in range(RESAMPLES):
            rows = rng.choice(len(labels), size=round(len(labels) * RESAMPLE_SHARE), replace=False)
            if len(np.unique(labels[rows])) > 1:  # the area under a curve needs both classes
                samples.append(point_metrics(labels[rows], scores[rows]))
    tn, fp, fn, tp = confusion(labels, scores)
    metrics: dict[str, Any] = {"confusion_matrix": {"0": {"0": tn, "1": fp}, "1": {"0": fn, "1": tp}}}
    for name, value in point_metrics(labels, scores).items():
        deviation = float(np.std([sample[name] for sample in samples])) if len(samples) > 1 else NOT_COMPUTED
        metrics[name] = {"value": value, "standard_deviation": deviation}
    # The constant that finds fraud at all says "fraud" each time. It has no scores to resample.
    share = float(labels.mean())
    for name, value in (("recall", 1.0), ("precision", share), ("accuracy", share)):
        metrics[f"{name}_best_constant_classifier"] = {"value": value, "standard_deviation": NOT_COMPUTED}
    return metrics


def placements(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Share of the other class that each fraud is ranked above, and each other row below; a tie counts as half."""
    fraud, other = np.sort(scores[labels == 1.0]), np.sort(scores[labels == 0.0])

    def below(values: NDArray[np.float64], those: NDArray[np.float64]) -> NDArray[np.float64]:
        return (np.searchsorted(those, values, "left") + np.searchsorted(those, values, "right")) / (2 * len(those))

    return below(scores[labels == 1.0], other), 1 - below(scores[labels == 0.0], fraud)


def difference(
    labels: NDArray[np.float64], candidate: NDArray[np.float64], champion: NDArray[np.float64]
) -> dict[str, Any]:
    """Candidate's metrics less the champion's on the same rows, with the bounds of what the true difference may be.

    Of the area under the curve only, by DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988), 837; a class with a
    single row has no variance. For a metric that has no formula draw rows with replacement, score both models on
    them, and take the quantiles 1 - CONFIDENCE and CONFIDENCE of the differences.
    """
    changes = [
        mine - theirs for mine, theirs in zip(placements(labels, candidate), placements(labels, champion), strict=True)
    ]
    if min(map(len, changes)) == 1:
        return {}
    value = float(changes[0].mean())
    width = NormalDist().inv_cdf(CONFIDENCE) * float(np.sqrt(sum(each.var(ddof=1) / len(each) for each in changes)))
    return {"auc": {"value": value, "lower": value - width, "upper": value + width, "confidence": CONFIDENCE}}


def champion_scores(folder: Path, features: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Score ``features`` with the champion in ``folder``; say why and return None when that is not possible."""
    try:
        with tempfile.TemporaryDirectory() as unpacked:
            with tarfile.open(folder / "model.tar.gz") as archive:
                # Not as an argument, which Python before 3.11.4 does not take; it has no filters either.
                archive.extraction_filter = getattr(tarfile, "data_filter", None)
                archive.extractall(unpacked)  # noqa: S202 - filtered where Python can
            return inference.predict_fn(features, inference.model_fn(unpacked))
    except Exception as error:  # noqa: BLE001  # whatever is wrong with the old model must not stop the new one
        print(f"The champion could not be evaluated and is left out: {error!r}", file=sys.stderr)
        return None


def upload(path: Path, what: str, uri: str) -> None:
    """Copy a file, the evaluation or the baseline, to ``s3://bucket/key``."""
    import boto3  # noqa: PLC0415  # half a second that a run without an upload need not pay
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # same

    target = urlsplit(uri)
    key = target.path.lstrip("/")
    if target.scheme != "s3" or not target.netloc or not key:
        raise TrainingError(f"--{what}-uri must look like s3://bucket/key, not {uri!r}.")
    kind = "text/csv" if path.suffix == ".csv" else "application/json"
    try:
        boto3.client("s3").put_object(Bucket=target.netloc, Key=key, Body=path.read_bytes(), ContentType=kind)
    except (BotoCoreError, ClientError) as error:
        raise TrainingError(f"The {what} could not be written to {uri}: {error}") from error


def run(options: argparse.Namespace) -> None:
    """Train, evaluate, and write model and evaluation."""
    model_dir, output_dir = Path(options.model_dir), Path(options.output_data_dir)
    x, y = read_channel(Path(options.train))
    training, holdout = split(y, options.holdout_fraction, options.seed)
    model = HistGradientBoostingClassifier(
        max_iter=options.max_iter,
        max_leaf_nodes=15,
        # Fraud is rare; without weights the model would rather never flag anything.
        class_weight="balanced",
        early_stopping=False,
        random_state=options.seed,
    )
    model.fit(x[training], y[training])

    scores = inference.predict_fn(x[holdout], model)
    evaluation: dict[str, Any] = {
        "version": 0.0,
        "dataset": {"item_count": len(holdout)},
        "binary_classification_metrics": quality(y[holdout], scores, options.seed),
    }
    if options.champion:
        scores_of_champion = champion_scores(Path(options.champion), x[holdout])
        if scores_of_champion is not None:
            metrics = quality(y[holdout], scores_of_champion, options.seed)
            evaluation["champion"] = {"binary_classification_metrics": metrics}
            paired = difference(y[holdout], scores, scores_of_champion)
            evaluation["difference"] = {"binary_classification_metrics": paired}

    (model_dir / "code").mkdir(parents=True, exist_ok=True)
    joblib.dump(model, model_dir / inference.MODEL_FILE)
    shutil.copyfile(Path(inference.__file__), model_dir / "code" / "inference.py")
    output_dir.mkdir(parents=True, exist_ok=True)
    report = output_dir / "evaluation.json"
    report.write_text(json.dumps(evaluation, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    trained_on = output_dir / "baseline.csv"
    header = ",".join(inference.FEATURES)
    np.savetxt(trained_on, x[training], fmt="%.10g", delimiter=",", header=header, comments="")
    for path, what, uri in (
        (report, "evaluation", options.evaluation_uri),
        (trained_on, "baseline", options.baseline_uri),
    ):
        if uri:
            upload(path, what, uri)
    print(f"Trained on {len(training)} transactions, evaluated on {len(holdout)}.")
    for who, part in (("candidate", evaluation), ("champion", evaluation.get("champion"))):
        if part:
            metrics = part["binary_classification_metrics"]
            print(f"{who}_auc={metrics['auc']['value']:.4f}; {who}_recall={metrics['recall']['value']:.4f};")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read hyperparameters from the command line and folders from SageMaker's variables."""
    parser = argparse.ArgumentParser(description="Train and evaluate the fraud model.")
    parser.add_argument("--max-iter", type=int, default=60, help="number of trees")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--holdout-fraction", type=float, default=0.3)
    parser.add_argument("--evaluation-uri", default="", help="s3://bucket/key to write evaluation.json to as well")
    parser.add_argument("--baseline-uri", default="", help="s3://bucket/key to write baseline.csv to as well")
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train"))
    parser.add_argument("--champion", default=os.environ.get("SM_CHANNEL_CHAMPION", ""))
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    parser.add_argument("--output-data-dir", default=os.environ.get("SM_OUTPUT_DATA_DIR", "/opt/ml/output/data"))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; on failure leave the reason where SageMaker reads it."""
    options = parse(arguments)
    try:
        run(options)
    except TrainingError as error:
        failure = Path(os.environ.get("OPT_ML", "/opt/ml")) / "output" / "failure"
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(str(error), encoding="utf-8")
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
