"""The policy prices mistakes, keeps labels together, and says why a person must look."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from model.composition import Composition, outcomes
from model.decider import Decider, PartsReading, Reading
from model.decision import Confidence, Decision, Evidence, Labels
from model.policy import (
    EMPTY_TEXT,
    NO_ISSUE,
    NO_RULE,
    PART_DISAGREES,
    REVIEW_REASONS,
    RULES_DISAGREE,
    UNKNOWN_WORDS,
    UNSURE,
    Calibrator,
    Policy,
    decide_by_default,
    decide_by_person,
    decide_by_rules,
    explain,
    review_reasons,
    rule_wins,
    surest_rules,
)
from model.rules import RuleHit
from model.text import clean
from model.verdicts import confidences, weigh

P0 = Labels("P0", "Ozonetel", "General", "agent_portal_down")
P2 = Labels("P2", "Ozonetel", "General", "agent_portal_down")
SURE = Confidence(0.99, 0.99, 0.99)


def hit(labels, impact="full"):
    return RuleHit(labels, impact, "a-rule", None, (Evidence("x", 0, 1, labels.issue_type, 1.0),))


@pytest.fixture(scope="module")
def composition(matrix):
    all_of = outcomes(matrix)
    return Composition(matrix, sorted({o.destination for o in all_of}), sorted({o.impact for o in all_of}))


def heads(composition, matrix, destination, impact, severity=None):
    """Heads that are as sure as said of destination and impact, and of nothing else."""

    def row(names, said):
        rest = (1 - sum(said.values())) / max(len(names) - len(said), 1)
        return np.array([[said.get(name, rest) for name in names]])

    destinations = sorted({o.destination for o in composition.outcomes})
    impacts = sorted({o.impact for o in composition.outcomes})
    return {
        "destination": row(destinations, destination),
        "impact": row(impacts, impact),
        "severity": row(matrix.severity_ids, severity or {}),
        "owner": row(matrix.owner_ids, {}),
        "queue": row(matrix.queue_ids, {}),
    }


def chosen(composition, matrix, policy, **said):
    verdicts = weigh(composition, heads(composition, matrix, **said), np.array([5.0]), policy, matrix)
    return composition.outcomes[verdicts.outcome[0]], verdicts


# --- Weighing ---


def test_what_the_heads_are_sure_of_is_chosen(composition, matrix):
    sure = {"destination": {"webrtc_not_working": 0.98}, "impact": {"few": 0.98}, "severity": {"P2": 0.98}}
    outcome, _ = chosen(composition, matrix, Policy(), **sure)
    assert outcome.labels == Labels("P2", "Ozonetel", "General", "webrtc_not_working")
    assert outcome.impact == "few"


def test_a_missed_p0_costs_more_than_a_false_alarm(composition, matrix):
    torn = {
        "destination": {"agent_portal_down": 0.999},
        "impact": {"full": 0.42, "few": 0.56},
        "severity": {"P0": 0.42, "P2": 0.56},
    }
    even, _ = chosen(composition, matrix, Policy(miss_cost=1.0), **torn)
    dear, _ = chosen(composition, matrix, Policy(miss_cost=3.0), **torn)
    assert (even.labels.severity, dear.labels.severity) == ("P2", "P0")


def test_the_direct_head_counts_as_much_as_the_policy_says(composition, matrix):
    contrary = {
        "destination": {"agent_portal_down": 0.999},
        "impact": {"few": 0.9},
        "severity": {"P0": 0.97},
    }
    little, _ = chosen(composition, matrix, Policy(direct_share=0.05), **contrary)
    much, _ = chosen(composition, matrix, Policy(direct_share=0.95), **contrary)
    assert (little.labels.severity, much.labels.severity) == ("P2", "P0")


@given(st.integers(0, 10_000))
def test_whatever_the_heads_say_an_outcome_of_the_matrix_is_chosen(composition, matrix, seed):
    random = np.random.default_rng(seed)
    n_destinations = len({o.destination for o in composition.outcomes})
    n_impacts = len({o.impact for o in composition.outcomes})
    sizes = {"destination": n_destinations, "impact": n_impacts, "severity": 4, "owner": 2, "queue": 2}
    said = {name: random.dirichlet(np.full(size, 0.05), 3) for name, size in sizes.items()}
    policy = Policy()
    verdicts = weigh(composition, said, np.ones(3), policy, matrix)
    assert np.isfinite(verdicts.joint).all()
    assert verdicts.joint.sum(axis=1) == pytest.approx(np.ones(3))
    sure = confidences(verdicts, policy)
    assert set(sure) == {"severity", "owner", "queue"}
    for values in sure.values():
        assert ((values >= 0) & (values <= 1)).all()
    for index in verdicts.outcome:
        labels = composition.outcomes[index].labels
        assert (labels.owner, labels.queue) in {(p.owner, p.queue) for p in matrix.owner_queues(labels.issue_type)}


def test_no_issue_is_the_probability_of_no_issue(composition, matrix):
    said = {"destination": {"other/no_issue": 0.9}, "impact": {"no_issue": 0.9}, "severity": {"P3": 0.97}}
    outcome, verdicts = chosen(composition, matrix, Policy(), **said)
    assert outcome.labels == Labels("P3", "Ozonetel", "General", "other")
    assert verdicts.no_issue[0] > 0.6


def test_calibrator_is_the_logistic_regression_that_it_was_made_of():
    random = np.random.default_rng(0)
    scores = random.normal(size=(200, 3))
    right = scores @ [1.0, -2.0, 0.5] + random.normal(size=200) > 0
    fitted = LogisticRegression().fit(scores, right)
    calibrator = Calibrator(tuple(fitted.coef_[0]), float(fitted.intercept_[0]))
    assert calibrator(scores) == pytest.approx(fitted.predict_proba(scores)[:, 1])


# --- When a person must look ---

POLICY = Policy(
    thresholds={"severity": 0.8, "owner": 0.9, "queue": 0.7}, no_issue_threshold=0.4, known_words=0.3,
    rule_precision={"a-rule": 0.95},
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ()),
        ({"known_share": 0.29}, (UNKNOWN_WORDS,)),
        ({"known_share": 0.3}, ()),
        ({"no_issue": 0.4}, (NO_ISSUE,)),
        ({"no_issue": 0.39}, ()),
        ({"confidence": Confidence(0.79, 0.99, 0.99)}, (UNSURE["severity"],)),
        ({"confidence": Confidence(0.8, 0.9, 0.7)}, ()),
        ({"confidence": Confidence(0.1, 0.1, 0.1)}, tuple(UNSURE.values())),
        ({"hit": hit(P0)}, ()),
        ({"hit": hit(P2), "confidence": Confidence(0.9, 0.99, 0.99)}, (RULES_DISAGREE,)),
        (
            {"hit": hit(P2), "confidence": Confidence(0.96, 0.99, 0.99)},
            (),
        ),  # the model is surer than the rule was right
        ({"hit": replace(hit(P2), rule="unknown"), "confidence": Confidence(0.9, 0.99, 0.99)}, ()),
        ({"labels": P2, "hit": hit(P0), "confidence": Confidence(0.9, 0.99, 0.99)}, (RULES_DISAGREE,)),
    ],
)
def test_review_reasons(matrix, changes, expected):
    usual = {"confidence": SURE, "labels": P0, "no_issue": 0.0, "known_share": 1.0, "hit": None}
    reasons = review_reasons(**(usual | changes), policy=POLICY, matrix=matrix)
    assert reasons == expected
    assert set(reasons) <= set(REVIEW_REASONS)


@pytest.mark.parametrize(
    ("labels", "hit_labels", "confidence", "precision", "wins"),
    [
        (P2, P0, 0.5, 0.6, True),
        (P2, P0, 0.5, 0.5, False),  # not surer than the model
        (P2, P0, 0.8, 0.9, False),  # the model is sure
        (P0, P2, 0.1, 0.9, False),  # no rule takes back a P0
        (P0, P0, 0.1, 0.9, True),
        (P2, P0, 0.5, None, False),  # never proved on unsure texts
    ],
)
def test_a_rule_wins_only_where_the_model_is_unsure_and_it_has_proved_surer(
    matrix, labels, hit_labels, confidence, precision, wins
):
    proved = {} if precision is None else {"a-rule": precision}
    policy = replace(POLICY, rule_precision={"a-rule": 0.99}, rule_precision_unsure=proved)
    assert rule_wins(hit(hit_labels), labels, Confidence(confidence, 0.99, 0.99), policy, matrix) is wins


shares = st.floats(0, 1)
either = st.sampled_from((P0, P2))


@given(confidence=shares, precision=shares, unsure=shares, said=either, by_rule=either)
def test_no_rule_changes_what_is_surer_than_the_surest_rule(matrix, confidence, precision, unsure, said, by_rule):
    policy = replace(POLICY, rule_precision={"a-rule": precision}, rule_precision_unsure={"a-rule": unsure})
    for_worst, for_others = surest_rules(policy, {"a-rule": frozenset({by_rule.severity})}, matrix)
    assume(confidence > (for_worst if said is P0 else for_others))
    sure = Confidence(confidence, 0.99, 0.99)
    assert not rule_wins(hit(by_rule), said, sure, policy, matrix)
    with_rule, without = (review_reasons(sure, said, 0.0, 1.0, one, policy, matrix) for one in (hit(by_rule), None))
    assert with_rule == without


def test_a_rule_that_nobody_measured_is_not_asked(matrix):
    assert surest_rules(POLICY, {"another-rule": frozenset({"P0", "P2"})}, matrix) == (0.0, 0.0)


# --- Parts of a text ---


def reading(composition, matrix, *said):
    usual = {"owner": np.array([[0.99, 0.01]]), "queue": np.array([[0.99, 0.01]])}
    each = [heads(composition, matrix, **one) | usual for one in said]
    stacked = {name: np.vstack([one[name] for one in each]) for name in each[0]}
    return Reading(stacked, np.full(len(said), 9.0), np.ones(len(said)))


def sure_of(composition, matrix, issue_type, severity, share=0.99):
    others = (1 - share) / (len({o.destination for o in composition.outcomes}) - 1)
    destinations = {o.destination: others for o in composition.outcomes} | {issue_type: share}
    return {"destination": destinations, "impact": {"full": 1.0}, "severity": {severity: 1.0}}


@pytest.mark.parametrize(
    ("part", "share", "reasons"),
    [
        ("agent_portal_down", 0.99, (PART_DISAGREES,)),
        ("agent_portal_down", 0.3, ()),  # the part is not sure
        ("pri_down", 0.99, ()),  # no P0
    ],
)
def test_a_sure_p0_in_one_part_sends_the_whole_to_a_person(composition, matrix, part, share, reasons):
    whole = reading(composition, matrix, sure_of(composition, matrix, "reports", "P3"))
    severity = matrix.row_severity(part)
    said = [sure_of(composition, matrix, "reports", "P3"), sure_of(composition, matrix, part, severity, share)]
    parts = PartsReading(reading(composition, matrix, *said), (0, 0))
    [decision] = Decider(composition, Policy(), matrix).decide([clean("x y")], whole, lambda _: None, lambda _: parts)
    assert decision.labels.issue_type == "reports"
    assert decision.review_reasons == reasons


def test_what_lowers_a_p0_beside_it_is_no_reason_for_a_review(composition, matrix):
    lowered = sure_of(composition, matrix, "agent_portal_down", "P2") | {"impact": {"few": 1.0}}
    whole = reading(composition, matrix, lowered)
    parts = PartsReading(reading(composition, matrix, sure_of(composition, matrix, "agent_portal_down", "P0")), (0,))
    [decision] = Decider(composition, Policy(), matrix).decide([clean("x y")], whole, lambda _: None, lambda _: parts)
    assert (decision.labels.severity, decision.review_reasons) == ("P2", ())


# --- Other deciders ---


def test_rules_estimate_no_probability(matrix):
    decision = decide_by_rules(clean("x"), hit(P0), matrix)
    assert (decision.decided_by, decision.rule, decision.labels) == ("rules", "a-rule", P0)
    assert decision.confidence is None
    assert not decision.needs_review
    assert decision.evidence
    assert decision.explanation == "closest to: Ozonetel Agent portal is down (P0); rule a-rule"


def test_a_rule_that_finds_no_issue_asks_for_a_person(matrix):
    found = hit(Labels("P3", "Ozonetel", "General", "other"), "no_issue")
    assert decide_by_rules(clean("x"), found, matrix).review_reasons == (NO_ISSUE,)


@pytest.mark.parametrize(("raw", "reason"), [("", EMPTY_TEXT), (" <p></p> ", EMPTY_TEXT), ("x", NO_RULE)])
def test_no_rule_is_no_guess(matrix, raw, reason):
    decision = decide_by_rules(clean(raw), None, matrix)
    assert decision == decide_by_default(matrix, reason)
    assert decision.decided_by == "default"
    assert decision.labels == Labels("P3", "Ozonetel", "General", "other")
    assert decision.review_reasons == (reason,)


def test_a_person_s_word_replaces_everything_but_the_version(matrix):
    before = Decision(P2, "few", "model", SURE, (NO_ISSUE,), "why", evidence=hit(P2).evidence, model_version="v1")
    decision = decide_by_person(P0, before)
    assert (decision.labels, decision.decided_by, decision.model_version) == (P0, "person", "v1")
    assert not decision.needs_review
    assert decision.confidence is None
    assert decision.impact is None
    assert decision.evidence == ()
    assert decision.alternatives == ()


@pytest.mark.parametrize(
    ("labels", "impact", "said"),
    [
        (P0, "full", "closest to: Ozonetel Agent portal is down (P0)"),
        (
            replace(P2, severity="P3"),
            "question",
            "closest to: Ozonetel Agent portal is down (P0); lowered to P3: a question",
        ),
        (Labels("P3", "Ozonetel", "General", "other"), "question", "matches no documented row; P3: a question"),
        (Labels("P3", "Ozonetel", "General", "other"), None, "matches no documented row"),
    ],
)
def test_explanations(matrix, labels, impact, said):
    assert explain(matrix, labels, impact) == said
