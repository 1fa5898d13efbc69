"""Calibration, thresholds and honest decisions, from texts that the models behind them have not read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from model.composition import Composition, Floats
from model.decider import Decider, PartsReading, Reading
from model.decision import Decision
from model.matrix import Matrix
from model.policy import UNSURE, Calibrator, Policy
from model.rules import RuleHit
from model.text import CleanText
from model.verdicts import Verdicts, confidences

NO_ISSUE_RECALL = 0.92  # share of the texts without an issue that a person must see
# Share of the issues that a person may be asked to see. The examples are chosen to be hard to tell apart: what sends
# one in eight of them to a person sends about one in sixteen of a desk's usual mix.
MOST_REVIEWED = 0.13
MOST_REVIEWED_FOR = {"owner": 0.01, "queue": 0.01}  # of it, at most, for these labels


@dataclass(frozen=True)
class HeldOut:
    """The texts that one fold's model has not read, and what it makes of them.

    Attributes
    ----------
    rows : ndarray of int, shape (n_rows,)
        Which of the examples they are.
    reading : Reading
        Of these rows.
    verdicts : Verdicts
        What follows from it before anything is calibrated.
    composition : Composition
        Of the classes that the fold's model knows.
    parts : PartsReading or None
        What it makes of the parts of those that it calls too low, by their place among the rows.
    """

    rows: np.ndarray
    reading: Reading
    verdicts: Verdicts
    composition: Composition
    parts: PartsReading | None = None


def fit_policy(
    parts: Sequence[HeldOut], examples: pd.DataFrame, hits: Sequence[RuleHit | None], matrix: Matrix
) -> Policy:
    """Calibrate and choose thresholds.

    Parameters
    ----------
    parts : sequence of HeldOut
    examples : pandas.DataFrame, length n_examples
        With the true labels.
    hits : sequence, length n_examples
        What the rules say of each example.
    matrix : Matrix

    Returns
    -------
    Policy
    """
    policy = Policy()
    verdicts = [part.verdicts for part in parts]
    rows = np.concatenate([part.rows for part in parts])
    truth = examples.iloc[rows]
    calibrators, right = {}, {}
    for label in UNSURE:
        chosen = np.concatenate([_chosen(p.composition, v, label) for p, v in zip(parts, verdicts, strict=True)])
        right[label] = chosen == truth[label].to_numpy()
        calibrators[label] = _calibrate(np.concatenate([v.scores[label] for v in verdicts]), right[label])
    policy = replace(policy, calibrators=calibrators)
    sure = {label: np.concatenate([confidences(v, policy)[label] for v in verdicts]) for label in UNSURE}
    no_issue = np.concatenate([v.no_issue for v in verdicts])
    is_no_issue = np.array([bool(i) and matrix.impact(i).needs_review for i in truth["impact"]])
    no_issue_threshold = _no_issue_threshold(no_issue, is_no_issue)
    thresholds = _thresholds(
        {label: values[~is_no_issue] for label, values in sure.items()},
        no_issue[~is_no_issue] >= no_issue_threshold,
    )
    found, severities = [hits[n] for n in rows], truth["severity"].tolist()
    unsure = sure["severity"] < thresholds["severity"]
    return replace(
        policy,
        no_issue_threshold=no_issue_threshold,
        thresholds=thresholds,
        rule_precision=_rule_precision(found, severities),
        rule_precision_unsure=_rule_precision(compress(found, unsure), compress(severities, unsure)),
    )


def _chosen(composition: Composition, verdicts: Verdicts, label: str) -> np.ndarray:
    return np.array([getattr(o.labels, label) for o in composition.outcomes], dtype=object)[verdicts.outcome]


def _calibrate(scores: Floats, right: np.ndarray) -> Calibrator:
    if right.all() or not right.any():
        return Calibrator((0.0,) * scores.shape[1], 6.0 if right.all() else -6.0)
    fitted = LogisticRegression(C=10.0, max_iter=1000).fit(scores, right)
    return Calibrator(tuple(float(w) for w in fitted.coef_[0]), float(fitted.intercept_[0]))


def _thresholds(sure: dict[str, Floats], reviewed: np.ndarray) -> dict[str, float]:
    """Return the confidences below which a person must look.

    People have time for a share of the issues; it is spent where the labels are least sure: first on a suspected
    non-issue, then a little on owner and queue, the rest on the severity.

    Parameters
    ----------
    sure : dict of str to ndarray of shape (n_issues,)
    reviewed : ndarray of bool, shape (n_issues,)
        Whether an issue goes to a person anyway.
    """
    thresholds = {label: float(np.quantile(sure[label], share)) for label, share in MOST_REVIEWED_FOR.items()}
    for label, threshold in thresholds.items():
        reviewed = reviewed | (sure[label] < threshold)
    waiting = np.sort(sure["severity"][~reviewed])
    left = int(MOST_REVIEWED * len(reviewed)) - int(reviewed.sum())
    thresholds["severity"] = float(waiting[left]) if 0 < left < len(waiting) else 0.0
    return thresholds


def _no_issue_threshold(no_issue: Floats, is_no_issue: np.ndarray) -> float:
    """Return the probability from which the wanted share of texts without an issue goes to a person."""
    if not is_no_issue.any():
        return 0.5
    return float(np.clip(np.quantile(no_issue[is_no_issue], 1 - NO_ISSUE_RECALL), 0.03, 0.5))


def _rule_precision(hits: Iterable[RuleHit | None], severities: Iterable[str]) -> dict[str, float]:
    """Return how often the severity that a rule gives was right, pulled towards one half where it seldom fired."""
    fired: dict[str, list[bool]] = {}
    for hit, severity in zip(hits, severities, strict=True):
        if hit:
            fired.setdefault(hit.rule, []).append(hit.labels.severity == severity)
    return {rule: round((sum(right) + 5) / (len(right) + 10), 4) for rule, right in sorted(fired.items())}


def _parts_read(held_out: HeldOut, _: Sequence[int]) -> PartsReading | None:
    return held_out.parts


def cross_decide(
    parts: Sequence[HeldOut],
    examples: pd.DataFrame,
    texts: Sequence[CleanText],
    hits: Sequence[RuleHit | None],
    matrix: Matrix,
) -> list[Decision]:
    """Decide every text by its fold's model, under a policy that was fitted on the other folds.

    Returns
    -------
    list of Decision
        One for each example, in order.
    """
    found = dict(zip(texts, hits, strict=True))
    decisions: dict[int, Decision] = {}
    for k, part in enumerate(parts):
        policy = fit_policy([*parts[:k], *parts[k + 1 :]], examples, hits, matrix)
        decider = Decider(part.composition, policy, matrix)
        read_parts = partial(_parts_read, part)
        made = decider.decide([texts[n] for n in part.rows], part.reading, found.get, read_parts)
        decisions |= dict(zip(part.rows.tolist(), made, strict=True))
    return [decisions[n] for n in range(len(texts))]
