"""Looking at labelled texts: what is scarce, what stands twice, what is probably mislabelled."""

import pandas as pd
import pytest

from model.errors import ExamplesError
from model.evaluation import decisions_frame
from model.inspection import counts, near_duplicates, scarce, suspects

LABELS = {"severity": "P2", "owner": "Ozonetel", "queue": "General", "issue_type": "reports"}


def test_counts_have_every_text_and_author(tiny_examples):
    table = counts(tiny_examples, "language")
    assert table["texts"].sum() == len(tiny_examples)
    assert table.loc["", "authors"] == 3


def test_scarce_pairs_have_few_texts_or_few_authors():
    rows = [("a", "P0", n, "one") for n in range(40)] + [("b", "P0", n, f"author{n % 3}") for n in range(40)]
    rows += [("c", "P1", n, f"author{n}") for n in range(5)] + [("", "P1", 1, "one")]
    frame = pd.DataFrame(rows, columns=["issue_type", "severity", "text", "group"])
    assert scarce(frame)[["issue_type", "texts", "authors"]].to_numpy().tolist() == [["c", 5, 5], ["a", 40, 1]]


@pytest.mark.parametrize(
    ("text", "other", "alike"),
    [
        ("agents cannot log in to the portal since noon", "Agents cannot log in to the portal since noon!!", True),
        ("agents cannot log in to the portal since noon", "<p>agents cannot log in to the portal since noon</p>", True),
        (
            "agents cannot log in to the portal since noon",
            "agents can log in to the portal but reports are wrong",
            False,
        ),
        ("no dial tone", "the invoice of march is missing", False),
    ],
)
def test_near_duplicates(text, other, alike):
    frame = pd.DataFrame({"text": [text, other], "group": ["one", "two"], **LABELS})
    frame.loc[1, "severity"] = "P0"
    pairs = near_duplicates(frame)
    assert len(pairs) == alike
    if alike:
        assert (pairs["text"][0], pairs["other"][0]) == (text, other)
        assert not pairs["same_group"][0]
        assert not pairs["same_labels"][0]


def test_near_duplicates_of_real_texts_are_found_across_the_blocks(examples):
    frame = pd.concat([examples.iloc[:700], examples.iloc[[0]].assign(group="copy")], ignore_index=True)
    pairs = near_duplicates(frame)
    assert ((pairs["text"] == frame["text"][0]) & (pairs["other"] == frame["text"][0]) & ~pairs["same_group"]).any()


def test_suspects_are_found_by_confident_contradiction(tiny, tiny_examples):
    decided = decisions_frame(tiny.decisions)
    sure = decided[(decided["severity"] == tiny_examples["severity"]) & (decided["severity_confidence"] > 0.9)]
    wrong = sure.index[:5]
    mislabelled = tiny_examples.copy()
    mislabelled.loc[wrong, "severity"] = [{"P3": "P0"}.get(s, "P3") for s in tiny_examples["severity"][wrong]]
    found = suspects(mislabelled, decided, "severity")
    assert set(mislabelled["text"][wrong]) <= set(found["text"])
    assert (found["severity"] != found["decided"]).all()


def test_suspects_want_a_decision_for_each_example(tiny, tiny_examples):
    with pytest.raises(ExamplesError, match="decisions"):
        suspects(tiny_examples.iloc[1:], decisions_frame(tiny.decisions), "severity")
