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
from model.policy import UNSURE, Calibrator, Policy, Verdicts, confidences, weigh
from model.rules import RuleHit, Rules
from model.text import CleanText, clean
from model.trained import TrainedModel

FOLDS = 4
DOCUMENTED_WEIGHT = 5  # how often the matrix's own sentences are read; they are law, and few
NO_ISSUE_RECALL = 0.92  # share of the texts without an issue that a person must see
MOST_REVIEWED = 0.10  # share of the issues that a person may be asked to see
MOST_REVIEWED_FOR = {"owner": 0.01, "queue": 0.01}  # of it, at most, for these labels


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
    hits = [rules.match(text) for text in texts]
    targets = _targets(examples, matrix)
    _check_variety(targets)
    groups = examples["group"].to_numpy()
    if len(set(groups)) < 2:
        raise ExamplesError("column group: at least two groups are needed to measure on authors that were not read")
    folds = list(GroupKFold(min(FOLDS, len(set(groups)))).split(texts, groups=groups))
    progress(f"fitting on {len(texts)} texts, and {len(folds)} times without the texts of some authors")
    jobs_to_do = [np.arange(len(texts)), *(fit for fit, _ in folds)]
    sentences = _documented(matrix)
    fitted = Parallel(n_jobs=jobs)(delayed(_fit)(texts, targets, rows, sentences) for rows in jobs_to_do)
    classifier, out_of_fold = fitted[0], fitted[1:]

    progress("calibrating and choosing thresholds on the texts left out")
    heldout = [
        _HeldOut.of(TrainedModel(part, Policy(), matrix), rows, examples, texts)
        for part, (_, rows) in zip(out_of_fold, folds, strict=True)
    ]
    policy = _fit_policy(heldout, examples, hits, matrix)
    decisions = _cross_decide(heldout, examples, texts, hits, matrix, rules)
    return Trained(TrainedModel(classifier, policy, matrix), decisions)


def _targets(examples: pd.DataFrame, matrix: Matrix) -> dict[str, list[str]]:
    targets = {label: examples[label].tolist() for label in ("severity", "owner", "queue", "impact")}
    return targets | {"destination": destinations_of(examples, matrix)}


def _check_variety(targets: dict[str, list[str]]) -> None:
    for label, values in targets.items():
        if len({v for v in values if v}) < 2:
            raise ExamplesError(f"column {label}: at least two different values are needed to learn from")


@dataclass(frozen=True)
class _Examples:
    """Texts with the target of every head."""

    texts: list[CleanText]
    targets: dict[str, list[str]]


def _documented(matrix: Matrix) -> _Examples:
    """Return the sentences of the matrix as examples of themselves."""
    rows = [row for row in matrix.issue_types for _ in range(DOCUMENTED_WEIGHT)]
    frame = pd.DataFrame(
        {
            "severity": [row.severity for row in rows],
            "owner": [row.owner for row in rows],
            "queue": [row.queue for row in rows],
            "issue_type": [row.id for row in rows],
            "impact": [matrix.impact_for(row.id, row.severity) for row in rows],
        }
    )
    return _Examples([clean(row.description) for row in rows], _targets(frame, matrix))


def _fit(
    texts: Sequence[CleanText], targets: dict[str, list[str]], rows: np.ndarray, sentences: _Examples
) -> Classifier:
    """Fit on some of the texts, and on the matrix's own sentences."""
    own = {name: [values[n] for n in rows] + sentences.targets[name] for name, values in targets.items()}
    return Classifier.fit([*(texts[n] for n in rows), *sentences.texts], own)


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
    parts: Sequence[_HeldOut], examples: pd.DataFrame, hits: Sequence[RuleHit | None], matrix: Matrix
) -> Policy:
    """Calibrate and threshold on texts that the models behind the verdicts have not read."""
    policy = Policy()
    verdicts = [part.weigh(policy) for part in parts]
    rows = np.concatenate([part.rows for part in parts])
    truth = examples.iloc[rows]
    calibrators, right = {}, {}
    for label in UNSURE:
        chosen = np.concatenate([_chosen(p.model, v, label) for p, v in zip(parts, verdicts, strict=True)])
        right[label] = chosen == truth[label].to_numpy()
        calibrators[label] = _calibrate(np.concatenate([v.scores[label] for v in verdicts]), right[label])
    policy = replace(policy, calibrators=calibrators)
    sure = {label: np.concatenate([confidences(v, policy)[label] for v in verdicts]) for label in UNSURE}
    no_issue = np.concatenate([v.no_issue for v in verdicts])
    is_no_issue = np.array([bool(i) and matrix.impact(i).needs_review for i in truth["impact"]])
    no_issue_threshold = _no_issue_threshold(no_issue, is_no_issue)
    return replace(
        policy,
        no_issue_threshold=no_issue_threshold,
        thresholds=_thresholds(
            {label: values[~is_no_issue] for label, values in sure.items()},
            no_issue[~is_no_issue] >= no_issue_threshold,
        ),
        rule_precision=_rule_precision([hits[n] for n in rows], truth["severity"].tolist()),
    )


def _chosen(model: TrainedModel, verdicts: Verdicts, label: str) -> np.ndarray:
    return np.array([getattr(o.labels, label) for o in model.composition.outcomes], dtype=object)[verdicts.outcome]


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


def _rule_precision(hits: Sequence[RuleHit | None], severities: Sequence[str]) -> dict[str, float]:
    """Return how often the severity that a rule gives was right, pulled towards one half where it seldom fired."""
    fired: dict[str, list[bool]] = {}
    for hit, severity in zip(hits, severities, strict=True):
        if hit:
            fired.setdefault(hit.rule, []).append(hit.labels.severity == severity)
    return {rule: round((sum(right) + 2) / (len(right) + 4), 4) for rule, right in sorted(fired.items())}


def _cross_decide(
    parts: Sequence[_HeldOut],
    examples: pd.DataFrame,
    texts: Sequence[CleanText],
    hits: Sequence[RuleHit | None],
    matrix: Matrix,
    rules: Rules,
) -> list[Decision]:
    """Decide every text by its fold's model under a policy that was fitted on the other folds."""
    decisions: dict[int, Decision] = {}
    for k, part in enumerate(parts):
        policy = _fit_policy([*parts[:k], *parts[k + 1 :]], examples, hits, matrix)
        model = replace(part.model, policy=policy)
        made = model.decide([texts[n] for n in part.rows], rules, explain=False)
        decisions |= dict(zip(part.rows.tolist(), made, strict=True))
    return [decisions[n] for n in range(len(texts))]
