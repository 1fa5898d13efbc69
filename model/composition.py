r"""Severity by the matrix's own definitions: an issue type, an impact, and what the two make together.

An *outcome* is a pair of destination and impact that the matrix allows; it fixes all four labels. A *destination* is
an issue type with its owner and queue; "no issue at all" is a destination of its own. With :math:`p(d)` from the
destination head and :math:`p(i)` from an impact head,

.. math:: p(d, i) = p(d) \, p(i) \, / \sum_{i' \text{ allowed for } d} p(i')

and the probability of a label is the sum over the outcomes that carry it. There are two opinions of the impact: that of
one head for all issue types, and that of a head for the family of issue types to which the same impacts apply, which
need not tell apart what never meets. Their mean is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.decision import Labels
from model.matrix import Matrix

Floats = npt.NDArray[np.float64]

_NO_FAMILIES: Mapping[str, Floats] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Outcome:
    """A destination and an impact that go together, with the labels that follow.

    Attributes
    ----------
    destination : str
        Id of the destination: the issue type, with owner and queue where the type leaves them open.
    impact : str
        Id of the impact.
    labels : Labels
        What the matrix makes of the two.
    """

    destination: str
    impact: str
    labels: Labels


def destination(matrix: Matrix, issue_type: str, owner: str, queue: str, impact: str) -> str:
    """Return the destination of an example: the issue type, and what the type alone does not say."""
    if impact and matrix.impact(impact).needs_review:
        return f"{issue_type}/{impact}"
    usual = matrix.owner_queues(issue_type)[0]
    if (owner, queue) == (usual.owner, usual.queue):
        return issue_type
    return f"{issue_type}/{owner}/{queue}"


def outcomes(matrix: Matrix) -> tuple[Outcome, ...]:
    """Return every outcome that a matrix allows."""
    found = []
    for issue_type in matrix.issue_type_ids:
        for pair in matrix.owner_queues(issue_type):
            for impact in matrix.impacts:
                severity = matrix.severity_after(issue_type, impact.id)
                if severity is None or (impact.needs_review and pair != matrix.owner_queues(issue_type)[0]):
                    continue
                where = destination(matrix, issue_type, pair.owner, pair.queue, impact.id)
                found.append(Outcome(where, impact.id, Labels(severity, pair.owner, pair.queue, issue_type)))
    return tuple(found)


class Composition:
    """Turns the probabilities of the heads into probabilities of outcomes and labels.

    Parameters
    ----------
    matrix : Matrix
        The matrix.
    destinations, impacts : sequence of str
        Classes of the two heads, in the order of their columns. Outcomes with a class that no head knows (no example
        was given) are left out.
    """

    def __init__(self, matrix: Matrix, destinations: list[str], impacts: list[str]) -> None:
        self.outcomes = tuple(o for o in outcomes(matrix) if o.destination in destinations and o.impact in impacts)
        self._destination = np.array([destinations.index(o.destination) for o in self.outcomes])
        self._member = (self._destination[:, None] == np.arange(len(destinations))).astype(float)
        self._impact = np.array([impacts.index(o.impact) for o in self.outcomes])
        self._allowed = np.zeros((len(impacts), len(destinations)))
        self._allowed[self._impact, self._destination] = 1.0
        self._family = np.array([matrix.impact_family(o.labels.issue_type) for o in self.outcomes])
        self.values = matrix.labels
        self.carries: dict[str, Floats] = {
            label: np.array([[float(getattr(o.labels, label) == v) for v in values] for o in self.outcomes])
            for label, values in matrix.labels.items()
        }

    def joint(self, destination: Floats, impact: Floats, families: Mapping[str, Floats] = _NO_FAMILIES) -> Floats:
        """Return the probability of every outcome.

        Parameters
        ----------
        destination : ndarray of shape (n_texts, n_destinations)
        impact : ndarray of shape (n_texts, n_impacts)
        families : mapping of str to ndarray of shape (n_texts, n_impacts), optional
            Second opinions of the impact, each for the issue types of one family of `Matrix.impact_family`.

        Returns
        -------
        ndarray of shape (n_texts, n_outcomes)
            Rows sum to 1 over the destinations that have an allowed impact.
        """
        within = self._within_destination(impact, np.arange(len(self.outcomes)))
        for family, opinion in families.items():
            members = np.flatnonzero(self._family == family)
            first, second = within[:, members], self._within_destination(opinion, members)
            # a head that was never shown an impact of this destination has no opinion of it
            heard = _times(opinion, self._allowed)[:, self._destination[members]] > 0
            within[:, members] = np.where(heard, (first + second) / 2, first)
        joint: Floats = destination[:, self._destination] * within
        return joint

    def _within_destination(self, impact: Floats, members: npt.NDArray[np.intp]) -> Floats:
        """Return the probability of the impact of some outcomes, given their destination."""
        share = np.maximum(_times(impact, self._allowed), 1e-12)
        within: Floats = impact[:, self._impact[members]] / share[:, self._destination[members]]
        return within

    @property
    def goes_to(self) -> npt.NDArray[np.intp]:
        """The destination of every outcome, as an index; shape (n_outcomes,)."""
        return self._destination

    def by_destination(self, joint: Floats) -> Floats:
        """Return the probability of every destination, of shape (n_texts, n_destinations)."""
        return _times(joint, self._member)

    def marginal(self, joint: Floats, label: str) -> Floats:
        """Return the probability of every value of a label, of shape (n_texts, n_values)."""
        return _times(joint, self.carries[label])


def family_head(family: str) -> str:
    """Return the name of the head that knows the impacts of one family of issue types."""
    return f"impact of {family}"


def _times(a: Floats, b: Floats) -> Floats:
    """Matrix product that gives a row the same digits alone and among a million (BLAS does not promise that)."""
    product: Floats = np.einsum("ij,jk->ik", a, b, optimize=False)
    return product


def destinations_of(frame: pd.DataFrame, matrix: Matrix) -> list[str]:
    """Return the destination of every example; empty where the issue type is not given."""
    columns = (frame[c] for c in ("issue_type", "owner", "queue", "impact"))
    return [
        destination(matrix, issue_type, owner, queue, impact) if issue_type else ""
        for issue_type, owner, queue, impact in zip(*columns, strict=True)
    ]
