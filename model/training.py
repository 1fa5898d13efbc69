"""Labelled examples to a fitted, calibrated, thresholded model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from model.classifier import Classifier, Floats
from model.composition import destinations_of
from model.decision import Decision
from model.errors import ExamplesError
from model.matrix import Matrix
from model.policy import Calibrator, Policy, Verdicts, confidences, weigh
from model.rules import Rules
from model.text import CleanText, clean
from model.trained import TrainedModel

FOLDS = 5
TARGET_PRECISION = {"severity": 0.95, "owner": 0.99, "queue": 0.98}  # of what is not sent to a person
TARGET_NO_ISSUE_RECALL = 0.95
MOST_REVIEWED = 0.10  # share of real issues that a person may be asked to look at because the severity is unsure


@dataclass(frozen=True)
class Trained:
    """A trained model and how it does on authors whom it has not read.

    Attributes
    ----------
    model : TrainedModel
    decisions : list of Decision
        One for each example, made by a model that was fitted, calibrated and thresholded without the example's
        group.
    """

    model: TrainedModel
    decisions: list[Decision]


def train(
    examples: pd.DataFrame,
    matrix: Matrix,
    rules: Rules,
    *,
    jobs: int = -1,
    progress: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Train a model and measure it out of group.

    Parameters
    ----------
    examples : pandas.DataFrame
        As `examples.read_examples` returns them; `group` names the author of each text.
    matrix : Matrix
    rules : Rules
    jobs : int, default -1
        Processes to fit in; -1 for one a core.
    progress : callable, optional
        Called with one line before each step.

    Returns
    -------
    Trained

    Raises
    ------
    ExamplesError
        When the examples have fewer than two groups, or a label with a single value.
    """
    texts = [clean(text) for text in examples["text"]]
    targets = _targets(examples, matrix)
    groups = examples["group"].to_numpy()
    if len(set(groups)) < 2:
        raise ExamplesError("column group: at least two groups are needed to measure on authors that were not read")
    folds = list(GroupKFold(min(FOLDS, len(set(groups)))).split(texts, groups=groups))
    progress(f"fitting on {len(texts)} texts, and {len(folds)} times without the texts of some authors")
    jobs_to_do = [np.arange(len(texts)), *(fit for fit, _ in folds)]
    fitted = Parallel(n_jobs=jobs)(delayed(_fit)(texts, targets, rows) for rows in jobs_to_do)
    classifier, out_of_fold = fitted[0], fitted[1:]

    progress("calibrating and choosing thresholds on the texts left out")
    heldout = [
        _HeldOut.of(TrainedModel(part, Policy(), matrix), rows, examples, texts)
        for part, (_, rows) in zip(out_of_fold, folds, strict=True)
    ]
    policy = _fit_policy(heldout, examples, texts, matrix, rules)
    decisions = _cross_decide(heldout, examples, texts, matrix, rules)
    return Trained(TrainedModel(classifier, policy, matrix), decisions)


def _targets(examples: pd.DataFrame, matrix: Matrix) -> dict[str, list[str]]:
    targets = {label: examples[label].tolist() for label in ("severity", "owner", "queue", "impact")}
    targets["destination"] = destinations_of(examples, matrix)
    for label, values in targets.items():
        if len({v for v in values if v}) < 2:
            raise ExamplesError(f"column {label}: at least two different values are needed to learn from")
    return targets


def _fit(texts: Sequence[CleanText], targets: dict[str, list[str]], rows: np.ndarray) -> Classifier:
    return Classifier.fit([texts[n] for n in rows], {k: [v[n] for n in rows] for k, v in targets.items()})


@dataclass(frozen=True)
class _HeldOut:
    """The texts that one fold's model has not read, and what its heads say of them."""

    model: TrainedModel
    rows: np.ndarray
    heads: dict[str, Floats]
    known: Floats

    @classmethod
    def of(cls, model: TrainedModel, rows: np.ndarray, examples: pd.DataFrame, texts: Sequence[CleanText]) -> _HeldOut:
        own = [texts[n] for n in rows]
        known, _ = model.classifier.known_words(own)
        return cls(model, rows, model.heads(model.classifier.vectors(own)), known)

    def weigh(self, policy: Policy) -> Verdicts:
        return weigh(self.model.composition, self.heads, self.known, policy, self.model.matrix)


