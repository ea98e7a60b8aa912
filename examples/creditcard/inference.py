"""Serve the fraud model: the four functions SageMaker's framework containers call.

``train.py`` loads the champion with the same functions, so a model is evaluated the way it is served.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Order in which the model was trained and in which rows without a header are read.
FEATURES = (
    "amount",
    "hour",
    "distance_from_home_km",
    "merchant_risk",
    "transactions_last_hour",
    "card_present",
)
MODEL_FILE = "model.joblib"


def model_fn(model_dir: str) -> Any:
    """Load the model from an unpacked model.tar.gz.

    A joblib file runs code when it is loaded: load only what your own training jobs wrote.
    """
    return joblib.load(Path(model_dir) / MODEL_FILE)


def input_fn(request_body: str | bytes, content_type: str = "text/csv") -> NDArray[np.float64]:
    """Parse CSV, with or without a header row, into an array of shape ``(rows, len(FEATURES))``.

    With a header the columns may come in any order and others are ignored, the label included. An empty
    field is a missing value (NaN), which the model knows how to handle.
    """
    if content_type.split(";", maxsplit=1)[0].strip().lower() != "text/csv":
        raise ValueError(f"Content type {content_type} is not supported; send text/csv.")
    text = request_body.decode("utf-8") if isinstance(request_body, bytes) else request_body
    rows = [[field.strip() for field in row] for row in csv.reader(io.StringIO(text)) if row]
    positions = list(range(len(FEATURES)))
    width = len(FEATURES)
    if rows and any(name in rows[0] for name in FEATURES):
        header = rows.pop(0)
        missing = [name for name in FEATURES if name not in header]
        if missing:
            raise ValueError(f"The header lacks {', '.join(missing)}.")
        positions = [header.index(name) for name in FEATURES]
        width = len(header)
    if not rows:
        raise ValueError("There is no transaction in the request.")
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise ValueError(f"Transaction {number} has {len(row)} fields instead of {width}.")
    try:
        values = [[float(row[position]) if row[position] else np.nan for position in positions] for row in rows]
    except ValueError as error:
        raise ValueError(f"A field is not a number: {error}.") from error
    return np.asarray(values, dtype=np.float64)


def predict_fn(input_data: NDArray[np.float64], model: Any) -> NDArray[np.float64]:
    """Return the probability of fraud, 0-1, for each row: shape ``(rows,)``."""
    return np.asarray(model.predict_proba(input_data)[:, 1], dtype=np.float64)


def output_fn(prediction: NDArray[np.float64], accept: str = "text/csv") -> tuple[str, str]:
    """Return body and content type: one probability a line, or ``{"predictions": [{"score": p}]}``."""
    if accept.split(";", maxsplit=1)[0].strip().lower() == "application/json":
        return json.dumps({"predictions": [{"score": float(score)} for score in prediction]}), "application/json"
    # "*/*" included: the capture and the transform of SageMaker both read CSV.
    return "".join(f"{score:.6f}\n" for score in prediction), "text/csv"
