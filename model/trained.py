"""A trained model: classifier, policy and matrix together, from clean text to decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse

from model.classifier import Classifier, Floats
from model.composition import Composition
from model.decision import Alternative, Confidence, Decision, Labels
from model.evidence import find_evidence
from model.matrix import Matrix
from model.policy import (
    EMPTY_TEXT,
    UNKNOWN_WORDS,
    Policy,
    Verdicts,
    confidences,
    decide_by_default,
    decide_by_rules,
    explain,
    review_reasons,
    weigh,
)
from model.rules import RuleHit, Rules
from model.text import CleanText

_ALTERNATIVES = 3


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
    def _surest_rule(self) -> float:
        return max(self.policy.rule_precision.values(), default=0.0)

    def heads(self, vectors: sparse.csr_matrix) -> dict[str, Floats]:
        """Return the probabilities of the heads, the columns of the labels in the matrix's order."""
        found = self.classifier.probabilities(vectors)
        for label in ("severity", "owner", "queue"):
            found[label] = in_order(found[label], self.classifier.classes(label), self.composition.values[label])
        return found

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
        known, shares = self.classifier.known_words(texts)
        verdicts = weigh(self.composition, self.heads(vectors), known, self.policy, self.matrix)
        sure = confidences(verdicts, self.policy)
        decisions = []
        for n, text in enumerate(texts):
            confidence = Confidence(*(round(float(sure[label][n]), 4) for label in ("severity", "owner", "queue")))
            # A rule can only speak against the model where it has proved to be surer; matching takes time.
            hit = rules.match(text) if confidence.severity < self._surest_rule or not shares[n] else None
            decision = self._decide(text, n, verdicts, confidence, float(shares[n]), hit)
            if explain and decision.decided_by == "model":
                decision = replace(
                    decision,
                    alternatives=self._alternatives(verdicts, n),
                    evidence=find_evidence(self.classifier, text, vectors[n], decision, self.matrix),
                )
            decisions.append(replace(decision, model_version=self.version))
        return decisions

    def _decide(
        self,
        text: CleanText,
        n: int,
        verdicts: Verdicts,
        confidence: Confidence,
        known_share: float,
        hit: RuleHit | None,
    ) -> Decision:
        if not text:
            return decide_by_default(self.matrix, EMPTY_TEXT)
        outcome = self.composition.outcomes[verdicts.outcome[n]]
        reasons = review_reasons(
            confidence, outcome.labels, float(verdicts.no_issue[n]), known_share, hit, self.policy, self.matrix
        )
        unsure = confidence.severity < self.policy.thresholds["severity"]
        if unsure and hit and self.policy.rule_precision.get(hit.rule, 0.0) > confidence.severity:
            by_rules = decide_by_rules(text, hit, self.matrix)
            return replace(by_rules, review_reasons=reasons)
        if known_share == 0.0 and hit is None:
            return decide_by_default(self.matrix, UNKNOWN_WORDS)
        return Decision(
            labels=outcome.labels,
            impact=outcome.impact,
            decided_by="model",
            confidence=confidence,
            review_reasons=reasons,
            explanation=explain(self.matrix, outcome.labels, outcome.impact),
        )

    def _alternatives(self, verdicts: Verdicts, n: int) -> tuple[Alternative, ...]:
        """Return the likeliest other labels, merging outcomes that differ in impact alone."""
        chosen = self.composition.outcomes[verdicts.outcome[n]].labels
        likely: dict[Labels, float] = {}
        for outcome, p in zip(self.composition.outcomes, verdicts.joint[n], strict=True):
            if outcome.labels != chosen:
                likely[outcome.labels] = likely.get(outcome.labels, 0.0) + float(p)
        best = sorted(likely.items(), key=lambda item: -item[1])[:_ALTERNATIVES]
        return tuple(
            Alternative(labels.issue_type, labels.severity, labels.owner, labels.queue, round(p, 4))
            for labels, p in best
        )

    def __getstate__(self) -> dict[str, object]:
        return {k: getattr(self, k) for k in ("classifier", "policy", "matrix", "version")}


def in_order(probabilities: Floats, classes: list[str], wanted: Sequence[str]) -> Floats:
    """Return the columns in another order; a class that was never seen gets probability 0."""
    ordered = np.zeros((len(probabilities), len(wanted)))
    for column, label in enumerate(classes):
        ordered[:, list(wanted).index(label)] = probabilities[:, column]
    return ordered
