"""Labelled examples to a fitted, calibrated, thresholded model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.model_selection import GroupKFold

from model.classifier import HEADS, Classifier
from model.composition import destinations_of, family_head
from model.decider import Decider
from model.decision import Decision
from model.errors import ExamplesError
from model.held_out import HeldOut, cross_decide, fit_policy
from model.matrix import Matrix
from model.policy import Policy
from model.rules import RuleHit, Rules
from model.text import CleanText, clean
from model.trained import TrainedModel

FOLDS = 3
DOCUMENTED_WEIGHT = 5  # how often the matrix's own sentences are read; they are law, and few


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
    texts: Sequence[CleanText] | None = None,
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
    texts : sequence of CleanText, optional
        The clean texts of the examples, where they are at hand.
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
    texts = [clean(text) for text in examples["text"]] if texts is None else list(texts)
    targets = _targets(examples, matrix)
    _check_variety(targets)
    groups = examples["group"].to_numpy()
    if len(set(groups)) < 2:
        raise ExamplesError("column group: at least two groups are needed to measure on authors that were not read")
    folds = list(GroupKFold(min(FOLDS, len(set(groups)))).split(texts, groups=groups))
    progress(f"fitting on {len(texts)} texts, and {len(folds)} times without the texts of some authors")
    work = _Work(texts, targets, _documented(matrix), matrix)
    reads = (delayed(_fit_and_read)(work, *fold) for fold in folds)
    classifier, *parts, hits = Parallel(n_jobs=jobs)([delayed(_fit_all)(work), *reads, delayed(_match)(rules, texts)])

    progress("calibrating and choosing thresholds on the texts left out")
    policy = fit_policy(parts, examples, hits, matrix)
    decisions = cross_decide(parts, examples, texts, hits, matrix)
    return Trained(TrainedModel(classifier, policy, matrix), decisions)


def _targets(examples: pd.DataFrame, matrix: Matrix) -> dict[str, list[str]]:
    targets = {label: examples[label].tolist() for label in ("severity", "owner", "queue", "impact")}
    families = [matrix.impact_family(t) if t else "" for t in examples["issue_type"]]
    for family in matrix.impact_families if len(matrix.impact_families) > 1 else ():
        among = zip(targets["impact"], families, strict=True)
        targets[family_head(family)] = [impact if its == family else "" for impact, its in among]
    return targets | {"destination": destinations_of(examples, matrix)}


def _vary(values: Iterable[str]) -> bool:
    return len({value for value in values if value}) > 1


def _check_variety(targets: dict[str, list[str]]) -> None:
    for label, values in targets.items():
        if label in HEADS and not _vary(values):
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


@dataclass(frozen=True)
class _Work:
    """What every process needs to fit."""

    texts: list[CleanText]
    targets: dict[str, list[str]]
    sentences: _Examples
    matrix: Matrix

    def fit(self, rows: Iterable[int]) -> Classifier:
        """Fit on some of the texts, and on the matrix's own sentences."""
        rows = list(rows)
        targets = {
            name: [values[n] for n in rows] + self.sentences.targets[name] for name, values in self.targets.items()
        }
        # a family of which too little is known goes by the head that it shares with the others
        targets = {name: values for name, values in targets.items() if name in HEADS or _vary(values)}
        return Classifier.fit([*(self.texts[n] for n in rows), *self.sentences.texts], targets)


def _fit_all(work: _Work) -> Classifier:
    return work.fit(range(len(work.texts)))


def _match(rules: Rules, texts: list[CleanText]) -> list[RuleHit | None]:
    return [rules.match(text) for text in texts]


def _fit_and_read(work: _Work, fit: np.ndarray, rows: np.ndarray) -> HeldOut:
    """Fit on one part of the texts and read the other; only what was read travels back, not the classifier."""
    model = TrainedModel(work.fit(fit), Policy(), work.matrix)
    texts = [work.texts[n] for n in rows]
    reading = model.read(texts)
    decider = Decider(model.composition, model.policy, work.matrix)
    verdicts = decider.weigh(reading)
    # No policy that is fitted later changes the severity, so it is known of which texts the parts will be asked.
    parts = model.read_parts(texts, decider.too_low(verdicts))
    return HeldOut(rows, reading, verdicts, model.composition, parts)
