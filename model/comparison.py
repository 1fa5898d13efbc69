"""Champion and challenger on the same texts: figures, classes, and the texts whose label would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from sklearn.metrics import precision_recall_fscore_support

from model.evaluation import LABELS, decisions_frame, evaluate
from model.examples import check_examples
from model.matrix import Matrix
from model.outcomes import decided_of, digests, truth_of
from model.rules import Rules
from model.text import clean
from model.trained import TrainedModel

OUT_OF_GROUP = "texts by authors whom neither had read"
LATEST = "latest corrections, which neither had read"
_SINGLE_FIGURES = ("p0_recall", "dangerous_misses", "coverage", "precision")


@dataclass(frozen=True)
class Comparison:
    """What two models say of the same texts; the three tables have the same index, digests.

    Attributes
    ----------
    on : str
        What the texts are.
    truth : pandas.DataFrame
        The right labels.
    champion, challenger : pandas.DataFrame
        As `evaluation.decisions_frame` returns them.
    """

    on: str
    truth: pd.DataFrame
    champion: pd.DataFrame
    challenger: pd.DataFrame

    def __len__(self) -> int:
        return len(self.truth)

    def figures(self, matrix: Matrix) -> pd.DataFrame:
        """Return the main figures of both models and their difference, one row a figure."""
        champion = _flat(evaluate(self.truth, self.champion, matrix))
        challenger = _flat(evaluate(self.truth, self.challenger, matrix))
        frame = pd.DataFrame({"champion": champion, "challenger": challenger}, dtype=float)
        return frame.assign(difference=frame["challenger"] - frame["champion"])

    def classes(self, label: str) -> pd.DataFrame:
        """Return precision, recall and F1 of both models for every class of a label."""
        known = self.truth[label] != ""
        truth = self.truth[label][known]
        both = {"champion": self.champion[label][known], "challenger": self.challenger[label][known]}
        names = sorted({*truth, *both["champion"], *both["challenger"]})
        columns: dict[tuple[str, str], Any] = {("", "texts"): [int((truth == name).sum()) for name in names]}
        for who, decided in both.items():
            found = precision_recall_fscore_support(truth, decided, labels=names, zero_division=0)
            columns |= {(who, what): found[n].round(3) for n, what in enumerate(("precision", "recall", "F1"))}
        return pd.DataFrame(columns, index=pd.Index(names, name=label))

    def changed(self, label: str) -> pd.DataFrame:
        """Return the texts whose label would change, with the truth and which of the two models is right."""
        frame = pd.DataFrame(
            {"truth": self.truth[label], "champion": self.champion[label], "challenger": self.challenger[label]}
        )
        frame = frame[frame["champion"] != frame["challenger"]].copy()
        frame["right"] = "neither"
        for who in ("champion", "challenger"):
            frame.loc[frame[who] == frame["truth"], "right"] = who
        return frame.sort_values(["right", "truth", "champion"])


def on_common_texts(champion: pd.DataFrame, challenger: pd.DataFrame) -> Comparison:
    """Compare on the texts for which both have out-of-group decisions.

    Different sets of examples are not alike in difficulty, so figures over all of one's own texts say little about
    which model is better.

    Parameters
    ----------
    champion, challenger : pandas.DataFrame
        As `Registry.out_of_group` returns them. Where the truths differ, the challenger's counts: it is newer.
    """
    common = challenger.index.intersection(champion.index)
    theirs, ours = champion.loc[common], challenger.loc[common]
    return Comparison(OUT_OF_GROUP, truth_of(ours), decided_of(theirs), decided_of(ours))


def on_corrections(
    champion: TrainedModel, challenger: TrainedModel, corrections: pd.DataFrame, rules: Rules
) -> Comparison:
    """Compare on corrections that neither model was trained on.

    Parameters
    ----------
    champion, challenger : TrainedModel
    corrections : pandas.DataFrame
        At least `text, severity, owner, queue`.
    rules : Rules
        The second opinion that both use.
    """
    truth = check_examples(corrections, challenger.matrix)
    index = pd.Index(digests(truth["text"].tolist()), name="digest")
    texts = [clean(text) for text in truth["text"]]
    said = [
        decisions_frame(model.decide(texts, rules, explain=False)).set_index(index) for model in (champion, challenger)
    ]
    return Comparison(LATEST, truth.drop(columns="text").set_index(index), *said)


def _flat(report: dict[str, Any]) -> dict[str, Any]:
    figures = {
        f"{label} {name.replace('_', ' ')}": report[label].get(name)
        for label in LABELS
        if label in report
        for name in ("accuracy", "macro_f1", "expected_calibration_error")
        if name in report[label]
    }
    return figures | {name.replace("_", " "): report[name] for name in _SINGLE_FIGURES}
