"""How good decisions are: metrics, slices and curves, for training, notebook and command line alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import confusion_matrix, f1_score, recall_score

from model.decision import Decision
from model.matrix import Matrix
from model.policy import UNSURE

LABELS = ("severity", "owner", "queue", "issue_type")
_BINS = 10
Floats = npt.NDArray[np.float64]


def decisions_frame(decisions: Sequence[Decision]) -> pd.DataFrame:
    """Return decisions as a table, one row each.

    Returns
    -------
    pandas.DataFrame
        `severity, owner, queue, issue_type, decided_by, needs_review, review_reasons` and a confidence for each of
        severity, owner and queue (NaN where nobody estimated one).
    """
    nan = float("nan")
    return pd.DataFrame(
        [
            {
                **{label: getattr(d.labels, label) for label in LABELS},
                "decided_by": d.decided_by,
                "needs_review": d.needs_review,
                "review_reasons": " ".join(d.review_reasons),
                **{f"{label}_confidence": getattr(d.confidence, label) if d.confidence else nan for label in UNSURE},
            }
            for d in decisions
        ]
    )


def evaluate(truth: pd.DataFrame, decided: pd.DataFrame, matrix: Matrix) -> dict[str, Any]:
    """Compare decisions with the truth.

    Parameters
    ----------
    truth : pandas.DataFrame
        `severity, owner, queue`, and `issue_type` where it is known (empty: left out of its figures).
    decided : pandas.DataFrame
        As `decisions_frame` returns it, row by row for the truth.
    matrix : Matrix

    Returns
    -------
    dict
        For each label accuracy, macro-F1 (mean over the labels that occur in truth or decisions), recall of each
        class and expected calibration error; recall of the most severe class; dangerous misses: the share of it
        that was called two or more steps too low; coverage, the share not sent to a person, and precision, the share
        of those whose severity is right.
    """
    truth, decided = truth.reset_index(drop=True), decided.reset_index(drop=True)
    report: dict[str, Any] = {"texts": len(truth)}
    report |= {label: r for label in LABELS if (r := _label_report(truth, decided, label))}
    report |= _severity_shares(truth, decided, matrix)
    kept = ~decided["needs_review"].astype(bool).to_numpy()
    report["all_labels_precision"] = _share(
        np.logical_and.reduce([(truth[k] == decided[k]).to_numpy() for k in UNSURE])[kept]
    )
    if "impact" in truth.columns and truth["impact"].astype(bool).any():
        no_issue = truth["impact"].map(lambda i: bool(i) and matrix.impact(i).needs_review).to_numpy()
        report["review_of_no_issue"] = _share(~kept[no_issue])
        report["review_of_issues"] = _share(~kept[~no_issue])
    return report


def _severity_shares(truth: pd.DataFrame, decided: pd.DataFrame, matrix: Matrix) -> dict[str, float | None]:
    kept = ~decided["needs_review"].astype(bool).to_numpy()
    worst, too_low = matrix.severity_ids[0], matrix.severity_ids[2:]
    of_worst = decided["severity"][truth["severity"] == worst]
    return {
        "p0_recall": _share(of_worst == worst),
        "dangerous_misses": _share(of_worst.isin(too_low)),
        "coverage": _share(kept),
        "precision": _share((truth["severity"] == decided["severity"])[kept]),
    }


def _label_report(truth: pd.DataFrame, decided: pd.DataFrame, label: str) -> dict[str, Any] | None:
    if label not in truth.columns or not (known := truth[label].astype(bool).to_numpy()).any():
        return None
    y, p = truth[label][known], decided[label][known]
    classes = sorted({*y, *p})
    recalls = recall_score(y, p, labels=classes, average=None, zero_division=0)
    report: dict[str, Any] = {
        "accuracy": _share(y == p),
        "macro_f1": round(float(f1_score(y, p, labels=classes, average="macro", zero_division=0)), 4),
        "recall": {name: round(float(r), 4) for name, r in zip(classes, recalls, strict=True) if (y == name).any()},
    }
    if f"{label}_confidence" in decided.columns:
        confidence = pd.to_numeric(decided[f"{label}_confidence"][known], errors="coerce").to_numpy()
        report["expected_calibration_error"] = calibration_error(confidence, (y == p).to_numpy())
    return report


def _share(values: Any) -> float | None:
    array = np.asarray(values, dtype=float)
    return round(float(array.mean()), 4) if array.size else None


def calibration_curve(confidence: Floats, right: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return mean confidence, accuracy and number of texts in ten equal bins of confidence; NaN is left out."""
    known = ~np.isnan(confidence)
    bins = np.minimum((confidence[known] * _BINS).astype(int), _BINS - 1)
    frame = pd.DataFrame({"bin": bins, "confidence": confidence[known], "accuracy": right[known].astype(float)})
    grouped = frame.groupby("bin").agg(
        confidence=("confidence", "mean"), accuracy=("accuracy", "mean"), texts=("accuracy", "size")
    )
    return grouped.reset_index()


def calibration_error(confidence: Floats, right: npt.NDArray[np.bool_]) -> float | None:
    """Return the expected calibration error: the mean gap of confidence and accuracy, weighted by texts.

    Ten equal bins (Naeini, Cooper and Hauskrecht, 2015).
    """
    curve = calibration_curve(confidence, right)
    if curve.empty:
        return None
    gaps = (curve["confidence"] - curve["accuracy"]).abs() * curve["texts"]
    return round(float(gaps.sum() / curve["texts"].sum()), 4)


def coverage_curve(confidence: Floats, right: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return coverage and precision as the confidence that is asked for falls; a NaN confidence comes last."""
    order = np.argsort(-np.nan_to_num(confidence, nan=-1.0), kind="stable")
    n = np.arange(1, len(order) + 1)
    return pd.DataFrame({"coverage": n / len(order), "precision": np.cumsum(right[order]) / n})


def confusion(truth: pd.Series[str], decided: pd.Series[str], classes: Sequence[str]) -> pd.DataFrame:
    """Return the confusion table: truth down, decision across."""
    table = confusion_matrix(truth, decided, labels=list(classes))
    return pd.DataFrame(table, index=pd.Index(classes, name="truth"), columns=pd.Index(classes, name="decided"))


def slices(truth: pd.DataFrame, decided: pd.DataFrame, by: str, matrix: Matrix) -> pd.DataFrame:
    """Return the main figures for every value of a column of the truth."""
    truth, decided = truth.reset_index(drop=True), decided.reset_index(drop=True)
    rows: list[Mapping[str, Any]] = []
    for value, part in truth.groupby(by):
        said = decided.loc[part.index]
        known = {label: part[label].astype(bool) for label in LABELS if label in part.columns}
        right = {label: _share((part[label] == said[label])[is_known]) for label, is_known in known.items()}
        shares = _severity_shares(part, said, matrix)
        del shares["dangerous_misses"]  # too few in a slice to mean anything
        rows.append({by: value, "texts": len(part), **{f"{label}_right": r for label, r in right.items()}, **shares})
    return pd.DataFrame(rows)
