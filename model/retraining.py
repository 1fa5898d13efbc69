"""Examples and corrections to a new version: gathered, trained, measured, saved, judged, and promoted if it may be.

Command line and notebook share these steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from model.errors import ModelError
from model.evaluation import LABELS, evaluate, slices
from model.examples import digest
from model.gate import Verdict, judge, promote
from model.gathering import TrainingSet, gather
from model.matrix import Matrix
from model.outcomes import decided_of, out_of_group_frame, truth_of
from model.registry import Champion, Registry
from model.rules import Rules
from model.training import Trained, train


@dataclass(frozen=True)
class Challenger:
    """A version just trained and saved.

    Attributes
    ----------
    version : str
    trained : Trained
    out_of_group : pandas.DataFrame
        As `outcomes.out_of_group_frame` returns it.
    metrics : dict
        As the manifest keeps them.
    """

    version: str
    trained: Trained
    out_of_group: pd.DataFrame
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Retraining:
    """What came of a retraining.

    Attributes
    ----------
    training_set : TrainingSet
    challenger : Challenger
    verdict : Verdict
    champion : Champion or None
        `None` when the challenger was not promoted.
    """

    training_set: TrainingSet
    challenger: Challenger
    verdict: Verdict
    champion: Champion | None

    @property
    def version(self) -> str:
        """Name of the new version."""
        return self.challenger.version

    @property
    def promoted(self) -> bool:
        """Whether the new version is the champion now."""
        return self.champion is not None


def retrain(
    registry: Registry,
    matrix: Matrix,
    rules: Rules,
    examples: pd.DataFrame,
    corrections: pd.DataFrame | None,
    *,
    now: datetime,
    promoting: bool = True,
    force: bool = False,
    progress: Callable[[str], None] = lambda line: None,
) -> Retraining:
    """Train a challenger, save it as a version, judge it, and promote it where it may be.

    Parameters
    ----------
    registry : Registry
    matrix : Matrix
    rules : Rules
    examples : pandas.DataFrame
        As `examples.read_examples` returns them.
    corrections : pandas.DataFrame or None
        The latest word about each text, the oldest first: the columns of examples and `created_at`.
    now : datetime
        Names the version.
    promoting : bool, default True
        Whether to promote a challenger that the gate lets through.
    force : bool, default False
        Whether to promote it despite the gate's reasons, which the manifest then remembers.
    progress : callable, optional
        Called with one line before each step.

    Returns
    -------
    Retraining

    Raises
    ------
    ExamplesError
        When there is too little to train on.
    RegistryError
        When the version cannot be saved.
    """
    training_set = gather(examples, corrections, matrix, read_by_champion(registry))
    challenger = train_challenger(registry, training_set, matrix, rules, now=now, progress=progress)
    progress("judging it")
    verdict = judge(registry, challenger.version, matrix, rules, training_set.held_back)
    champion = None
    if promoting and (verdict.passed or force):
        champion = promote(registry, verdict, promoted_at=now, force=force)
    return Retraining(training_set, challenger, verdict, champion)


def read_by_champion(registry: Registry) -> set[str] | None:
    """Return the digests of the texts that the champion was trained on, `None` when there is no champion to ask."""
    champion = registry.champion_or_none()
    try:
        return set(registry.out_of_group(champion.version).index) if champion else None
    except ModelError:
        return None


def train_challenger(
    registry: Registry,
    training_set: TrainingSet,
    matrix: Matrix,
    rules: Rules,
    *,
    now: datetime,
    progress: Callable[[str], None] = lambda line: None,
) -> Challenger:
    """Train on a training set, measure out of group, and save the version."""
    examples = training_set.examples
    trained = train(examples, matrix, rules, texts=training_set.texts, progress=progress)
    kept = out_of_group_frame(examples, trained.decisions, training_set.texts)
    metrics = measure(kept, matrix)
    progress("saving the version")
    version = registry.save(
        trained.model,
        created_at=now,
        data=_describe(training_set),
        metrics=metrics,
        out_of_group=kept,
    )
    return Challenger(version, Trained(trained.model.named(version), trained.decisions), kept, metrics)


def measure(kept: pd.DataFrame, matrix: Matrix) -> dict[str, Any]:
    """Return all figures of a table of out-of-group decisions, and the main ones by language, group and length."""
    truth, decided = truth_of(kept), decided_of(kept)
    return evaluate(truth, decided, matrix) | {
        "slices": {
            by: slices(truth, decided, by, matrix).astype(object).replace({np.nan: None}).to_dict("records")
            for by in ("language", "group", "length")
        }
    }


def _describe(training_set: TrainingSet) -> dict[str, Any]:
    examples = training_set.examples
    return {
        "sha256": digest(examples),
        "texts": len(examples),
        "groups": int(examples["group"].nunique()),
        "languages": {str(k): int(n) for k, n in examples["language"].value_counts().items()},
        "labels": {
            label: {str(k): int(n) for k, n in examples[label].value_counts().sort_index().items()} for label in LABELS
        },
        "corrections": training_set.corrections,
        "corrections_until": training_set.corrections_until,
        "corrections_held_back": len(training_set.held_back),
    }
