"""From the probabilities of the heads to the likeliest labels, at the least expected cost, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.composition import Composition, Floats, family_head
from model.matrix import Matrix
from model.policy import Policy

Ints = npt.NDArray[np.intp]

_TINY = 1e-6


@dataclass(frozen=True)
class Verdicts:
    """The most likely labels of many texts, with the scores that their confidence is made of.

    Attributes
    ----------
    outcome : ndarray of int, shape (n_texts,)
        Index of the chosen outcome in `Composition.outcomes`.
    joint : ndarray of shape (n_texts, n_outcomes)
        Probability of every outcome.
    scores : dict of str to ndarray of shape (n_texts, n_scores)
        For severity, owner and queue.
    no_issue : ndarray of shape (n_texts,)
        Probability that the text describes no issue.
    """

    outcome: Ints
    joint: Floats
    scores: dict[str, Floats]
    no_issue: Floats


def weigh(
    composition: Composition, heads: Mapping[str, Floats], known: Floats, policy: Policy, matrix: Matrix
) -> Verdicts:
    """Choose labels from the probabilities of the heads.

    The severity is chosen first, at the least expected cost; the other labels are the likeliest that go with it.

    Parameters
    ----------
    composition : Composition
    heads : mapping of str to ndarray of shape (n_texts, n_classes)
        Columns of severity, owner and queue in the matrix's order.
    known : ndarray of shape (n_texts,)
        Number of known words.
    policy : Policy
    matrix : Matrix
    """
    families = {f: heads[head] for f in matrix.impact_families if (head := family_head(f)) in heads}
    joint = composition.joint(heads["destination"], heads["impact"], families)
    composed = composition.marginal(joint, "severity")
    shares = {"severity": policy.direct_share, "owner": 0.3, "queue": 0.3}
    for label, share in shares.items():
        joint = _pull(composition, joint, label, heads[label], share)
    mixed = composition.marginal(joint, "severity")
    costs = _costs(len(matrix.severity_ids), policy.miss_cost)
    severity = np.einsum("ij,jk->ik", mixed, costs).argmin(axis=1)
    outcome = _likeliest(composition, joint, severity)
    rows = np.arange(len(joint))
    top = np.sort(composition.marginal(joint, "issue_type"), axis=1)[:, -1]
    scores = {
        "severity": np.column_stack(
            [
                _logit(mixed[rows, severity]),
                _logit(composed[rows, severity]),
                _logit(heads["severity"][rows, severity]),
                _logit(top),
                np.log1p(known),
            ]
        )
    }
    for label in ("owner", "queue"):
        marginal = composition.marginal(joint, label)
        chosen = composition.carries[label].argmax(axis=1)[outcome]
        scores[label] = _logit(marginal[rows, chosen])[:, None]
    is_no_issue = np.array([matrix.impact(o.impact).needs_review for o in composition.outcomes])
    return Verdicts(outcome, joint, scores, joint[:, is_no_issue].sum(axis=1))


def _pull(composition: Composition, joint: Floats, label: str, direct: Floats, share: float) -> Floats:
    """Mix a direct head into one label's marginal; the joint keeps its shape within each value of the label."""
    marginal = composition.marginal(joint, label)
    possible = marginal > 0
    wanted = (1 - share) * marginal + share * np.where(possible, direct, 0.0)
    factor = np.where(possible, wanted / np.maximum(marginal, 1e-300), 0.0)
    carried = composition.carries[label].argmax(axis=1)
    pulled = joint * np.minimum(factor, 1e12)[:, carried]
    result: Floats = pulled / pulled.sum(axis=1, keepdims=True)
    return result


def _costs(n_severities: int, miss_cost: float) -> Floats:
    """Return what it costs to call severity i severity j, of shape (n_severities, n_severities)."""
    costs = 1.0 - np.eye(n_severities)
    costs[0, 1:2] = (1 + miss_cost) / 2
    costs[0, 2:] = miss_cost
    return costs


def _likeliest(composition: Composition, joint: Floats, severity: Ints) -> Ints:
    """Return the best outcome of the given severity: first the destination, then the impact within it."""
    fits = composition.carries["severity"].T[severity] * joint
    best = composition.by_destination(fits).argmax(axis=1)
    result: Ints = np.where(composition.goes_to == best[:, None], fits, -1.0).argmax(axis=1)
    return result


def _logit(p: Floats) -> Floats:
    clipped = np.clip(p, _TINY, 1 - _TINY)
    result: Floats = np.log(clipped / (1 - clipped))
    return result


def confidences(verdicts: Verdicts, policy: Policy) -> dict[str, Floats]:
    """Return for severity, owner and queue how likely the chosen label is right, each of shape (n_texts,)."""
    return {label: policy.calibrators[label](scores) for label, scores in verdicts.scores.items()}