def _fit_policy(
    parts: Sequence[_HeldOut], examples: pd.DataFrame, texts: Sequence[CleanText], matrix: Matrix, rules: Rules
) -> Policy:
    """Calibrate and threshold on texts that the models behind the verdicts have not read."""
    policy = Policy()
    verdicts = [part.weigh(policy) for part in parts]
    rows = np.concatenate([part.rows for part in parts])
    truth = examples.iloc[rows]
    is_no_issue = np.array([bool(i) and matrix.impact(i).needs_review for i in truth["impact"]])
    calibrators, right = {}, {}
    for label in ("severity", "owner", "queue"):
        chosen = np.concatenate([_chosen(p.model, v, label) for p, v in zip(parts, verdicts, strict=True)])
        right[label] = chosen == truth[label].to_numpy()
        calibrators[label] = _calibrate(np.concatenate([v.scores[label] for v in verdicts]), right[label])
    policy = replace(policy, calibrators=calibrators)
    sure = {
        label: np.concatenate([confidences(v, policy)[label] for v in verdicts])
        for label in ("severity", "owner", "queue")
    }
    thresholds = {
        label: _threshold(sure[label][~is_no_issue], right[label][~is_no_issue], TARGET_PRECISION[label])
        for label in sure
    }
    no_issue = np.concatenate([v.no_issue for v in verdicts])
    return replace(
        policy,
        thresholds=thresholds,
        no_issue_threshold=_no_issue_threshold(no_issue, is_no_issue),
        rule_precision=_rule_precision([texts[n] for n in rows], truth["severity"].tolist(), rules),
    )


def _chosen(model: TrainedModel, verdicts: Verdicts, label: str) -> np.ndarray:
    return np.array([getattr(o.labels, label) for o in model.composition.outcomes], dtype=object)[verdicts.outcome]


def _calibrate(scores: Floats, right: np.ndarray) -> Calibrator:
    if right.all() or not right.any():
        return Calibrator((0.0,) * scores.shape[1], 6.0 if right.all() else -6.0)
    fitted = LogisticRegression(C=10.0, max_iter=1000).fit(scores, right)
    return Calibrator(tuple(float(w) for w in fitted.coef_[0]), float(fitted.intercept_[0]))


def _threshold(sure: Floats, right: np.ndarray, target: float) -> float:
    """Return the lowest confidence above which the target precision is met, bounded by what may be reviewed."""
    order = np.argsort(-sure, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    met = np.flatnonzero(precision >= target)
    keep = int(met[-1]) + 1 if len(met) else 0
    keep = max(keep, int(np.ceil(len(order) * (1 - MOST_REVIEWED))))
    return float(sure[order[min(keep, len(order)) - 1]])


def _no_issue_threshold(no_issue: Floats, is_no_issue: np.ndarray) -> float:
    """Return the probability from which the wanted share of texts without an issue goes to a person."""
    if not is_no_issue.any():
        return 0.5
    return float(np.clip(np.quantile(no_issue[is_no_issue], 1 - TARGET_NO_ISSUE_RECALL), 0.05, 0.5))


def _rule_precision(texts: Sequence[CleanText], severities: Sequence[str], rules: Rules) -> dict[str, float]:
    """Return how often the severity that a rule gives was right, pulled towards one half where it seldom fired."""
    fired: dict[str, list[bool]] = {}
    for text, severity in zip(texts, severities, strict=True):
        if hit := rules.match(text):
            fired.setdefault(hit.rule, []).append(hit.labels.severity == severity)
    return {rule: round((sum(right) + 2) / (len(right) + 4), 4) for rule, right in sorted(fired.items())}


def _cross_decide(
    parts: Sequence[_HeldOut], examples: pd.DataFrame, texts: Sequence[CleanText], matrix: Matrix, rules: Rules
) -> list[Decision]:
    """Decide every text by its fold's model under a policy that was fitted on the other folds."""
    decisions: dict[int, Decision] = {}
    for k, part in enumerate(parts):
        policy = _fit_policy([*parts[:k], *parts[k + 1 :]], examples, texts, matrix, rules)
        model = replace(part.model, policy=policy)
        made = model.decide([texts[n] for n in part.rows], rules, explain=False)
        decisions |= dict(zip(part.rows.tolist(), made, strict=True))
    return [decisions[n] for n in range(len(texts))]
