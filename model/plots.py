"""Plots of how good decisions are, for the notebook and the report alike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from model.evaluation import calibration_curve, calibration_error, confusion, coverage_curve
from model.policy import UNSURE

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("model.plots needs matplotlib: pip install 'issue-router[notebook]'") from error

_HEIGHT = 4.2  # inches


def plot_counts(counts: pd.DataFrame) -> Figure:
    """Draw a table of counts as stacked bars, one bar a row."""
    figure = Figure(figsize=(9, 0.9 + 0.32 * len(counts)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(counts))
    for column in counts.columns:
        values = counts[column].to_numpy()
        axes.barh([str(name) or "unknown" for name in counts.index], values, left=left, label=str(column))
        left += values
    axes.invert_yaxis()
    axes.set_xlabel("texts")
    axes.legend(loc="lower right")
    return figure


def plot_confusion(truth: pd.DataFrame, decided: Mapping[str, pd.DataFrame], label: str) -> Figure:
    """Draw the confusion matrix of a label for each of several models, beside each other.

    Parameters
    ----------
    truth : pandas.DataFrame
        The right labels.
    decided : mapping of str to pandas.DataFrame
        By the name of who decided: decisions, row by row for the truth.
    label : str
    """
    known = (truth[label] != "").to_numpy()
    classes = sorted({*truth[label][known], *(name for d in decided.values() for name in d[label][known])})
    side = max(_HEIGHT, 0.45 * len(classes) + 2)
    figure = Figure(figsize=(side * len(decided), side), layout="constrained")
    for axes, (who, said) in zip(np.atleast_1d(figure.subplots(1, len(decided))), decided.items(), strict=True):
        _draw_confusion(axes, confusion(truth[label][known], said[label][known], classes))
        axes.set_title(f"{label}: {who}")
    return figure


def _draw_confusion(axes: Axes, table: pd.DataFrame) -> None:
    shares = table.div(table.sum(axis=1).clip(lower=1), axis=0).to_numpy()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(table)), table.columns, rotation=90 if len(table) > 4 else 0)
    axes.set_yticks(range(len(table)), table.index)
    axes.set_xlabel("decided")
    axes.set_ylabel("truth")
    for row, column in np.argwhere(table.to_numpy() > 0):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(table.iat[row, column]), ha="center", va="center", color=colour, fontsize=8)


def plot_calibration(truth: pd.DataFrame, decided: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw how often decisions of each confidence are right; the better calibrated, the nearer to the diagonal."""
    figure = Figure(figsize=(_HEIGHT * len(UNSURE), _HEIGHT), layout="constrained")
    for axes, label in zip(figure.subplots(1, len(UNSURE), sharey=True), UNSURE, strict=True):
        axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
        for who, said in decided.items():
            confidence, right = _sure_and_right(truth, said, label)
            curve = calibration_curve(confidence, right)
            gap = calibration_error(confidence, right)
            axes.plot(curve["confidence"], curve["accuracy"], marker="o", label=f"{who}, mean gap {gap}")
        axes.set(xlabel="confidence", title=label, xlim=(0, 1.02), ylim=(0, 1.02))
        axes.legend(loc="lower right", fontsize=8)
    figure.axes[0].set_ylabel("share that is right")
    return figure


def plot_coverage(truth: pd.DataFrame, decided: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw how precise the surest decisions are, against the share of texts that they cover."""
    figure = Figure(figsize=(_HEIGHT * len(UNSURE), _HEIGHT), layout="constrained")
    for axes, label in zip(figure.subplots(1, len(UNSURE), sharey=True), UNSURE, strict=True):
        for who, said in decided.items():
            curve = coverage_curve(*_sure_and_right(truth, said, label))
            axes.plot(curve["coverage"], curve["precision"], label=who)
        axes.set(xlabel="coverage: share decided without a person", title=label, xlim=(0, 1.02))
        axes.legend(loc="lower left", fontsize=8)
    figure.axes[0].set_ylabel("precision: share of those that is right")
    return figure


def _sure_and_right(truth: pd.DataFrame, said: pd.DataFrame, label: str) -> tuple[np.ndarray, np.ndarray]:
    return said[f"{label}_confidence"].to_numpy(dtype=float), (truth[label] == said[label]).to_numpy()
