"""An issue type and an impact make all four labels, and no two labels contradict each other."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model.composition import Composition, destination, destinations_of, outcomes


@pytest.fixture(scope="module")
def everything(matrix):
    """A composition whose heads know every class, and the names of their columns."""
    all_of = outcomes(matrix)
    destinations = sorted({o.destination for o in all_of})
    impacts = sorted({o.impact for o in all_of})
    return Composition(matrix, destinations, impacts), destinations, impacts


def test_outcomes_are_what_the_matrix_allows(matrix):
    for outcome in outcomes(matrix):
        labels = outcome.labels
        assert labels.severity == matrix.severity_after(labels.issue_type, outcome.impact)
        assert (labels.owner, labels.queue) in {(p.owner, p.queue) for p in matrix.owner_queues(labels.issue_type)}


def test_every_row_has_an_outcome_with_its_own_labels(matrix):
    found = {(o.labels.issue_type, o.labels.severity, o.labels.owner, o.labels.queue) for o in outcomes(matrix)}
    assert {(t.id, t.severity, t.owner, t.queue) for t in matrix.issue_types} <= found


def test_outcomes_are_distinct(matrix):
    keys = [(o.destination, o.impact) for o in outcomes(matrix)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("issue_type", "owner", "queue", "impact", "expected"),
    [
        ("reports", "Ozonetel", "General", "full", "reports"),
        ("other", "Ozonetel", "General", "limited", "other"),
        ("other", "Ozonetel", "CR desk", "change", "other/Ozonetel/CR desk"),
        ("other", "Telco", "General", "limited", "other/Telco/General"),
        ("other", "Ozonetel", "General", "no_issue", "other/no_issue"),
        ("other", "Ozonetel", "General", "", "other"),
    ],
)
def test_destinations(matrix, issue_type, owner, queue, impact, expected):
    assert destination(matrix, issue_type, owner, queue, impact) == expected


def test_examples_without_an_issue_type_have_no_destination(matrix):
    frame = pd.DataFrame(
        [("reports", "Ozonetel", "General", "full"), ("", "Ozonetel", "General", "")],
        columns=["issue_type", "owner", "queue", "impact"],
    )
    assert destinations_of(frame, matrix) == ["reports", ""]


def test_joint_by_hand(matrix):
    composition = Composition(matrix, ["reports", "agent_portal_down"], ["full", "few", "branch"])
    joint = composition.joint(np.array([[0.2, 0.8]]), np.array([[0.5, 0.3, 0.2]]))
    found = {(o.destination, o.impact): p for o, p in zip(composition.outcomes, joint[0], strict=True)}
    # a branch makes no sense for either: its share goes to the other impacts
    assert found == pytest.approx(
        {
            ("agent_portal_down", "full"): 0.8 * 0.5 / 0.8,
            ("agent_portal_down", "few"): 0.8 * 0.3 / 0.8,
            ("reports", "full"): 0.2 * 0.5 / 0.8,
            ("reports", "few"): 0.2 * 0.3 / 0.8,
        }
    )
    severity = dict(zip(composition.values["severity"], composition.marginal(joint, "severity")[0], strict=True))
    assert severity == pytest.approx({"P0": 0.5, "P1": 0.0, "P2": 0.3, "P3": 0.2})


def shares(n):
    weights = arrays(float, n, elements=st.floats(0.001, 1))
    return weights.map(lambda w: w / w.sum())


@given(st.data())
def test_joint_and_marginals_are_probabilities(everything, matrix, data):
    composition, destinations, impacts = everything
    d = data.draw(shares(len(destinations)))[None]
    i = data.draw(shares(len(impacts)))[None]
    joint = composition.joint(d, i)
    assert joint.min() >= 0
    assert joint.sum() == pytest.approx(1.0)
    for label in matrix.labels:
        assert composition.marginal(joint, label).sum() == pytest.approx(1.0)


def test_classes_that_no_head_knows_are_left_out(matrix):
    composition = Composition(matrix, ["reports"], ["full"])
    assert [(o.destination, o.impact) for o in composition.outcomes] == [("reports", "full")]


def test_a_row_has_the_same_digits_alone_and_among_many(everything, matrix):
    composition, destinations, impacts = everything
    random = np.random.default_rng(0)
    d = random.dirichlet(np.ones(len(destinations)), 300)
    i = random.dirichlet(np.ones(len(impacts)), 300)
    many = composition.joint(d, i)
    for n in (0, 7, 299):
        alone = composition.joint(d[n : n + 1], i[n : n + 1])
        assert np.array_equal(many[n : n + 1], alone)
        for label in matrix.labels:
            assert np.array_equal(composition.marginal(many, label)[n], composition.marginal(alone, label)[0])


def test_a_second_opinion_counts_half_within_its_family_by_hand(matrix):
    composition = Composition(matrix, ["agent_portal_down", "other"], ["few", "full", "limited", "main"])
    destination, impact = np.array([[0.6, 0.4]]), np.array([[0.1, 0.3, 0.2, 0.4]])
    families = {matrix.impact_family("agent_portal_down"): np.array([[0.5, 0.5, 0.0, 0.0]])}
    joint = composition.joint(destination, impact, families)
    found = {(o.destination, o.impact): p for o, p in zip(composition.outcomes, joint[0], strict=True)}
    assert found == pytest.approx(
        {
            ("agent_portal_down", "full"): 0.6 * (0.3 / 0.4 + 0.5) / 2,
            ("agent_portal_down", "few"): 0.6 * (0.1 / 0.4 + 0.5) / 2,
            ("other", "main"): 0.4 * 0.4 / 0.6,
            ("other", "limited"): 0.4 * 0.2 / 0.6,
        }
    )


def test_a_family_head_that_knows_no_impact_of_a_destination_is_not_heard(matrix):
    composition = Composition(matrix, ["agent_portal_down"], ["few", "full", "question"])
    family = matrix.impact_family("agent_portal_down")
    shared = np.array([[0.2, 0.7, 0.1]])
    joint = composition.joint(np.array([[1.0]]), shared, {family: np.array([[0.0, 0.0, 0.0]])})
    assert np.array_equal(joint, composition.joint(np.array([[1.0]]), shared))
