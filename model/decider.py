"""From what the classifier makes of some texts to decisions about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from model.composition import Composition, Floats
from model.decision import Alternative, Confidence, Decision, Labels
from model.matrix import Matrix
from model.policy import (
    EMPTY_TEXT,
    PART_DISAGREES,
    SURE_PART,
    UNKNOWN_WORDS,
    UNSURE,
    Policy,
    decide_by_default,
    decide_by_rules,
    explain,
    review_reasons,
    rule_wins,
)
from model.rules import RuleHit
from model.text import CleanText
from model.verdicts import Verdicts, confidences, weigh

_ALTERNATIVES = 3


@dataclass(frozen=True)
class Reading:
    """What a classifier makes of some texts, before anything is decided.

    Attributes
    ----------
    heads : dict of str to ndarray of shape (n_texts, n_classes)
        Probabilities; the columns of severity, owner and queue in the matrix's order.
    known : ndarray of shape (n_texts,)
        Number of distinct words that the classifier knows.
    share : ndarray of shape (n_texts,)
        Their share of all distinct words, in 0..1.
    """

    heads: dict[str, Floats]
    known: Floats
    share: Floats


@dataclass(frozen=True)
class PartsReading:
    """What a classifier makes of the parts of some texts.

    Attributes
    ----------
    reading : Reading
        Of all parts.
    text : tuple of int
        Which text each part is of.
    """

    reading: Reading
    text: tuple[int, ...]


@dataclass(frozen=True)
class Decider:
    """Decides by a policy.

    Attributes
    ----------
    composition : Composition
        Of the classes that the classifier knows.
    policy : Policy
    matrix : Matrix
    """

    composition: Composition
    policy: Policy
    matrix: Matrix

    def weigh(self, reading: Reading) -> Verdicts:
        """Return the most likely labels of the texts that were read."""
        return weigh(self.composition, reading.heads, reading.known, self.policy, self.matrix)

    def too_low(self, verdicts: Verdicts) -> list[int]:
        """Return the places of the texts that are called two or more steps below the most severe class."""
        said = (self.composition.outcomes[k].labels.severity for k in verdicts.outcome)
        return [n for n, severity in enumerate(said) if severity in self._low_severities]

    @property
    def _low_severities(self) -> tuple[str, ...]:
        return self.matrix.severity_ids[2:]

    def decide(
        self,
        texts: Sequence[CleanText],
        reading: Reading,
        match: Callable[[CleanText], RuleHit | None],
        read_parts: Callable[[Sequence[int]], PartsReading | None],
        *,
        surest_rules: tuple[float, float] = (1.0, 1.0),
        alternatives: bool = False,
    ) -> list[Decision]:
        """Decide the labels of several texts.

        Parameters
        ----------
        texts : sequence of CleanText, length n_texts
        reading : Reading
            What the classifier makes of them.
        match : callable
            Returns what the rules say of a text.
        read_parts : callable
            Returns what the classifier makes of the parts of the texts with the given places, `None` where there are no
            parts; it may return parts of other texts too.
        surest_rules : pair of float, default (1.0, 1.0)
            The confidences, for the most severe class and for others, above which no rule is asked; see
            `policy.surest_rules`.
        alternatives : bool, default False
            Whether to name other labels that were considered.

        Returns
        -------
        list of Decision, length n_texts
        """
        verdicts = self.weigh(reading)
        sure = confidences(verdicts, self.policy)
        sure_enough = dict.fromkeys(self.matrix.severity_ids, surest_rules[1]) | {
            self.matrix.severity_ids[0]: surest_rules[0]
        }
        decisions = []
        for n, text in enumerate(texts):
            confidence = Confidence(*(round(float(sure[label][n]), 4) for label in UNSURE))
            said = self.composition.outcomes[verdicts.outcome[n]].labels.severity
            # A rule can only speak against the model where it has proved to be surer; matching takes time.
            hit = match(text) if confidence.severity <= sure_enough[said] or not reading.share[n] else None
            decision = self._decide(text, n, verdicts, confidence, float(reading.share[n]), hit)
            if alternatives and decision.decided_by == "model":
                decision = replace(decision, alternatives=self._alternatives(verdicts, n))
            decisions.append(decision)
        for n in self._hiding_the_worst(decisions, read_parts):
            decisions[n] = replace(decisions[n], review_reasons=(PART_DISAGREES,))
        return decisions

    def _hiding_the_worst(
        self, decisions: Sequence[Decision], read_parts: Callable[[Sequence[int]], PartsReading | None]
    ) -> set[int]:
        """Return the texts nobody is to look at, called two or more steps too low for one of their parts.

        What lowers a severity often stands beside what it lowers, so only a part about another issue type counts.
        """
        waved_through = {
            n: d.labels.issue_type
            for n, d in enumerate(decisions)
            if d.decided_by == "model" and not d.needs_review and d.labels.severity in self._low_severities
        }
        parts = read_parts(list(waved_through)) if waved_through else None
        if parts is None:
            return set()
        verdicts = self.weigh(parts.reading)
        sure = confidences(verdicts, self.policy)["severity"] >= SURE_PART
        said = (self.composition.outcomes[k].labels for k in verdicts.outcome)
        worst = self.matrix.severity_ids[0]
        return {
            n
            for n, is_sure, labels in zip(parts.text, sure, said, strict=True)
            if is_sure and labels.severity == worst and waved_through.get(n, labels.issue_type) != labels.issue_type
        }

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
        if known_share == 0.0 and hit is None:
            return decide_by_default(self.matrix, UNKNOWN_WORDS)
        outcome = self.composition.outcomes[verdicts.outcome[n]]
        reasons = review_reasons(
            confidence, outcome.labels, float(verdicts.no_issue[n]), known_share, hit, self.policy, self.matrix
        )
        if hit and rule_wins(hit, outcome.labels, confidence, self.policy, self.matrix):
            return replace(decide_by_rules(text, hit, self.matrix), review_reasons=reasons)
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
