"""What training decided about deciding: prices, calibration, when a person must look, and when a rule stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from model.composition import Floats
from model.decision import Confidence, Decision, Labels
from model.matrix import Matrix
from model.rules import RuleHit
from model.text import CleanText

# Why a person must look.
EMPTY_TEXT = "empty-text"
UNKNOWN_WORDS = "unknown-words"
NO_ISSUE = "no-issue"
UNSURE = {"severity": "unsure-severity", "owner": "unsure-owner", "queue": "unsure-queue"}
NO_RULE = "no-rule-matches"
RULES_DISAGREE = "rules-disagree-on-most-severe"
PART_DISAGREES = "part-is-most-severe"
REVIEW_REASONS = (EMPTY_TEXT, UNKNOWN_WORDS, NO_ISSUE, *UNSURE.values(), NO_RULE, RULES_DISAGREE, PART_DISAGREES)

# How sure a part of a text must be of the most severe class to send to a person a whole that is called two or more
# steps less.
SURE_PART = 0.93


@dataclass(frozen=True)
class Calibrator:
    """Logistic calibration of "this label is right" from a few scores (Platt 1999, with more than one score).

    Attributes
    ----------
    weights : tuple of float
        One for each column of the scores.
    intercept : float
    """

    weights: tuple[float, ...] = (1.0,)
    intercept: float = 0.0

    def __call__(self, scores: Floats) -> Floats:
        """Return probabilities, of shape (n_texts,), from scores of shape (n_texts, n_scores)."""
        logit = np.full(len(scores), self.intercept)
        for weight, column in zip(self.weights, scores.T, strict=True):
            logit = logit + weight * column
        result: Floats = 1.0 / (1.0 + np.exp(-logit))
        return result


@dataclass(frozen=True)
class Policy:
    """What training decided about deciding; plain numbers, kept in the manifest.

    Attributes
    ----------
    direct_share : float
        Weight, in 0..1, of the direct severity head against the composed severity.
    miss_cost : float
        Price of calling the most severe class two or more steps too low, where a plain error costs 1.
    calibrators : mapping of str to Calibrator
        For severity, owner and queue.
    thresholds : mapping of str to float
        Confidence below which a person must look, for severity, owner and queue.
    no_issue_threshold : float
        Probability of "no issue" from which a person must look, whatever the labels.
    known_words : float
        Share of the words, in 0..1, that the model must know not to send the text to a person.
    rule_precision : mapping of str to float
        How often a rule's severity was right on the examples, smoothed.
    rule_precision_unsure : mapping of str to float
        The same on those examples alone of which the model was not sure. They are the hard ones for a rule too.
    """

    direct_share: float = 0.3
    miss_cost: float = 2.25
    calibrators: Mapping[str, Calibrator] = field(
        default_factory=lambda: {
            "severity": Calibrator((1.0, 0.0, 0.0, 0.0, 0.0)),
            "owner": Calibrator(),
            "queue": Calibrator(),
        }
    )
    thresholds: Mapping[str, float] = field(default_factory=lambda: {"severity": 0.5, "owner": 0.5, "queue": 0.5})
    no_issue_threshold: float = 0.5
    known_words: float = 0.3
    rule_precision: Mapping[str, float] = field(default_factory=dict)
    rule_precision_unsure: Mapping[str, float] = field(default_factory=dict)


def review_reasons(
    confidence: Confidence,
    labels: Labels,
    no_issue: float,
    known_share: float,
    hit: RuleHit | None,
    policy: Policy,
    matrix: Matrix,
) -> tuple[str, ...]:
    """Return why a person must look at what the model says, if anybody must."""
    reasons = []
    if known_share < policy.known_words:
        reasons.append(UNKNOWN_WORDS)
    if no_issue >= policy.no_issue_threshold:
        reasons.append(NO_ISSUE)
    reasons += [why for label, why in UNSURE.items() if getattr(confidence, label) < policy.thresholds[label]]
    worst = matrix.severity_ids[0]
    if hit and (hit.labels.severity == worst) != (labels.severity == worst):
        precise = policy.rule_precision.get(hit.rule, 0.0)
        if precise >= max(confidence.severity, policy.thresholds["severity"]):
            reasons.append(RULES_DISAGREE)
    return tuple(reasons)


def rule_wins(hit: RuleHit, labels: Labels, confidence: Confidence, policy: Policy, matrix: Matrix) -> bool:
    """Say whether a rule's word stands for the model's: the model is not sure, and the rule has proved to be surer.

    No rule takes back the most severe class that the model gives: a missed one is the dearer mistake.
    """
    unsure = confidence.severity < policy.thresholds["severity"]
    worst = matrix.severity_ids[0]
    lowers_worst = labels.severity == worst and hit.labels.severity != worst
    return unsure and not lowers_worst and policy.rule_precision_unsure.get(hit.rule, 0.0) > confidence.severity


def surest_rules(policy: Policy, severities: Mapping[str, frozenset[str]], matrix: Matrix) -> tuple[float, float]:
    """Return the confidences above which no rule can change what the model says.

    Parameters
    ----------
    policy : Policy
    severities : mapping of str to frozenset of str
        What each rule can give.
    matrix : Matrix

    Returns
    -------
    for_worst, for_others : float
        For texts that the model calls the most severe, and for the others.
    """
    worst = frozenset(matrix.severity_ids[:1])
    precision = {rule: policy.rule_precision.get(rule, 0.0) for rule in severities}
    objects_to_worst = [precision[rule] for rule, given in severities.items() if given - worst]
    says_worst = [precision[rule] for rule, given in severities.items() if given & worst]
    wins = [policy.rule_precision_unsure.get(rule, 0.0) for rule in severities]
    return max((*objects_to_worst, *wins), default=0.0), max((*says_worst, *wins), default=0.0)


def decide_by_rules(text: CleanText, hit: RuleHit | None, matrix: Matrix) -> Decision:
    """Return the decision of the rules alone, or the default that asks for a person."""
    if hit is None:
        return decide_by_default(matrix, NO_RULE if text else EMPTY_TEXT)
    reasons = (NO_ISSUE,) if matrix.impact(hit.impact).needs_review else ()
    return Decision(
        labels=hit.labels,
        impact=hit.impact,
        decided_by="rules",
        review_reasons=reasons,
        explanation=explain(matrix, hit.labels, hit.impact) + f"; rule {hit.rule}",
        evidence=hit.evidence,
        rule=hit.rule,
    )


def decide_by_default(matrix: Matrix, reason: str) -> Decision:
    """Return the labels of what is no issue; a person must look."""
    usual = matrix.undocumented
    labels = Labels(usual.severity, usual.owner, usual.queue, usual.id)
    return Decision(
        labels=labels,
        impact=None,
        decided_by="default",
        review_reasons=(reason,),
        explanation="nothing in the text could be matched; a person must look",
    )


def decide_by_person(labels: Labels, decision: Decision) -> Decision:
    """Return the decision with a person's labels in place of the router's."""
    return replace(
        decision,
        labels=labels,
        impact=None,
        decided_by="person",
        confidence=None,
        review_reasons=(),
        explanation="a person corrected this text",
        evidence=(),
        alternatives=(),
        rule=None,
    )


def explain(matrix: Matrix, labels: Labels, impact_id: str | None) -> str:
    """Return one sentence: the row that the text is closest to, and what lowered its severity.

    Such as "closest to: Cloud Agent WebRTC is not working (P0); lowered to P2: one or a handful affected".
    """
    row = matrix.issue_type(labels.issue_type)
    what = matrix.impact(impact_id).description if impact_id else ""
    if row is None:
        return f"matches no documented row; {labels.severity}: {what}" if what else "matches no documented row"
    sentence = f"closest to: {row.description} ({row.severity})"
    if row.severity != labels.severity:
        sentence += f"; lowered to {labels.severity}: {what}"
    return sentence
