"""Figures equal what a hand, or scikit-learn, works out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, recall_score

from model.decision import Confidence, Decision, Labels
from model.evaluation import (
    calibration_curve,
    calibration_error,
    confusion,
    coverage_curve,
    decisions_frame,
    evaluate,
    slices,
)

NAN = float("nan")


def table(severities, review=None, confidence=None, **columns):
    n = len(severities)
    fixed = {"owner": "Ozonetel", "queue": "General", "issue_type": "reports", "decided_by": "model"}
    frame = pd.DataFrame({"severity": severities, **{k: [v] * n for k, v in fixed.items()}, **columns})
    frame["needs_review"] = review or [False] * n
    for label in ("severity", "owner", "queue"):
        frame[f"{label}_confidence"] = confidence or [NAN] * n
    return frame


TRUTH = ["P0", "P0", "P0", "P0", "P1", "P2", "P3", "P3"]
DECIDED = ["P0", "P0", "P1", "P2", "P1", "P0", "P3", "P2"]
REVIEW = [False, False, True, False, False, False, False, True]


def test_by_hand(matrix):
    report = evaluate(table(TRUTH), table(DECIDED, REVIEW), matrix)
    assert report["texts"] == 8
    assert report["severity"]["accuracy"] == 0.5
    assert report["severity"]["recall"] == {"P0": 0.5, "P1": 1.0, "P2": 0.0, "P3": 0.5}
    f1 = [2 * 2 / (2 * 2 + 1 + 2), 2 / 3, 0, 2 / 3]  # 2 TP / (2 TP + FP + FN)
    assert report["severity"]["macro_f1"] == pytest.approx(np.mean(f1), abs=1e-4)
    assert report["p0_recall"] == 0.5
    assert report["dangerous_misses"] == 0.25
    assert report["coverage"] == 0.75
    assert report["precision"] == round(4 / 6, 4)
    assert report["owner"]["accuracy"] == 1.0


@settings(max_examples=30)
@given(
    st.lists(st.tuples(*[st.sampled_from(["P0", "P1", "P2", "P3"])] * 2, st.booleans()), min_size=1, max_size=40),
)
def test_as_scikit_learn_has_it(matrix, rows):
    truth, decided, review = map(list, zip(*rows, strict=True))
    report = evaluate(table(truth), table(decided, review), matrix)
    severity = report["severity"]
    assert severity["accuracy"] == pytest.approx(accuracy_score(truth, decided), abs=1e-4)
    classes = sorted({*truth, *decided})
    macro = f1_score(truth, decided, labels=classes, average="macro", zero_division=0)
    assert severity["macro_f1"] == pytest.approx(macro, abs=1e-4)
    for name, recall in severity["recall"].items():
        expected = recall_score(truth, decided, labels=[name], average="macro")
        assert recall == pytest.approx(expected, abs=1e-4)
    assert set(severity["recall"]) == set(truth)
    assert report["p0_recall"] == severity["recall"].get("P0")
    kept = [t == d for t, d, r in rows if not r]
    assert report["precision"] == (pytest.approx(np.mean(kept), abs=1e-4) if kept else None)


def test_precision_of_all_labels(matrix):
    truth = table(["P0", "P0", "P0"])
    decided = table(["P0", "P0", "P1"], owner=["Ozonetel", "Telco", "Ozonetel"])
    assert evaluate(truth, decided, matrix)["all_labels_precision"] == round(1 / 3, 4)


def test_rows_are_compared_by_place_not_by_index(matrix):
    truth = table(["P0", "P1"])
    truth.index = [7, 3]
    assert evaluate(truth, table(["P0", "P1"]), matrix)["severity"]["accuracy"] == 1.0


def test_unknown_issue_types_are_left_out(matrix):
    truth = table(["P0", "P0"], issue_type=["", "reports"])
    decided = table(["P0", "P0"], issue_type=["other", "reports"])
    assert evaluate(truth, decided, matrix)["issue_type"]["accuracy"] == 1.0
    assert "issue_type" not in evaluate(truth.assign(issue_type=""), decided, matrix)
    assert "issue_type" not in evaluate(truth.drop(columns="issue_type"), decided, matrix)


def test_figures_that_nothing_stands_behind_are_none(matrix):
    report = evaluate(table(["P3"]), table(["P3"], [True]), matrix)
    assert report["p0_recall"] is None
    assert report["dangerous_misses"] is None
    assert report["precision"] is None
    assert report["severity"]["expected_calibration_error"] is None


def test_review_of_no_issue_and_of_issues(matrix):
    truth = table(["P3"] * 4, impact=["no_issue", "no_issue", "none", "full"])
    report = evaluate(truth, table(["P3"] * 4, [True, False, True, False]), matrix)
    assert (report["review_of_no_issue"], report["review_of_issues"]) == (0.5, 0.5)
    assert "review_of_issues" not in evaluate(table(["P3"]), table(["P3"]), matrix)


# --- Confidence ---


def test_calibration_error_by_hand():
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.65, 0.65, NAN])
    right = np.array([True, True, True, False, True, False, False])
    # two bins: |0.95 - 0.75| * 4/6 + |0.65 - 0.5| * 2/6
    assert calibration_error(confidence, right) == pytest.approx(0.2 * 4 / 6 + 0.15 * 2 / 6, abs=1e-4)
    curve = calibration_curve(confidence, right)
    assert curve["texts"].tolist() == [2, 4]
    assert curve["accuracy"].tolist() == [0.5, 0.75]


def test_the_surest_is_in_the_last_bin():
    assert calibration_curve(np.array([1.0, 0.0]), np.array([True, False]))["bin"].tolist() == [0, 9]
    assert calibration_error(np.array([1.0, 0.0]), np.array([True, False])) == 0.0


def test_nobody_s_confidence_has_no_error():
    assert calibration_error(np.array([NAN, NAN]), np.array([True, False])) is None


def test_coverage_curve_by_hand():
    curve = coverage_curve(np.array([0.5, 0.9, NAN, 0.7]), np.array([False, True, True, True]))
    assert curve["coverage"].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve["precision"].tolist() == [1.0, 1.0, pytest.approx(2 / 3), 0.75]


# --- Tables ---


def test_confusion():
    found = confusion(pd.Series(["P0", "P0", "P1"]), pd.Series(["P0", "P1", "P1"]), ["P0", "P1", "P2"])
    assert found.to_numpy().tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert found.index.name == "truth"


def test_slices(matrix):
    truth = table(TRUTH, language=["en"] * 4 + ["hi"] * 4)
    found = slices(truth, table(DECIDED, REVIEW), "language", matrix).set_index("language")
    assert found["severity_right"].to_dict() == {"en": 0.5, "hi": 0.5}
    assert found["texts"].to_dict() == {"en": 4, "hi": 4}
    assert found["coverage"].to_dict() == {"en": 0.75, "hi": 0.75}
    assert found["p0_recall"]["en"] == 0.5


def test_decisions_become_a_table():
    labels = Labels("P0", "Ozonetel", "General", "reports")
    sure = Decision(labels, "full", "model", Confidence(0.9, 0.8, 0.7), ("a", "b"))
    found = decisions_frame([sure, Decision(labels, None, "default")])
    assert found["severity_confidence"].tolist()[0] == 0.9
    assert np.isnan(found["queue_confidence"][1])
    assert found["needs_review"].tolist() == [True, False]
    assert found["review_reasons"].tolist() == ["a b", ""]
