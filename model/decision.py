"""The labels of one text with who decided them, how sure, why, and whether a person must look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DecidedBy = Literal["model", "rules", "default", "person"]


@dataclass(frozen=True, slots=True)
class Labels:
    """The four labels of one text; they never contradict the matrix."""

    severity: str
    owner: str
    queue: str
    issue_type: str


@dataclass(frozen=True, slots=True)
class Confidence:
    """Calibrated probability, in 0..1, that each label is right."""

    severity: float
    owner: float
    queue: float

    def least(self) -> float:
        """Return the smallest of the three."""
        return min(self.severity, self.owner, self.queue)


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way to label the text, with its probability in 0..1."""

    issue_type: str
    severity: str
    owner: str
    queue: str
    probability: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Words that moved the decision.

    Attributes
    ----------
    words : str
        The words as the customer wrote them.
    start, end : int
        Where they stand: `raw[start:end] == words`.
    label : str
        The label that they speak for.
    weight : float
        How strongly, in log-odds; a rule's words weigh 1.
    """

    words: str
    start: int
    end: int
    label: str
    weight: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What the router decided about one text.

    Attributes
    ----------
    labels : Labels
        The labels.
    impact : str or None
        What lowers or sets the severity, an impact of the matrix; `None` when a person named only labels.
    decided_by : {"model", "rules", "default", "person"}
        Who decided.
    confidence : Confidence or None
        `None` where nobody estimated a probability: rules, default and persons do not.
    review_reasons : tuple of str
        Why a person must look; empty when nobody must.
    explanation : str
        One sentence for the desk.
    alternatives : tuple of Alternative
        Other labels that were considered, likeliest first.
    evidence : tuple of Evidence
        Words that moved the decision, strongest first.
    rule : str or None
        Name of the rule that decided.
    model_version : str or None
        Version of the model that was loaded, whoever decided.
    """

    labels: Labels
    impact: str | None
    decided_by: DecidedBy
    confidence: Confidence | None = None
    review_reasons: tuple[str, ...] = ()
    explanation: str = ""
    alternatives: tuple[Alternative, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    rule: str | None = None
    model_version: str | None = None

    @property
    def needs_review(self) -> bool:
        """Whether a person must look."""
        return bool(self.review_reasons)
