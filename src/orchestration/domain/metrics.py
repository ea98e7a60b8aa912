"""What is known of a metric by its name: which way is better, which values there can be. Pure.

The catalogue is data, ``metric_catalogue.json``: metrics of models, and measures of drift, each with its names in the libraries that
it comes from. It is read when the first name is looked up, so a start does not pay. A name that is not in it says nothing:
whoever uses it has to say which way is better.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchestration.domain.json_values import ascii_lower

CATALOGUE: Final = Path(__file__).parent.parent / "metric_catalogue.json"

PREFIXES: Final = (
    *("validation", "valid", "val", "test", "training", "train", "eval", "holdout", "oob", "cv", "mean"),
    *("binary", "multiclass", "multilabel", "retrieval"),
)
"""What a name may begin with without being another metric: the data it was measured on, a mean, or the task."""

ENDINGS: Final = re.compile(r"(?:bestconstantclassifier|multiclass|mean|avg|average|(?:at)?(?:k|\d+))$")
"""What a name may end with: SageMaker's constant classifier, the task, the mean of folds, the place of a ranking."""

_P_VALUE: Final = re.compile(r"(?<![a-z0-9])p[\s_.-]?val(?:ue)?s?(?![a-z0-9])")
"""A p-value as a word of its own, in whichever test's or column's name; "shap_value" and "gap_value" are none."""

_TURNED: Final = re.compile(
    r"(?<![a-z0-9])(?:1|one)[\s_]*(?:-|minus)|(?:neg|negative|minus|-)[\s_]*log|(?<![a-z0-9])log(?:2|10)?[\s_(-]*$"
)
"""What stands before a p-value whose complement or logarithm is meant: then more is more drift."""

NEGATED: Final = "neg"
"""scikit-learn's scorers of errors, which it negates so that greater is better."""


@dataclass(frozen=True, slots=True)
class Metric:
    """``lower``: less is better; of a measure of drift, less is more drift. ``least`` and ``most`` are possible themselves; None is no bound."""

    name: str
    lower: bool
    least: float | None
    most: float | None

    def impossible(self, value: float) -> str | None:
        """Why there is no such value, or None."""
        if self.least is not None and value < self.least:
            return f"no {self.name} is below {self.least:g}"
        if self.most is not None and value > self.most:
            return f"no {self.name} is above {self.most:g}"
        return None

    def negated(self) -> Metric:
        """The same with its sign changed."""
        return Metric(
            f"negated {self.name}",
            lower=not self.lower,
            least=None if self.most is None else -self.most,
            most=None if self.least is None else -self.least,
        )


def metric(name: str) -> Metric | None:
    """A metric of models by its name in any of the libraries, with or without prefix, ending, case and hyphens."""
    return _looked_up(name, _known()["metrics"])


def judged_as(name: str, lower_is_better: bool | None) -> Metric | None:
    """What a metric is judged as: what the catalogue knows of it, or what the policy says; None when neither says anything.

    A policy that says otherwise than the catalogue means another metric, or one with its sign changed: then any value is possible.
    """
    known = metric(name)
    if lower_is_better is None or (known is not None and known.lower is lower_is_better):
        return known
    return Metric(name, lower_is_better, None, None)


def drift_measure(name: str) -> Metric | None:
    """A measure of drift by its name, read as a metric's is; a p-value is one of whatever test, of whatever column."""
    known = _known()["drift_measures"]
    found = _looked_up(name, known)
    said = _P_VALUE.search(ascii_lower(name)) if found is None else None
    if said is None:
        return found
    if _TURNED.search(ascii_lower(name)[: said.start()]) is None:
        return known["pvalue"]
    return Metric(f"turned {known['pvalue'].name}", lower=False, least=None, most=None)


def near(name: str) -> list[str]:
    """Names of metrics that somebody may have meant, the nearest first."""
    import difflib  # noqa: PLC0415 - a policy that is legal never needs it

    names = {_letters(each): each for each in _names("metrics")}
    return [names[each] for each in difflib.get_close_matches(_letters(name), names, cutoff=0.7)]


def _looked_up(name: str, known: dict[str, Metric]) -> Metric | None:
    # "validation:auc" of XGBoost has its set before the colon, "NDCG:top=10" of CatBoost its parameters after it.
    parts = (name, name.rpartition(":")[2], name.partition(":")[0])
    return next((found for part in parts if (found := _spelled(_letters(part), known)) is not None), None)


def _spelled(letters: str, known: dict[str, Metric]) -> Metric | None:
    if letters in known:
        return known[letters]
    for prefix in PREFIXES:
        if letters.startswith(prefix) and (found := _spelled(letters.removeprefix(prefix), known)) is not None:
            return found
    if letters.startswith(NEGATED) and (found := _spelled(letters.removeprefix(NEGATED), known)) is not None:
        return found.negated()
    shorter = ENDINGS.sub("", letters)
    # Of one letter and a number the number is the name: "p99" is no p-value.
    return _spelled(shorter, known) if shorter != letters and len(shorter) > 1 else None


def _letters(name: str) -> str:
    """Letters and digits of a name, without case: libraries differ in the rest."""
    return re.sub(r"[^a-z0-9]", "", ascii_lower(name))


@functools.cache
def _known() -> dict[str, dict[str, Metric]]:
    return {kind: _read(kind) for kind in ("metrics", "drift_measures")}


def _read(kind: str) -> dict[str, Metric]:
    found = dict[str, Metric]()
    for entry in _catalogue()[kind]:
        lower = "lower" in {entry.get("better"), entry.get("worse")}
        made = Metric(entry["name"], lower, *entry["range"])
        found |= {_letters(name): made for name in (entry["name"], *entry["aliases"])}
    return found


def _names(kind: str) -> list[str]:
    return [name for entry in _catalogue()[kind] for name in (entry["name"], *entry["aliases"])]


@functools.cache
def _catalogue() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    return found
