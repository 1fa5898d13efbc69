"""The columns that labelling adds to a table of tickets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from model.decision import Decision

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class Decider(Protocol):
    """What labelling needs of a router."""

    def decide_many(self, texts: Sequence[str]) -> list[Decision]:
        """Return one decision a text, in order."""


class RowLabels(NamedTuple):
    """What is added to one row; the field names are the names of the columns.

    Attributes
    ----------
    confidence : str
        The least of the confidences in 0..1 with 4 decimals; empty where nobody estimated one.
    model_version : str
        Empty without a model.
    review_reasons : str
        Separated by `; `.
    """

    severity: str
    owner: str
    queue: str
    issue_type: str
    confidence: str
    needs_review: bool
    decided_by: str
    model_version: str
    review_reasons: str

    def cells(self) -> tuple[str, ...]:
        """Return the texts for a format that knows only text; none of them runs as a formula in a spreadsheet.

        Examples
        --------
        >>> RowLabels("P0", "=owner()", "General", "other", "0.9000", False, "model", "v1", "").cells()[:2]
        ('P0', "'=owner()")
        """
        texts = ("true" if value is True else "false" if value is False else value for value in self)
        return tuple(map(inert, texts))


def inert(text: str) -> str:
    """Return a text that no spreadsheet runs as a formula when it opens a CSV."""
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def label_texts(router: Decider, texts: Sequence[str]) -> list[RowLabels]:
    """Label texts, equal ones once.

    Parameters
    ----------
    router : Decider
        A `model.router.Router`.
    texts : sequence of str
        Raw texts.

    Returns
    -------
    list of RowLabels
        One a text, in order.
    """
    unique = list(dict.fromkeys(texts))
    labels = dict(zip(unique, map(_row_labels, router.decide_many(unique)), strict=True))
    return [labels[text] for text in texts]


def added_columns(header: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the added columns, with a prefix where the table has one of them already.

    Examples
    --------
    >>> added_columns(["id", "severity"])[:2]
    ('router_severity', 'router_owner')
    """
    taken = {name.strip() for name in header}
    prefix, attempt = "", 1
    while any(prefix + name in taken for name in RowLabels._fields):
        prefix = "router_" if attempt == 1 else f"router{attempt}_"
        attempt += 1
    return tuple(prefix + name for name in RowLabels._fields)


def _row_labels(decision: Decision) -> RowLabels:
    labels, confidence = decision.labels, decision.confidence
    return RowLabels(
        labels.severity,
        labels.owner,
        labels.queue,
        labels.issue_type,
        f"{confidence.least():.4f}" if confidence else "",
        decision.needs_review,
        decision.decided_by,
        decision.model_version or "",
        "; ".join(decision.review_reasons),
    )
