"""A trained model: classifier, policy and matrix together, from clean text to decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from scipy import sparse

from model.classifier import Classifier, Floats
from model.composition import Composition, family_head
from model.decider import Decider, PartsReading, Reading
from model.decision import Decision
from model.evidence import find_evidence
from model.matrix import Matrix
from model.parts import parts_of
from model.policy import Policy, surest_rules
from model.rules import Rules
from model.text import CleanText


@dataclass(frozen=True)
class TrainedModel:
    """What `training.train` returns and the registry keeps.

    Attributes
    ----------
    classifier : Classifier
    policy : Policy
    matrix : Matrix
    version : str
        Name of the version, empty until the registry gives one.
    """

    classifier: Classifier
    policy: Policy
    matrix: Matrix
    version: str = ""

    def named(self, version: str) -> TrainedModel:
        """Return the same model under a version's name."""
        return replace(self, version=version)

    @cached_property
    def composition(self) -> Composition:
        """The outcomes that the heads know."""
        return Composition(self.matrix, self.classifier.classes("destination"), self.classifier.classes("impact"))

    @cached_property
    def _decider(self) -> Decider:
        return Decider(self.composition, self.policy, self.matrix)

    def read(self, texts: Sequence[CleanText], vectors: sparse.csr_matrix | None = None) -> Reading:
        """Return what the classifier makes of some texts.

        Parameters
        ----------
        texts : sequence of CleanText, length n_texts
        vectors : csr_matrix of shape (n_texts, n_features), optional
            Their vectors, where they are at hand.
        """
        heads = self.classifier.probabilities(self.classifier.vectors(texts) if vectors is None else vectors)
        for label in ("severity", "owner", "queue"):
            heads[label] = in_order(heads[label], self.classifier.classes(label), self.matrix.labels[label])
        for family in filter(heads.__contains__, map(family_head, self.matrix.impact_families)):
            heads[family] = in_order(heads[family], self.classifier.classes(family), self.classifier.classes("impact"))
        return Reading(heads, *self.classifier.known_words(texts))

    def read_parts(self, texts: Sequence[CleanText], places: Sequence[int]) -> PartsReading | None:
        """Return what the classifier makes of the parts of some of the texts, `None` where they have none."""
        parts = [(n, part) for n in places for part in parts_of(texts[n])]
        if not parts:
            return None
        return PartsReading(self.read([part for _, part in parts]), tuple(n for n, _ in parts))

    def decide(self, texts: Sequence[CleanText], rules: Rules, *, explain: bool = True) -> list[Decision]:
        """Decide the labels of several texts.

        Parameters
        ----------
        texts : sequence of CleanText, length n_texts
        rules : Rules
            The second opinion, and the answer where the model is less sure than a rule has proved to be.
        explain : bool, default True
            Whether to add evidence and alternatives.

        Returns
        -------
        list of Decision, length n_texts
        """
        vectors = self.classifier.vectors(texts)
        decisions = self._decider.decide(
            texts,
            self.read(texts, vectors),
            rules.match,
            partial(self.read_parts, texts),
            surest_rules=surest_rules(self.policy, rules.severities, self.matrix),
            alternatives=explain,
        )
        if explain:
            decisions = [
                replace(d, evidence=find_evidence(self.classifier, text, vectors[n], d, self.matrix))
                if d.decided_by == "model"
                else d
                for n, (text, d) in enumerate(zip(texts, decisions, strict=True))
            ]
        return [replace(decision, model_version=self.version) for decision in decisions]

    def __getstate__(self) -> dict[str, object]:
        return {k: getattr(self, k) for k in ("classifier", "policy", "matrix", "version")}


def in_order(probabilities: Floats, classes: list[str], wanted: Sequence[str]) -> Floats:
    """Return the columns in another order; a class that was never seen gets probability 0."""
    ordered = np.zeros((len(probabilities), len(wanted)))
    for column, label in enumerate(classes):
        ordered[:, list(wanted).index(label)] = probabilities[:, column]
    return ordered
